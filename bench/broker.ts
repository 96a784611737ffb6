/**
 * Requests a second through the broker, and how long they take, beside a bare zeromq.js loop, the same loop in C, and NATS. What asks
 * and what answers is one program in C for all of them (bench/load.c), with requests of the same size; it and the broker share
 * this machine. All have worked for some seconds before they are measured, in turn; medians of the rounds.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePortBase } from "../scripts/free-ports.js";
import type { Ready } from "../src/protocol/cluster-messages.js";
import { SUPPORTED } from "../src/protocol/version.js";
import { MALLOC_SETTINGS } from "../src/runtime/memory-guard.js";
import { median, report, skip } from "./table.js";

const CLIENTS = [1, 4, 100, 1_000];
const SECONDS = 2;
const ROUNDS = 5;
/** A broker runs for months: what V8 has not compiled yet is not what is asked about. */
const WARM_UP = { clients: 100, seconds: 5 };
const BODY_BYTES = 300;
const START_MS = 800;

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "aisle-bench-"));
const load = join(folder, "load");

interface Subject {
  readonly name: string;
  /** Programs that have to run, the broker first. */
  readonly programs: readonly (readonly string[])[];
  readonly clients: readonly string[];
}

const running: ChildProcess[] = [];

interface Outcome {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

function built(): boolean {
  const { status, stderr } = spawnSync("gcc", ["-O2", "-o", load, at("load.c"), "-lzmq"], { encoding: "utf8" });
  if (status !== 0) skip("the broker beside others: gcc and libzmq3-dev are not installed", stderr);
  return status === 0;
}

async function subjects(): Promise<readonly Subject[]> {
  const base = await freePortBase();
  const tcp = (port: number): string => `tcp://127.0.0.1:${base + port}`;
  const ts = [process.execPath, "--disable-warning=ExperimentalWarning", "--import", at("../scripts/ts-node.mjs")];
  const [bare, c, aisle] = [
    [tcp(0), tcp(1)],
    [tcp(20), tcp(21)],
    [tcp(40), tcp(41), tcp(60)],
  ] as const;
  const ready: Ready = {
    id: "bench",
    ...SUPPORTED,
    replication: { replicas: 1, writeQuorum: 1, readQuorum: 1 },
    members: [{ id: "bench", status: "member", incarnation: 1, publish: tcp(62) }],
  };
  const broker = ["broker", "--frontend", aisle[0], "--backend", aisle[1], "--updates", aisle[2]];
  const found: Subject[] = [
    {
      name: "bare zeromq.js loop",
      programs: [
        [...ts, at("bare-loop.ts"), ...bare],
        [load, "zmq-worker", bare[1]],
      ],
      clients: ["zmq-clients", bare[0]],
    },
    {
      name: "Aisle's broker",
      programs: [
        [process.execPath, at("../dist/main.js"), ...broker],
        [load, "zmq-server", aisle[1], JSON.stringify(ready)],
      ],
      clients: ["zmq-clients", aisle[0]],
    },
    {
      name: "libzmq in C",
      programs: [
        [load, "zmq-proxy", ...c],
        [load, "zmq-worker", c[1]],
      ],
      clients: ["zmq-clients", c[0]],
    },
  ];
  if (spawnSync("nats-server", ["--version"]).status === 0) {
    const port = `${base + 61}`;
    found.push({
      name: "NATS request/reply",
      programs: [
        ["nats-server", "-a", "127.0.0.1", "-p", port],
        [load, "nats-worker", port],
      ],
      clients: ["nats-clients", port],
    });
  } else skip("NATS: nats-server is not installed");
  return found;
}

async function start({ programs }: Subject): Promise<void> {
  for (const [program = "", ...words] of programs) {
    running.push(spawn(program, words, { stdio: "ignore", env: { ...process.env, ...MALLOC_SETTINGS } }));
    await new Promise((resolve) => setTimeout(resolve, START_MS));
  }
}

async function measured({ name, clients }: Subject, count: number, seconds = SECONDS): Promise<Outcome> {
  const words = [...clients, `${count}`, `${seconds}`, `${BODY_BYTES}`];
  const child = spawn(load, words, { stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  child.stdout.on("data", (data: Buffer) => (told += data.toString()));
  await new Promise((resolve) => child.once("close", resolve));
  const [perSecond = NaN, p50 = NaN, p99 = NaN] = told.split(" ").map(Number);
  if (Number.isNaN(p99)) throw new Error(`${name} with ${count} clients answered nothing`);
  return { perSecond, p50, p99 };
}

try {
  if (built()) {
    const all = await subjects();
    for (const subject of all) await start(subject);
    for (const subject of all) await measured(subject, WARM_UP.clients, WARM_UP.seconds);
    for (const count of CLIENTS) {
      const outcomes = new Map(all.map(({ name }) => [name, [] as Outcome[]]));
      for (let round = 0; round < ROUNDS; round++)
        for (const subject of all) outcomes.get(subject.name)?.push(await measured(subject, count));
      const of = (name: string, pick: (one: Outcome) => number): number => median((outcomes.get(name) ?? []).map(pick));
      const reference = of("bare zeromq.js loop", ({ perSecond }) => perSecond);
      report(
        `requests a second, ${count} client${count === 1 ? "" : "s"}`,
        all.map(({ name }) => {
          const perSecond = of(name, (one) => one.perSecond);
          const [p50, p99] = [of(name, (one) => one.p50), of(name, (one) => one.p99)];
          const figure = `${Math.round(perSecond).toLocaleString("en")}/s, p50 ${p50} µs, p99 ${p99} µs`;
          const atLeast = name !== "Aisle's broker" ? undefined : count === 1_000 ? 3 : 0.9;
          return { name, figure, ratio: perSecond / reference, ...(atLeast === undefined ? {} : { atLeast }) };
        }),
      );
    }
  }
} finally {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
