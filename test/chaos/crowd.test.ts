import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Dealer } from "zeromq";
import { encodeClientRequest } from "../../src/protocol/frames.js";
import { Cluster } from "../e2e/harness.js";

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
