import { randomBytes, randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Dealer, Request, Subscriber, XPublisher } from "zeromq";
import { parseBody } from "../../src/protocol/bounds.js";
import { decodeClientReply, type Frame } from "../../src/protocol/frames.js";
import { packFrames } from "../../src/protocol/packed-frames.js";
import { introductionOf } from "../../src/protocol/peer-messages.js";
import { Cluster, Device } from "../e2e/harness.js";
import { mutated, randomFrom, samples } from "../protocol/mutations.js";

const MESSAGES = process.env.AISLE_LONG === undefined ? 10_000 : 350_000;

const MOST_RESIDENT_MB = 450;

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
      const frames = randomFrames();
      // Some as the frontend takes them, an empty delimiter and a line, some in one pack as the backend does.
      const line = Buffer.from(frames.map(String).join(" "));
      const forms = [frames, [Buffer.alloc(0), line], [packFrames(frames)]];
      await socket.send(forms[index % forms.length] ?? frames);
    }
    await stillServes();
    socket.close();
    for (const pid of pids) expect(() => process.kill(pid, 0)).not.toThrow();
  });

  const residentMb = (name: string): number =>
    Number(/VmRSS:\s+([0-9]+)/.exec(readFileSync(`/proc/${cluster.pid(name)}/status`, "utf8"))?.[1] ?? 0) / 1_024;

  it.each([
    ["requests at the frontend, and so at servers", 0, 0, (frames: Frame[]) => [Buffer.alloc(0), ...frames]],
    ["a server's answers at the backend", 20, 7, (frames: Frame[]) => [packFrames(frames)]],
    ["a server's packs at the backend", 20, 8, (frames: Frame[]) => frames],
  ] as const)(
    "%s, tampered with, leave broker and servers serving, and small",
    async (_what, offset, sample, wrapped) => {
      const socket = new Dealer({ linger: 0, sendTimeout: 20_000 });
      socket.connect(`tcp://127.0.0.1:${cluster.portBase + offset}`);
      const [, frames] = samples()[sample] ?? ["", [], null];
      const random = randomFrom(MESSAGES + offset);
      for (let index = 0; index < MESSAGES; index++) {
        await socket.send(wrapped(mutated(frames, random)));
        if (index % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await stillServes();
      socket.close();
      for (const name of ["broker-1", "server-1", "server-2"]) expect(residentMb(name)).toBeLessThan(MOST_RESIDENT_MB);
    },
    300_000,
  );

  it("what a false peer publishes, tampered with, leaves servers serving, and small", async () => {
    const [peer, port] = [new XPublisher({ linger: 0 }), cluster.portBase + 99];
    await peer.bind(`tcp://127.0.0.1:${port}`);
    // Subscribing to its introduction is how a peer makes itself known.
    const member = { id: "false", status: "joining", incarnation: 1, publish: `tcp://127.0.0.1:${port}` } as const;
    const listener = new Subscriber({ linger: 0 });
    listener.connect(`tcp://127.0.0.1:${cluster.portBase + 60}`);
    listener.subscribe(introductionOf(member));
    await peer.receive();
    const random = randomFrom(MESSAGES);
    for (let index = 0; index < MESSAGES; index++) {
      const [, frames] = samples()[5 + (index % 2)] ?? ["", [], null];
      await peer.send(["to/server-1/", packFrames(mutated(frames, random))]);
      if (index % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await stillServes();
    for (const socket of [peer, listener]) socket.close();
    expect(residentMb("server-1")).toBeLessThan(MOST_RESIDENT_MB);
  }, 300_000);

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
    ["an unknown version", "AISLE/99 sync", "unsupported-version"],
    ["an unknown kind", "AISLE/1 dance r1  100 \n{}", "unknown-kind"],
    ["a path for an id", "AISLE/1 sync r1 ../../etc/passwd 100 \n{}", "malformed"],
    ["a body that is none", "AISLE/1 sync r1 11111111-1111-4111-8111-111111111111 900 \njunk", "malformed"],
  ])("%s gets a coded refusal", async (_what, message, code) => {
    const socket = new Request({ linger: 0, receiveTimeout: 5_000 });
    socket.connect(`tcp://127.0.0.1:${cluster.portBase}`);
    await socket.send(message);
    const { kind, body } = decodeClientReply(await socket.receive());
    socket.close();
    expect(kind).toBe("error");
    expect(parseBody(body)).toMatchObject({ code });
  });
});
