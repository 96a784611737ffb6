/**
 * A server with many lists: how long it takes to start, what it takes of memory, and how fast a server that lost its disk gets all
 * of them back from another one. LISTS=100000 by default, of about twenty items in the mean. Real processes, real disks.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePortBase } from "../scripts/free-ports.js";
import { fill } from "./fill.js";
import { report } from "./table.js";

const LISTS = Number(process.env.LISTS ?? 100_000);
const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? process.cwd(), ".bench-"));
const base = await freePortBase(21_000);
const endpoint = (at: number): string => `tcp://127.0.0.1:${base + at}`;
const env = { ...process.env, XDG_CONFIG_HOME: folder };
const processes: ChildProcess[] = [];

function start(name: string, ...words: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [program, ...words], { env, stdio: ["ignore", "ignore", "ignore"] });
  child.once("exit", (code, signal) => {
    if (code !== 0 && signal === null) console.error(`${name} ended with ${code}`);
  });
  processes.push(child);
  return child;
}

function startServer(number: number): ChildProcess {
  return start(
    `server-${number}`,
    ...["server", "--id", `server-${number}`, "--broker", endpoint(1), "--publish", endpoint(10 + number)],
    ...["--peer", endpoint(10 + (3 - number)), "--data", join(folder, `server-${number}`)],
    ...["--metrics", `127.0.0.1:${base + 20 + number}`, "--replicas", "2", "--write-quorum", "1", "--read-quorum", "2"],
  );
}

async function gauge(number: number, name: string): Promise<number> {
  try {
    const text = await (await fetch(`http://127.0.0.1:${base + 20 + number}/metrics`)).text();
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN;
  }
}

async function isReady(number: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${base + 20 + number}/readyz`)).ok;
  } catch {
    return false;
  }
}

async function until(holds: () => Promise<boolean>): Promise<number> {
  const began = performance.now();
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 100));
  return (performance.now() - began) / 1_000;
}

/** Resident memory in megabytes: as it is, and at its highest. */
function memoryOf({ pid }: ChildProcess): readonly [number, number] {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (field: string): number => Number(new RegExp(`^${field}:\\s+([0-9]+) kB`, "m").exec(text)?.[1]) / 1_024;
  return [of("VmRSS"), of("VmHWM")];
}

function bytesIn(path: string): number {
  if (!existsSync(path)) return 0;
  return readdirSync(path, { withFileTypes: true }).reduce(
    (sum, entry) =>
      sum + (entry.isDirectory() ? bytesIn(join(path, entry.name)) : statSync(join(path, entry.name)).size),
    0,
  );
}

/** The least that bringing them elsewhere can take: the same bytes, written and flushed. */
async function copied(from: string, to: string): Promise<number> {
  mkdirSync(to);
  const began = performance.now();
  for (const name of readdirSync(from)) {
    const file = await open(join(to, name), "w");
    await file.writeFile(readFileSync(join(from, name)));
    await file.datasync();
    await file.close();
  }
  return (performance.now() - began) / 1_000;
}

const told = (seconds: number): string => `${seconds.toFixed(1)} s`;

try {
  const items = await fill(join(folder, "server-1"), LISTS);
  const size = bytesIn(join(folder, "server-1"));
  start("broker", "broker", "--frontend", endpoint(0), "--backend", endpoint(1), "--updates", endpoint(2));
  const one = startServer(1);
  const ready = await until(async () => (await gauge(1, "aisle_server_lists")) >= LISTS);
  const [memoryThen] = memoryOf(one);

  const two = startServer(2);
  let last = 0;
  const rebuilt = await until(async () => {
    const lists = await gauge(2, "aisle_server_lists");
    if (lists - last >= LISTS / 10) console.log(`  ${(last = lists).toLocaleString("en")} lists are back`);
    return lists >= LISTS;
  });
  await until(async () => await isReady(2));
  const [, highest] = memoryOf(two);
  two.kill("SIGKILL");
  await new Promise((resolve) => two.once("exit", resolve));
  const back = startServer(2);
  const ready2 = await until(async () => await isReady(2));
  const bare = await copied(join(folder, "server-1", "snapshots"), join(folder, "copied"));
  const rate = (seconds: number): string => `${Math.round(size / 2 ** 20 / seconds)} MB/s`;
  const mb = (bytes: number): string => `${bytes.toFixed(0)} MB`;
  report(`${LISTS.toLocaleString("en")} lists, ${items.toLocaleString("en")} items, ${mb(size / 2 ** 20)} on disk`, [
    { name: "start-up, with all of them at the broker", figure: told(ready) },
    { name: "memory then", figure: mb(memoryThen) },
    {
      name: "a lost peer rebuilt",
      figure: `${told(rebuilt)}, ${Math.round(LISTS / rebuilt)} lists/s, ${rate(rebuilt)}`,
    },
    { name: "its files copied and flushed, by comparison", figure: `${told(bare)}, ${rate(bare)}` },
    { name: "memory at its highest then, giving", figure: mb(memoryOf(one)[1]) },
    { name: "memory at its highest then, taking", figure: mb(highest) },
    { name: "killed and started again", figure: `${told(ready2)}, ${mb(memoryOf(back)[0])}` },
  ]);
} finally {
  for (const child of processes) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
