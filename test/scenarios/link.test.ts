import { describe, expect, it } from "@jest/globals";
import { HEARTBEAT_TOPIC, type Update } from "../../src/protocol/updates.js";
import { BrokerLink } from "../../src/server/broker-link.js";
import { Feed } from "../../src/client/feed.js";
import { RetryPolicy } from "../../src/client/retry-policy.js";

describe("a server's link to a broker", () => {
  const times = {
    heartbeatIntervalMs: 100,
    heartbeatExpiryMs: 300,
    reconnectDelayMs: 50,
    longestReconnectDelayMs: 150,
  };
  const start = (): ((now: number, type?: "tick" | "heard", reannounce?: boolean) => string[]) => {
    const link = new BrokerLink(times);
    return (now, type = "tick", reannounce = false) =>
      link.step(now, type === "tick" ? { type } : { type, reannounce }).map((effect) => effect.type);
  };

  it("opens, announces itself and heartbeats", () => {
    const at = start();
    expect(at(0)).toEqual(["open", "announce"]);
    expect(at(99)).toEqual([]);
    expect(at(100)).toEqual(["heartbeat"]);
  });

  it("comes back to a silent broker with a fresh socket, ever more slowly", () => {
    const at = start();
    at(0);
    expect(at(300)).toEqual(["close"]);
    expect(at(349)).toEqual([]);
    expect(at(350)).toEqual(["open", "announce"]);
    expect(at(650)).toEqual(["close"]);
    expect(at(749)).toEqual([]);
    expect(at(750)).toEqual(["open", "announce"]);
    expect(at(1_050)).toEqual(["close"]);
    expect(at(1_200)).toEqual(["open", "announce"]);
    expect(at(1_250, "heard")).toEqual([]);
    at(1_550);
    expect(at(1_600)).toEqual(["open", "announce"]);
  });

  it("announces itself again to a broker that asks", () => {
    const at = start();
    at(0);
    expect(at(10, "heard", true)).toEqual(["announce"]);
  });
});

describe("a watcher's feed", () => {
  const opened = (): ((now: number, update: Partial<Update>) => string[]) & { tick(now: number): string[] } => {
    const feed = new Feed("topic", { heartbeatIntervalMs: 100, heartbeatExpiryMs: 300 });
    feed.step(0, { type: "opened" });
    const effects = (given: ReturnType<Feed["step"]>): string[] => given.map((effect) => effect.type);
    const base: Update = { topic: HEARTBEAT_TOPIC, type: "heartbeat", epoch: "e1", sequence: 1 };
    return Object.assign(
      (now: number, update: Partial<Update>) =>
        effects(feed.step(now, { type: "update", update: { ...base, ...update } })),
      { tick: (now: number) => effects(feed.step(now, { type: "tick" })) },
    );
  };

  it("fetches once it is greeted on its topic, and on every notice, and never otherwise", () => {
    const at = opened();
    expect(at(10, { topic: "topic" })).toEqual(["fetch"]);
    expect(at(20, { sequence: 2 })).toEqual([]);
    expect(at(30, { topic: "topic", sequence: 2 })).toEqual([]);
    expect(at(40, { topic: "topic", type: "moved", sequence: 2 })).toEqual(["fetch"]);
    expect(at(50, { sequence: 3 })).toEqual([]);
  });

  it("fetches after a gap in the heartbeats, for a notice may have been in it", () => {
    const at = opened();
    at(10, { topic: "topic" });
    expect(at(20, { sequence: 2 })).toEqual([]);
    expect(at(30, { sequence: 4 })).toEqual(["fetch"]);
    expect(at(40, { sequence: 5 })).toEqual([]);
  });

  it("fetches when the broker turns out to be another run of itself", () => {
    const at = opened();
    at(10, { topic: "topic" });
    expect(at(20, { epoch: "e2", sequence: 1 })).toEqual(["fetch"]);
    expect(at(30, { epoch: "e2", sequence: 2 })).toEqual([]);
  });

  it("opens anew after silence", () => {
    const at = opened();
    at(10, { topic: "topic" });
    expect(at.tick(309)).toEqual([]);
    expect(at.tick(310)).toEqual(["reopen"]);
    expect(at.tick(400)).toEqual([]);
  });
});

describe("the retry policy", () => {
  const times = { attemptTimeoutMs: 1_000, firstBackoffMs: 100, longestBackoffMs: 300 };

  it("goes straight through the brokers, beginning with the one that answered last, then backs off", () => {
    const policy = new RetryPolicy(["a", "b"], 1, 10_000, times);
    const attempts = [0, 0, 0, 0, 0].map(() => policy.next(0, 0));
    expect(attempts.map((attempt) => [attempt?.broker, attempt?.waitMs])).toEqual([
      ["b", 0],
      ["a", 0],
      ["b", 200],
      ["a", 300],
      ["b", 300],
    ]);
  });

  it("waits twice as long in each later round, as an answer may be large", () => {
    const policy = new RetryPolicy(["a", "b"], 0, 60_000, times);
    const attempts = [0, 0, 0, 0, 0].map(() => policy.next(0, 0));
    expect(attempts.map((attempt) => attempt?.timeoutMs)).toEqual([1_000, 1_000, 2_000, 2_000, 4_000]);
  });

  it("shares a short time out among the brokers and then gives up", () => {
    const policy = new RetryPolicy(["a", "b"], 0, 250, times);
    expect(policy.next(0, 0.5)).toMatchObject({ broker: "a", timeoutMs: 125 });
    expect(policy.next(125, 0.5)).toMatchObject({ broker: "b", timeoutMs: 125 });
    expect(policy.next(250, 0.5)).toBeNull();
  });

  it("shortens each wait at random, so that clients do not come back together", () => {
    const waitAt = (fraction: number): number | undefined => {
      const policy = new RetryPolicy(["a"], 0, 10_000, times);
      policy.next(0, fraction);
      return policy.next(0, fraction)?.waitMs;
    };
    expect([waitAt(0), waitAt(0.5), waitAt(1)]).toEqual([100, 75, 50]);
  });
});
