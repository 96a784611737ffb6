/**
 * How long a command takes beside `node -e 0`: medians of interleaved runs of the program that `npm run build` makes, in
 * this run on this machine. Run it with `make bench-start-up`; nothing else should be running.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePortBase } from "../scripts/free-ports.js";
import { median, report } from "./table.js";

const RUNS = 40;
const WARM_UP = 3;
const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "aisle-bench-"));

interface Subject {
  readonly name: string;
  readonly words: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** The ratio to stay at or below. */
  readonly target: number | null;
}

function aisle(words: readonly string[], env: NodeJS.ProcessEnv, input = ""): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
    env: { ...process.env, XDG_CONFIG_HOME: folder, ...env },
    input,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`aisle ${words.join(" ")}: ${stderr}`);
  return stdout;
}

/** Milliseconds of one run, from before the process is made to after it has ended. */
function timed({ words, env }: Subject): number {
  const began = performance.now();
  const { status } = spawnSync(process.execPath, words, {
    env: { ...process.env, XDG_CONFIG_HOME: folder, ...env },
    stdio: "ignore",
  });
  if (status !== 0) throw new Error(`${words.join(" ")} exited ${status}`);
  return performance.now() - began;
}

const offline = { AISLE_DATA_DIR: join(folder, "offline"), AISLE_BROKERS: "tcp://127.0.0.1:9" };
const long = { ...offline, AISLE_DATA_DIR: join(folder, "long") };
const portBase = await freePortBase(21_000);
const brokers = [portBase, portBase + 1].map((port) => `tcp://127.0.0.1:${port}`).join(",");
const online = { AISLE_DATA_DIR: join(folder, "online"), AISLE_BROKERS: brokers };
const cluster = ["--data", join(folder, "cluster")];

/** Runs all in turn, so that whatever else the machine does hits each alike. */
function measure(title: string, subjects: readonly Subject[]): void {
  const base: Subject = { name: "node -e 0", words: ["-e", "0"], env: {}, target: null };
  const all = [base, ...subjects];
  const times = new Map(all.map(({ name }) => [name, [] as number[]]));
  for (let run = 0; run < WARM_UP + RUNS; run++) {
    for (const subject of all) {
      const ms = timed(subject);
      if (run >= WARM_UP) times.get(subject.name)?.push(ms);
    }
  }
  const reference = median(times.get(base.name) ?? []);
  report(
    `${title}, medians of ${RUNS} runs in turn`,
    all.map(({ name, target }) => {
      const ms = median(times.get(name) ?? []);
      return {
        name,
        figure: `${ms.toFixed(1)} ms`,
        ratio: ms / reference,
        ...(target === null ? {} : { atMost: target }),
      };
    }),
  );
}

try {
  aisle(["new", "Groceries", "--offline"], offline);
  aisle(["new", "Long", "--offline"], long);
  const items = Array.from(
    { length: 1_000 },
    (_, index) => `item number ${index} x${(index % 7) + 1} @aisle ${index % 20}`,
  );
  aisle(["import", "-", "--offline"], long, items.join("\n"));
  measure("a command without a network", [
    { name: "add milk --offline", words: [program, "add", "milk", "--offline"], env: offline, target: 1.3 },
    { name: "show (1,000 items)", words: [program, "show", "--offline"], env: long, target: 1.5 },
    { name: "--version", words: [program, "--version"], env: offline, target: null },
  ]);
  aisle(["cluster", "up", "--port-base", `${portBase}`, ...cluster], online);
  aisle(["new", "Groceries"], online);
  aisle(["sync"], online);
  measure("a command and its cluster", [
    { name: "add milk, stored on 2 of 3", words: [program, "add", "milk"], env: online, target: 1.5 },
  ]);
  const lines = Array.from({ length: 1_000 }, (_, index) => `add thing${index} x2`).join("\n");
  const began = performance.now();
  aisle(["batch", "--offline"], { ...offline, AISLE_DATA_DIR: join(folder, "offline") }, lines);
  const batchMs = performance.now() - began;
  report("a batch of 1,000 lines, once (ratio to a second)", [
    { name: "batch --offline", figure: `${batchMs.toFixed(0)} ms`, ratio: batchMs / 1_000, atMost: 1 },
  ]);
} finally {
  spawnSync(process.execPath, [program, "cluster", "down", ...cluster]);
  rmSync(folder, { recursive: true, force: true });
}
