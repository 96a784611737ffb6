import { describe, expect, it } from "@jest/globals";
import { brokerConfig } from "../../src/broker/config.js";
import { Router, type BrokerEffect, type BrokerEvent } from "../../src/broker/router.js";
import { RetryPolicy } from "../../src/client/retry-policy.js";
import type { TaggedRequest } from "../../src/protocol/broker-messages.js";
import { bodyFrame, type Reply, type Request } from "../../src/protocol/frames.js";
import { World } from "./world.js";

/** A server that works on one request at a time, in the order in which they come, whether or not anybody still waits. */
class SlowServer {
  #busyUntil = 0;
  worked = 0;

  constructor(
    readonly world: World,
    readonly serviceMs: number,
  ) {}

  take({ tag }: TaggedRequest, broker: Broker): void {
    this.#busyUntil = Math.max(this.#busyUntil, this.world.now) + this.serviceMs;
    this.world.after(this.#busyUntil - this.world.now, () => {
      this.worked++;
      const replies = [{ tag, reply: { kind: "reply", body: bodyFrame({}) } as const }];
      broker.post({ type: "server-message", connection: "s1", message: { type: "replies", replies } });
    });
  }
}

/** The production router, before one server. */
class Broker {
  readonly clients = new Map<string, (reply: Reply) => void>();
  readonly #router: Router;

  constructor(
    readonly world: World,
    readonly server: SlowServer,
    readonly name: string,
  ) {
    this.#router = new Router(brokerConfig({ frontend: "f", backend: "b", updates: "u" }), name, 1);
    const members = [{ id: "s1", status: "member", incarnation: 1, publish: "tcp://s1:1" }];
    const replication = { replicas: 1, writeQuorum: 1, readQuorum: 1 };
    const body = bodyFrame({ id: "s1", oldest: 1, newest: 1, replication, members });
    this.post({ type: "server-message", connection: "s1", message: { type: "ready", body } });
    this.#beat();
  }

  post(event: BrokerEvent): void {
    for (const effect of this.#router.step(this.world.now, event)) this.#perform(effect);
  }

  #beat(): void {
    const message = { type: "heartbeat", body: new Uint8Array(0) } as const;
    this.post({ type: "server-message", connection: "s1", message });
    this.world.after(100, () => this.#beat());
  }

  #perform(effect: BrokerEffect): void {
    if (effect.type === "send" && effect.message.type === "requests")
      for (const request of effect.message.requests) this.server.take(request, this);
    if (effect.type === "reply") this.clients.get(effect.client)?.(effect.reply);
  }
}

/** A device that asks as all of them do, each attempt over a connection of its own. @param done told when there is an answer */
function ask(world: World, brokers: readonly Broker[], name: string, bytes: number, done: () => void): void {
  const policy = new RetryPolicy(
    brokers.map((broker) => broker.name),
    world.below(brokers.length),
    world.now + BUDGET_MS,
  );
  let attempts = 0;
  const next = (): void => {
    const attempt = policy.next(world.now, world.random());
    if (attempt === null) return;
    const [mine, broker] = [++attempts, brokers.find((one) => one.name === attempt.broker)];
    const isOver = (): boolean => mine !== attempts;
    world.after(attempt.waitMs, () => {
      const client = `${name}-${mine}`;
      const request: Request = {
        kind: "sync",
        requestId: name,
        listId: LIST,
        serverId: null,
        timeoutMs: Math.ceil(attempt.timeoutMs),
        token: "",
        body: new Uint8Array(bytes),
      };
      broker?.clients.set(client, ({ kind }) => {
        if (isOver()) return;
        attempts++;
        if (kind === "reply") done();
        else next();
      });
      world.after(attempt.timeoutMs, () => {
        if (!isOver()) next();
      });
      broker?.post({ type: "request", client, request });
    });
  };
  next();
}

const LIST = "11111111-1111-4111-8111-111111111111";
const BUDGET_MS = 30_000;

describe("more at once than a server can do", () => {
  it.each([
    { devices: 256, bytes: 60_000, serviceMs: 25 },
    { devices: 10_000, bytes: 700, serviceMs: 0.5 },
  ])("answers $devices devices with $bytes bytes each, one after the other", ({ devices, bytes, serviceMs }) => {
    const world = new World(7);
    const server = new SlowServer(world, serviceMs);
    const brokers = ["one", "two"].map((name) => new Broker(world, server, name));
    let [answered, lastAt] = [0, 0];
    for (let device = 0; device < devices; device++)
      ask(world, brokers, `device-${device}`, bytes, () => {
        answered++;
        lastAt = world.now;
      });
    world.runUntil(BUDGET_MS);
    expect(answered).toBe(devices);
    // Hardly anything is done twice, and the server is hardly ever idle.
    expect(server.worked).toBeLessThan(1.25 * devices);
    expect(lastAt).toBeLessThan(1.5 * devices * serviceMs);
  });
});
