import { Router, type BrokerEffect, type BrokerEvent } from "../../src/broker/router.js";
import { brokerConfig, type BrokerConfig } from "../../src/broker/config.js";
import type { ServerReply } from "../../src/protocol/broker-messages.js";
import { bodyFrame, type Request } from "../../src/protocol/frames.js";

const decoder = new TextDecoder();

/** A broker at literal times; what it does comes back as lines that read like a transcript. */
export class BrokerScenario {
  readonly router: Router;

  constructor(other: Partial<BrokerConfig> = {}) {
    const config = brokerConfig({ frontend: "inproc://f", backend: "inproc://b", updates: "inproc://u" });
    const times = { heartbeatIntervalMs: 100, heartbeatExpiryMs: 300, attemptTimeoutMs: 150 };
    this.router = new Router({ ...config, ...times, ...other }, "e1", 1);
  }

  at(now: number, event: BrokerEvent): string[] {
    return this.router
      .step(now, event)
      .filter((effect) => effect.type !== "log")
      .map(describe);
  }

  tick(now: number): string[] {
    return this.at(now, { type: "tick" });
  }

  /** A server announces itself over the connection of its own name. */
  ready(now: number, id: string, knows: readonly string[] = [id], connection = id, incarnation = 1): string[] {
    const members = knows.map((one) => ({ id: one, status: "member", incarnation, publish: `tcp://${one}:1` }));
    const replication = { replicas: 1, writeQuorum: 1, readQuorum: 1 };
    const body = bodyFrame({ id, oldest: 1, newest: 1, replication, members });
    return this.at(now, { type: "server-message", connection, message: { type: "ready", body } });
  }

  heartbeat(now: number, connection: string): string[] {
    const body = bodyFrame({ lists: 0, hints: 0, requests: 0 });
    return this.at(now, { type: "server-message", connection, message: { type: "heartbeat", body } });
  }

  request(now: number, client: string, request: Partial<Request> = {}): string[] {
    const base: Request = {
      kind: "ping",
      requestId: "r1",
      listId: null,
      serverId: null,
      timeoutMs: 1_000,
      token: "",
      body: bodyFrame({}),
    };
    return this.at(now, { type: "request", client, request: { ...base, ...request } });
  }

  reply(now: number, connection: string, tag: number, body: unknown, kind: ServerReply["kind"] = "reply"): string[] {
    const replies = [{ tag, reply: { kind, body: bodyFrame(body) } }];
    return this.at(now, { type: "server-message", connection, message: { type: "replies", replies } });
  }
}

function describe(effect: BrokerEffect): string {
  switch (effect.type) {
    case "reply":
      return `to ${effect.client}: ${effect.reply.kind} ${effect.requestId} ${decoder.decode(effect.reply.body)}`;
    case "publish":
      return `publish ${effect.update.topic} ${effect.update.type} ${effect.update.epoch}/${effect.update.sequence}`;
    case "send": {
      const { message } = effect;
      if (message.type === "members") {
        const members = JSON.parse(decoder.decode(message.body)) as { id: string }[];
        return `to ${effect.connection}: members ${members.map((member) => member.id).join(" ")}`;
      }
      if (message.type !== "requests") return `to ${effect.connection}: ${message.type}`;
      return `to ${effect.connection}: ${message.requests.map(({ tag, request }) => `#${tag} ${request.kind}`).join(", ")}`;
    }
    case "log":
      return `log ${effect.event}`;
  }
}
