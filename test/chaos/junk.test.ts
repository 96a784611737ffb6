import { randomBytes, randomInt } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Dealer, Request, Subscriber } from "zeromq";
import { Cluster, Device } from "../e2e/harness.js";

const MESSAGES = 10_000;

/** The frames that mean something to somebody, among random ones. */
const WORDS = [
  "AISLE/1",
  "AISLE/2",
  "sync",
  "ping",
  "status",
  "ready",
  "heartbeat",
  "replies",
  "requests",
  "notice",
  "goodbye",
  "",
  "1",
  "0",
];

function randomFrames(): Buffer[] {
  return Array.from({ length: randomInt(1, 10) }, () =>
    randomInt(2) === 0 ? Buffer.from(WORDS[randomInt(WORDS.length)] ?? "") : randomBytes(randomInt(0, 200)),
  );
}

/** Random bytes over plain TCP, in as many connections as it takes until the peer hangs up on each. */
async function sendBytes(port: number, chunks: number): Promise<void> {
  for (let sent = 0; sent < chunks;) {
    await new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.on("close", () => resolve());
      const burst = Math.min(chunks - sent, 100);
      for (let index = 0; index < burst; index++) socket.write(randomBytes(randomInt(1, 100)));
      sent += burst;
      socket.end();
      socket.resume();
    });
  }
}

describe("junk on every port", () => {
  const cluster = new Cluster(1, 2);
  let device: Device;

  beforeAll(async () => {
    await cluster.up();
    device = new Device(cluster.brokers);
    await device.newList("Groceries");
    await device.ok("sync");
  });
  afterAll(async () => {
    device.remove();
    await cluster.remove();
  });

  const stillServes = async (): Promise<void> => {
    await device.ok("add", "milk");
    await device.ok("sync");
    const { servers } = await device.json<{ servers: { alive: boolean }[] }>("cluster", "status");
    expect(servers.filter((server) => server.alive)).toHaveLength(2);
  };

  it.each([
    ["frontend", 0],
    ["backend", 20],
    ["updates", 40],
  ])("random bytes at the %s leave broker and servers serving", async (_name, offset) => {
    await sendBytes(cluster.portBase + offset, MESSAGES);
    await stillServes();
  });

  it.each([
    ["frontend", 0],
    ["backend", 20],
  ])("well-formed messages of random frames at the %s leave broker and servers serving", async (_name, offset) => {
    const pids = ["broker-1", "server-1", "server-2"].map((name) => cluster.pid(name));
    const socket = new Dealer({ linger: 0 });
    socket.connect(`tcp://127.0.0.1:${cluster.portBase + offset}`);
    for (let index = 0; index < MESSAGES; index++) {
      // Half of them with the empty delimiter that the frontend looks for.
      await socket.send(index % 2 === 0 ? randomFrames() : [Buffer.alloc(0), ...randomFrames()]);
    }
    await stillServes();
    socket.close();
    for (const pid of pids) expect(() => process.kill(pid, 0)).not.toThrow();
  });

  it("subscriptions to anything at all leave the feed working", async () => {
    const socket = new Subscriber({ linger: 0 });
    socket.connect(`tcp://127.0.0.1:${cluster.portBase + 40}`);
    for (let index = 0; index < 1_000; index++) socket.subscribe(randomBytes(randomInt(1, 100)));
    const watcher = device.start("watch", "--ndjson");
    await watcher.until((seen) => seen.includes('"event":"online"'));
    await watcher.stop("SIGINT");
    socket.close();
  });

  it.each([
    ["an unknown version", ["AISLE/99", "sync"], "unsupported-version"],
    ["an unknown kind", ["AISLE/1", "dance", "r1", "", "100", "", "{}"], "unknown-kind"],
    ["a path for an id", ["AISLE/1", "sync", "r1", "../../etc/passwd", "100", "", "{}"], "malformed"],
    [
      "a body that is none",
      ["AISLE/1", "sync", "r1", "11111111-1111-4111-8111-111111111111", "900", "", "junk"],
      "malformed",
    ],
  ])("%s gets a coded refusal", async (_what, frames, code) => {
    const socket = new Request({ linger: 0, receiveTimeout: 5_000 });
    socket.connect(`tcp://127.0.0.1:${cluster.portBase}`);
    await socket.send(frames);
    const [version, kind, , body] = await socket.receive();
    socket.close();
    expect([version?.toString(), kind?.toString()]).toEqual(["AISLE/1", "error"]);
    expect(JSON.parse(body?.toString() ?? "")).toMatchObject({ code });
  });
});
