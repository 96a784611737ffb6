/**
 * A server with many lists: how long it takes to start, what it takes of memory, and how fast a server that lost its disk gets all
 * of them back from another one. LISTS=100000 by default, of about twenty items in the mean. Real processes, real disks.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePortBase } from "../scripts/free-ports.js";
import { JournalStore, SEGMENT_BYTES } from "../src/server/store/journal-store.js";
import type { ListDelta } from "../src/server/store/store.js";
import { households } from "../test/households.js";

const LISTS = Number(process.env.LISTS ?? 100_000);
const BATCH = 200;
const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? process.cwd(), ".bench-"));
const base = await freePortBase(21_000);
const endpoint = (at: number): string => `tcp://127.0.0.1:${base + at}`;
const env = { ...process.env, XDG_CONFIG_HOME: folder };
const processes: ChildProcess[] = [];

function problem(what: unknown): never {
  throw new Error(JSON.stringify(what));
}

/** Writes the lists as a server would have kept them. @returns the number of items */
async function fill(dataDir: string): Promise<number> {
  mkdirSync(dataDir, { recursive: true });
  const options = { segmentBytes: SEGMENT_BYTES, onDamage: problem, onCompactionFailed: problem };
  const store = await JournalStore.open(dataDir, options);
  let items = 0;
  let batch: ListDelta[] = [];
  for (const list of households(LISTS)) {
    items += list.items;
    batch.push({ listId: list.listId, delta: list.document });
    if (batch.length < BATCH) continue;
    await store.append(batch);
    batch = [];
  }
  await store.append(batch);
  await store.close();
  // What is left in the journal becomes snapshots, as it would while nothing happens.
  await (await JournalStore.open(dataDir, options)).close();
  return items;
}

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

const told = (seconds: number): string => `${seconds.toFixed(1)} s`;

try {
  const began = performance.now();
  const items = await fill(join(folder, "server-1"));
  const size = bytesIn(join(folder, "server-1"));
  console.log(
    `${LISTS.toLocaleString("en")} lists, ${items.toLocaleString("en")} items, ${(size / 2 ** 20).toFixed(0)} MB on disk; made in ${told((performance.now() - began) / 1_000)}`,
  );
  start("broker", "broker", "--frontend", endpoint(0), "--backend", endpoint(1), "--updates", endpoint(2));
  const one = startServer(1);
  const ready = await until(async () => (await gauge(1, "aisle_server_lists")) >= LISTS);
  console.log(
    `start-up: ${told(ready)} until it has joined the broker with all of them; memory ${memoryOf(one)[0].toFixed(0)} MB`,
  );

  const two = startServer(2);
  let last = 0;
  const rebuilt = await until(async () => {
    const lists = await gauge(2, "aisle_server_lists");
    if (lists - last >= LISTS / 10) console.log(`  ${(last = lists).toLocaleString("en")} lists are back`);
    return lists >= LISTS;
  });
  console.log(
    `rebuilding a lost peer: ${told(rebuilt)}, ${Math.round(LISTS / rebuilt).toLocaleString("en")} lists/s, ${(size / 2 ** 20 / rebuilt).toFixed(1)} MB/s`,
  );
  const member = await until(async () => await isReady(2));
  console.log(
    `a member ${told(member)} later; memory at its highest ${memoryOf(one)[1].toFixed(0)} MB there, ${memoryOf(two)[1].toFixed(0)} MB here`,
  );
  two.kill("SIGKILL");
  await new Promise((resolve) => two.once("exit", resolve));
  const back = startServer(2);
  const ready2 = await until(async () => await isReady(2));
  console.log(`killed and started again: ${told(ready2)} until it is ready; memory ${memoryOf(back)[0].toFixed(0)} MB`);
} finally {
  for (const child of processes) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
