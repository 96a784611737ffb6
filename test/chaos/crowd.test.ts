import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { Dealer } from "zeromq";
import { freePortBase } from "../../scripts/free-ports.js";
import { encodeClientRequest } from "../../src/protocol/frames.js";
import { Cluster, program } from "../e2e/harness.js";
import { Shopper, until } from "./shoppers.js";

const CLIENTS = 900;
const CROWD_MS = 4_000;

/** As large as what a device sends that was offline for a while. */
const BODY = Buffer.from(JSON.stringify({ text: "x".repeat(2_000) }));

describe("a broker with many busy clients", () => {
  const cluster = new Cluster(1, 1);

  beforeAll(async () => await cluster.up());
  afterAll(async () => await cluster.remove());

  it("answers all of them, and takes none for an attacker", async () => {
    const request = { kind: "ping", listId: null, serverId: null, timeoutMs: 60_000, token: "", body: BODY } as const;
    const frames = [Buffer.alloc(0), ...encodeClientRequest({ ...request, requestId: "crowd" })];
    const end = performance.now() + CROWD_MS;
    const clients = Array.from({ length: CLIENTS }, async () => {
      const socket = new Dealer({ linger: 0, receiveTimeout: 30_000 });
      socket.connect(cluster.brokers);
      for (;;) {
        await socket.send(frames);
        await socket.receive();
        if (performance.now() < end) continue;
        socket.close();
        return;
      }
    });
    await Promise.all(clients);
    expect(cluster.log("broker-1")).not.toContain("peers-cut-off");
  }, 60_000);
});

const [DEVICES, ITEMS] = [160, 1_000];
const PATIENCE_MS = 100_000;

describe("a cluster to which many devices bring long lists at once", () => {
  const cluster = new Cluster(2, 3);
  const shoppers: Shopper[] = [];

  beforeAll(async () => await cluster.up());
  afterAll(async () => {
    for (const shopper of shoppers) shopper.remove();
    await cluster.remove();
  });

  it("takes all of them, one after the other", async () => {
    const lists = new Map<Shopper, string>();
    for (let device = 0; device < DEVICES; device++) {
      const shopper = Shopper.open(`device-${device}`, cluster.brokers);
      shoppers.push(shopper);
      const list = await shopper.found();
      await shopper.add(list, ITEMS);
      lists.set(shopper, list);
    }
    const synced = [...lists].map(async ([shopper, list]) => await shopper.sync(list, PATIENCE_MS));
    expect((await Promise.all(synced)).filter((isStored) => !isStored)).toEqual([]);
  }, 180_000);
});

function openFiles(pid: number | undefined): number {
  return existsSync(`/proc/${pid ?? 0}/fd`) ? readdirSync(`/proc/${pid ?? 0}/fd`).length : 0;
}

const FILES = 80;
/** Fewer than may be open and wait to be let in together. */
const CONNECTIONS = 120;
const HELD_MS = 1_000;

(existsSync("/proc/self/fd") ? describe : describe.skip)("a broker that may open few files", () => {
  it("lives on while connections take all of them, and answers when they are gone", async () => {
    const base = await freePortBase();
    const [frontend = "", ...others] = [0, 1, 2].map((at) => `tcp://127.0.0.1:${base + at}`);
    const words = ["broker", "--frontend", frontend, "--backend", others[0] ?? "", "--updates", others[1] ?? ""];
    const shell = `ulimit -n ${FILES}; exec "$0" "$@"`;
    const broker = spawn("sh", ["-c", shell, process.execPath, program, ...words], { stdio: "ignore" });
    const crowd: ReturnType<typeof connect>[] = [];
    try {
      const request = { kind: "status", listId: null, serverId: null, timeoutMs: 20_000, token: "" } as const;
      const frames = encodeClientRequest({ ...request, requestId: "few", body: Buffer.from("{}") });
      const isAnswered = async (): Promise<boolean> => {
        const socket = new Dealer({ linger: 0, receiveTimeout: 20_000 });
        socket.connect(frontend);
        await socket.send([Buffer.alloc(0), ...frames]);
        const reply = await socket.receive();
        socket.close();
        return reply.length > 0;
      };
      expect(await isAnswered()).toBe(true);
      for (let count = 0; count < CONNECTIONS; count++) {
        const one = connect(base, "127.0.0.1").on("error", () => undefined);
        crowd.push(one);
        await once(one, "connect");
      }
      await until("no file is left", 10_000, () => Promise.resolve(openFiles(broker.pid) >= FILES));
      await new Promise((resolve) => setTimeout(resolve, HELD_MS));
      for (const one of crowd) one.destroy();
      expect(await isAnswered()).toBe(true);
      expect(broker.exitCode).toBeNull();
    } finally {
      for (const one of crowd) one.destroy();
      broker.kill("SIGKILL");
    }
  }, 60_000);
});
