/**
 * Durable changes of lists a second, each on the disks of two servers out of three before it is acknowledged, beside a three-node etcd
 * that gives the same guarantee, with values of the same size from as many clients on this machine in this run; reads likewise;
 * and how Aisle grows with lists, with the size of a list, and with more to do at once than it can. Medians of interleaved rounds.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePortBase } from "../scripts/free-ports.js";
import { fill } from "./fill.js";
import { median, report, skip, type Row } from "./table.js";

const CLIENTS = [1, 16, 64, 256];
const [MANY_CLIENTS, SECONDS, ROUNDS] = [64, 3, 3];
const [FEW_ITEMS, MANY_ITEMS] = [10, 1_000];
const [FEW_DEVICES, MANY_DEVICES] = [16, 256];
const LISTS = Number(process.env.LISTS ?? 100_000);

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? process.cwd(), ".bench-"));
const program = at("../dist/main.js");
const base = await freePortBase();
const brokers = [`tcp://127.0.0.1:${base}`, `tcp://127.0.0.1:${base + 1}`];
const etcdBase = await freePortBase(base + 100);
const etcdPorts = [60, 61, 62].map((offset) => etcdBase + offset);
const peerPorts = [0, 1, 20].map((offset) => etcdBase + offset);
const etcdNodes: ChildProcess[] = [];
const [EMPTY, FULL] = [join(folder, "aisle"), join(folder, "full")];

interface Outcome {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

function cluster(what: "up" | "down", data = EMPTY): void {
  const words = [program, "cluster", what, "--data", data];
  const ports = what === "up" ? ["--port-base", `${base}`] : [];
  const { status, stderr } = spawnSync(process.execPath, [...words, ...ports], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

function startEtcd(): boolean {
  if (spawnSync("etcd", ["--version"]).status !== 0) {
    skip("three-node etcd: etcd-server is not installed");
    return false;
  }
  const peers = peerPorts.map((port, node) => `n${node}=http://127.0.0.1:${port}`).join(",");
  etcdPorts.forEach((port, node) => {
    const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPorts[node] ?? 0}`];
    const words = [
      ...["--name", `n${node}`, "--data-dir", join(folder, `etcd-${node}`), "--logger", "zap", "--log-level", "error"],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--initial-cluster", peers, "--initial-cluster-state", "new"],
    ];
    etcdNodes.push(spawn("etcd", words, { stdio: "ignore" }));
  });
  return true;
}

async function measured(
  system: "aisle" | "etcd",
  what: "write" | "read" | "found",
  clients: number,
  items = FEW_ITEMS,
): Promise<Outcome> {
  const endpoints = system === "aisle" ? brokers : etcdPorts.map((port) => `127.0.0.1:${port}`);
  const node = ["--disable-warning=ExperimentalWarning", "--import", at("../scripts/ts-node.mjs")];
  const words = [system, what, `${clients}`, `${SECONDS}`, `${items}`, "100", ...endpoints];
  const child = spawn(process.execPath, [...node, at("system-clients.ts"), ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let told = "";
  child.stdout.on("data", (data: Buffer) => (told += data.toString()));
  await new Promise((resolve) => child.once("close", resolve));
  const [perSecond = NaN, p50 = NaN, p99 = NaN] = told.split(" ").map(Number);
  if (Number.isNaN(p99)) throw new Error(`${system} answered nothing to ${clients} clients`);
  return { perSecond, p50, p99 };
}

function row(name: string, outcomes: readonly Outcome[], reference: number, atLeast?: number): Row {
  const of = (pick: (one: Outcome) => number): number => median(outcomes.map(pick));
  const perSecond = of((one) => one.perSecond);
  const ms = (us: number): string => (us / 1_000).toFixed(1);
  const figure = `${Math.round(perSecond).toLocaleString("en")}/s, p50 ${ms(of((one) => one.p50))} ms, p99 ${ms(of((one) => one.p99))} ms`;
  return { name, figure, ratio: perSecond / reference, ...(atLeast === undefined ? {} : { atLeast }) };
}

async function besideEtcd(what: "write" | "read", hasEtcd: boolean): Promise<void> {
  for (const clients of CLIENTS) {
    const [ours, theirs]: [Outcome[], Outcome[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      if (hasEtcd) theirs.push(await measured("etcd", what, clients));
      ours.push(await measured("aisle", what, clients));
    }
    const reference = median((hasEtcd ? theirs : ours).map(({ perSecond }) => perSecond));
    const p99 = (outcomes: readonly Outcome[]): number => median(outcomes.map((one) => one.p99));
    const isMain = what === "write" && clients === MANY_CLIENTS && hasEtcd;
    report(`${what === "write" ? "durable changes" : "reads"}, ${clients} client${clients === 1 ? "" : "s"}`, [
      ...(hasEtcd ? [row("three-node etcd", theirs, reference)] : []),
      row("Aisle, W=2 of N=3", ours, reference, isMain ? 2 : undefined),
      ...(isMain ? [{ name: "Aisle's p99 to etcd's", figure: "", ratio: p99(ours) / p99(theirs), atMost: 1 }] : []),
    ]);
  }
}

async function withSize(): Promise<void> {
  const outcomes = new Map([FEW_ITEMS, MANY_ITEMS].map((items) => [items, [] as Outcome[]]));
  for (let round = 0; round < ROUNDS; round++)
    for (const [items, found] of outcomes) found.push(await measured("aisle", "write", MANY_CLIENTS, items));
  const few = outcomes.get(FEW_ITEMS) ?? [];
  const reference = median(few.map(({ perSecond }) => perSecond));
  report(
    `durable changes by the size of a list, ${MANY_CLIENTS} clients`,
    [...outcomes].map(([items, found]) => row(`${items} items`, found, reference)),
  );
}

/** What is more at once than servers can do should take longer, and nothing worse. */
async function withCrowds(): Promise<void> {
  const outcomes = new Map([FEW_DEVICES, MANY_DEVICES].map((devices) => [devices, [] as Outcome[]]));
  for (let round = 0; round < ROUNDS; round++)
    for (const [devices, found] of outcomes) found.push(await measured("aisle", "found", devices, MANY_ITEMS));
  const reference = median((outcomes.get(FEW_DEVICES) ?? []).map(({ perSecond }) => perSecond));
  report(
    `lists of ${MANY_ITEMS.toLocaleString("en")} items that devices bring at the same time`,
    [...outcomes].map(([devices, found]) =>
      row(`${devices} devices`, found, reference, devices === MANY_DEVICES ? 0.75 : undefined),
    ),
  );
}

/** One cluster after the other on the same ports, in turn: a server with many lists has more to look after and to keep. */
async function withLists(): Promise<void> {
  const servers = [1, 2, 3].map((server) => join(FULL, `server-${server}`));
  const [first = "", ...others] = servers;
  await fill(first, LISTS);
  for (const other of others) cpSync(first, other, { recursive: true });
  const outcomes: [Outcome[], Outcome[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, data] of [EMPTY, FULL].entries()) {
      cluster("up", data);
      // Code gets faster while it is used.
      await measured("aisle", "write", MANY_CLIENTS);
      outcomes[index]?.push(await measured("aisle", "write", MANY_CLIENTS));
      cluster("down", data);
    }
  }
  const [few, many] = outcomes;
  const reference = median(few.map(({ perSecond }) => perSecond));
  report(`durable changes by the number of lists, ${MANY_CLIENTS} clients`, [
    row("a few hundred lists", few, reference),
    row(`${LISTS.toLocaleString("en")} lists`, many, reference, 0.9),
  ]);
}

try {
  const hasEtcd = startEtcd();
  cluster("up");
  await besideEtcd("write", hasEtcd);
  await besideEtcd("read", hasEtcd);
  for (const node of etcdNodes) node.kill("SIGKILL");
  await withSize();
  await withCrowds();
  cluster("down");
  await withLists();
} finally {
  for (const node of etcdNodes) node.kill("SIGKILL");
  for (const data of [EMPTY, FULL]) cluster("down", data);
  rmSync(folder, { recursive: true, force: true });
}
