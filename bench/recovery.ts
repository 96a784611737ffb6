/**
 * What shoppers notice when processes are killed: sixteen of them make a change each every 150 ms, while the coordinator of a list, a
 * broker, and half of the servers are killed (SIGKILL) in turn. How long until the first answer, and how many requests of the minute
 * after it took longer than they do else. SECONDS=60 by default.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePortBase } from "../scripts/free-ports.js";
import { DEFAULT_RETRY } from "../src/client/retry-policy.js";
import { Shopper } from "./shopper.js";
import { median, report } from "./table.js";

const SHOPPERS = 16;
const PAUSE_MS = 150;
const SECONDS = Number(process.env.SECONDS ?? 60);
const QUIET_SECONDS = 10;
/** What nobody would call slow on a machine where all else is well. */
const NOTICED_MS = 400;

const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? process.cwd(), ".bench-"));
const base = await freePortBase();
const brokers = [base, base + 1].map((port) => `tcp://127.0.0.1:${port}`);

function cluster(...words: readonly string[]): string {
  const all = [program, "cluster", ...words, "--data", folder];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

const up = (): string => cluster("up", "--servers", "4", "--port-base", `${base}`);

function kill(...names: readonly string[]): void {
  for (const name of names) process.kill(Number(readFileSync(join(folder, "run", `${name}.pid`), "utf8")), "SIGKILL");
}

interface Request {
  readonly at: number;
  readonly tookMs: number;
}

/** Lets them shop for a while. @returns their requests in order of their beginning */
async function shopping(shoppers: readonly Shopper[], seconds: number): Promise<readonly Request[]> {
  const requests: Request[] = [];
  const end = performance.now() + 1_000 * seconds;
  await Promise.all(
    shoppers.map(async (shopper, number) => {
      await pause((number * PAUSE_MS) / SHOPPERS);
      for (let at = performance.now(); at < end; at = performance.now()) {
        shopper.add("milk");
        await shopper.sync();
        requests.push({ at, tookMs: performance.now() - at });
        await pause(PAUSE_MS);
      }
    }),
  );
  return requests.sort((a, b) => a.at - b.at);
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** The first owner of the list, which the brokers ask. */
function coordinatorOf(shopper: Shopper): string {
  const env = { ...process.env, AISLE_BROKERS: brokers.join(","), AISLE_DATA_DIR: join(folder, "device") };
  const words = [program, "cluster", "where", shopper.id, "--json"];
  const { stdout, stderr } = spawnSync(process.execPath, words, { env, encoding: "utf8" });
  const { copies } = JSON.parse(stdout) as { copies: readonly { server: string }[] };
  const [first] = copies;
  if (first === undefined) throw new Error(stderr);
  return first.server;
}

try {
  up();
  const shoppers = Array.from({ length: SHOPPERS }, () => new Shopper(brokers));
  for (const shopper of shoppers) await shopper.sync();
  const quiet = await shopping(shoppers, QUIET_SECONDS);
  const usual = median(quiet.map(({ tookMs }) => tookMs));
  const first = shoppers[0] ?? new Shopper(brokers);
  const deaths = [
    { name: "the coordinator of a list", names: [coordinatorOf(first)], isCounted: true },
    { name: "a broker", names: ["broker-1"], isCounted: false },
    { name: "half of the servers", names: ["server-1", "server-2"], isCounted: false },
  ];
  for (const { name, names, isCounted } of deaths) {
    const going = shopping(shoppers, SECONDS);
    await pause(1_000);
    kill(...names);
    const killedAt = performance.now();
    const requests = (await going).filter(({ at, tookMs }) => at + tookMs >= killedAt);
    const slow = requests.filter(({ tookMs }) => tookMs > NOTICED_MS);
    const slowest = Math.max(...requests.map(({ tookMs }) => tookMs));
    const share = slow.length / requests.length;
    const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
    report(`${name} killed, ${SECONDS} s of ${SHOPPERS} shoppers`, [
      { name: "a request else", figure: seconds(usual), ratio: 1 },
      {
        name: "the slowest afterwards (ratio to a retry timeout)",
        figure: seconds(slowest),
        ratio: slowest / DEFAULT_RETRY.attemptTimeoutMs,
        ...(isCounted ? { atMost: 1 } : {}),
      },
      {
        name: `longer than ${NOTICED_MS} ms (share in percent)`,
        figure: `${slow.length} of ${requests.length}`,
        ratio: 100 * share,
        ...(isCounted ? { atMost: 1 } : {}),
      },
    ]);
    up();
    await pause(3_000);
  }
} finally {
  cluster("down");
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
