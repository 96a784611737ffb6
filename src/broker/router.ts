import type { ErrorCode } from "../protocol/errors.js";
import {
  bodyFrame,
  HEARTBEAT_TOPIC,
  type BrokerMessage,
  type Reply,
  type Request,
  type ServerMessage,
  type Update,
} from "../protocol/frames.js";
import { HashRing, partitionOf, PARTITIONS } from "../protocol/hash-ring.js";
import { isServerId, type ServerId } from "../protocol/ids.js";
import type { Machine, Millis } from "../protocol/machine.js";
import { Membership } from "../protocol/membership.js";
import { decodeHealth, decodeReady, errorReply, type StatusReply } from "../protocol/messages.js";
import { highestCommon } from "../protocol/version.js";
import type { BrokerConfig } from "./config.js";
import { PendingRequests, type PendingRequest } from "./pending-requests.js";
import { ServerQueue, type Connection, type LiveServer } from "./server-queue.js";

export type BrokerEvent =
  | { readonly type: "request"; readonly client: string; readonly request: Request }
  | { readonly type: "server-message"; readonly connection: Connection; readonly message: ServerMessage }
  | { readonly type: "subscribed"; readonly topic: string }
  | { readonly type: "tick" };

export type BrokerEffect =
  | { readonly type: "reply"; readonly client: string; readonly requestId: string; readonly reply: Reply }
  | { readonly type: "send"; readonly connection: Connection; readonly message: BrokerMessage }
  | { readonly type: "publish"; readonly update: Update }
  | { readonly type: "log"; readonly event: string; readonly facts: Readonly<Record<string, string | number>> };

/**
 * The broker's decisions: which server gets a request, when to try the next, who is alive, what watchers are told. It
 * holds nothing that the servers' announcements do not bring back after a restart.
 */
export class Router implements Machine<BrokerEvent, BrokerEffect> {
  readonly #queue: ServerQueue;
  readonly #pending = new PendingRequests();
  readonly #membership = new Membership();
  #ring = new HashRing([]);
  #heartbeatSequence = 0;
  #nextFeedHeartbeatAt: Millis | null = null;
  readonly #counters = { requests: 0, replies: 0, retries: 0, refusals: 0, notices: 0, expiries: 0, late: 0 };
  #effects: BrokerEffect[] = [];

  /** @param epoch random, new for each run, so that watchers notice a restart */
  constructor(
    readonly config: BrokerConfig,
    readonly epoch: string,
  ) {
    this.#queue = new ServerQueue(config);
  }

  /** While no server lives, clients' requests are better left unread: they wait in the socket or go to another broker. */
  acceptsRequests(): boolean {
    return this.#queue.size > 0;
  }

  step(now: Millis, event: BrokerEvent): readonly BrokerEffect[] {
    this.#effects = [];
    switch (event.type) {
      case "request":
        this.#onRequest(now, event.client, event.request);
        break;
      case "server-message":
        this.#onServerMessage(now, event.connection, event.message);
        break;
      case "subscribed":
        // Answering on the topic itself tells the watcher that from here on it misses nothing.
        this.#publish(event.topic, "heartbeat");
        break;
      case "tick":
        break;
    }
    this.#passTime(now);
    return this.#effects;
  }

  nextDeadline(): Millis | null {
    const deadlines = [this.#queue.nextDeadline(), this.#pending.nextDeadline(), this.#nextFeedHeartbeatAt];
    const set = deadlines.filter((deadline) => deadline !== null);
    return set.length === 0 ? null : Math.min(...set);
  }

  #onRequest(now: Millis, client: string, request: Request): void {
    this.#counters.requests++;
    if (request.kind === "status") {
      this.#reply(client, request, { kind: "reply", body: bodyFrame(this.#status()) });
      return;
    }
    const isFull = this.#pending.size >= this.config.mostPending;
    if (isFull || this.#pending.bytes + request.body.byteLength > this.config.mostPendingBytes) {
      this.#refuse(client, request, "unavailable", "the broker has too much to do");
      return;
    }
    const server = this.#choose(request, new Set());
    if (server === null) {
      this.#refuse(client, request, "unavailable", "the server that holds this is not answering");
      return;
    }
    const pending = this.#pending.open(client, request, now + request.timeoutMs);
    this.#assign(now, pending, server);
  }

  /** Lists go to the first live server of their preference list, anything else to whoever waited longest. */
  #choose(request: Request, tried: ReadonlySet<ServerId>): LiveServer | null {
    if (request.listId === null) return this.#queue.next(tried);
    const preference = this.#ring.preferenceList(partitionOf(request.listId));
    return this.#queue.firstOf(preference.slice(0, this.config.replicas), tried);
  }

  #assign(now: Millis, pending: PendingRequest, server: LiveServer): void {
    this.#pending.assign(pending, server.id, Math.min(now + this.config.attemptTimeoutMs, pending.clientGoneAt));
    const request = { ...pending.request, tag: pending.tag };
    this.#send(server.connection, { type: "requests", requests: [request] });
  }

  #retry(now: Millis, pending: PendingRequest): void {
    if (now >= pending.clientGoneAt) {
      this.#pending.drop(pending);
      return;
    }
    const server = this.#choose(pending.request, pending.tried);
    if (server === null) {
      this.#pending.drop(pending);
      this.#refuse(pending.client, pending.request, "unavailable", "no server answered in time");
      return;
    }
    this.#counters.retries++;
    this.#assign(now, pending, server);
  }

  #onServerMessage(now: Millis, connection: Connection, message: ServerMessage): void {
    if (message.type === "ready") {
      this.#onReady(now, connection, message.body);
      return;
    }
    const server = this.#queue.heard(connection, now);
    if (server === null) {
      if (message.type !== "goodbye") this.#send(connection, { type: "reannounce" });
      return;
    }
    switch (message.type) {
      case "heartbeat":
        server.health = decodeHealth(message.body);
        break;
      case "goodbye":
        this.#lose(now, server, "server-left");
        break;
      case "notice":
        this.#counters.notices += message.topics.length;
        for (const topic of message.topics) this.#publish(topic, "moved");
        break;
      case "replies":
        for (const { tag, kind, body } of message.replies) this.#onReply(tag, server, { kind, body });
        break;
    }
  }

  #onReady(now: Millis, connection: Connection, body: Uint8Array): void {
    const { id, oldest, newest, members } = decodeReady(body);
    if (!isServerId(id) || !members.some((member) => member.id === id)) return;
    if (highestCommon([{ oldest, newest }]) === null) {
      this.#log("server-refused", { server: id, oldest, newest });
      return;
    }
    this.#queue.ready(id, connection, now);
    const changed = members.map((member) => this.#membership.admit(member)).includes(true);
    if (changed) this.#ring = new HashRing(this.#membership.owners());
    this.#log("server-ready", { server: id, servers: this.#queue.size });
    // The newcomer learns the table either way; the others only when it has become another one.
    const table: BrokerMessage = { type: "members", body: bodyFrame(this.#membership.members()) };
    for (const server of this.#queue.servers()) {
      if (changed || server.connection === connection) this.#send(server.connection, table);
    }
  }

  #onReply(tag: number, server: LiveServer, reply: Reply): void {
    const pending = this.#pending.close(tag, server.id);
    if (pending === null) {
      this.#counters.late++;
      return;
    }
    this.#counters.replies++;
    this.#reply(pending.client, pending.request, reply);
  }

  #passTime(now: Millis): void {
    for (const server of this.#queue.purge(now)) {
      this.#counters.expiries++;
      this.#lose(now, server, "server-expired");
    }
    for (const pending of this.#pending.overdue(now)) this.#retry(now, pending);
    for (const server of this.#queue.servers()) {
      if (server.heartbeat.takeDue(now)) this.#send(server.connection, { type: "heartbeat" });
    }
    this.#nextFeedHeartbeatAt ??= now + this.config.heartbeatIntervalMs;
    if (now >= this.#nextFeedHeartbeatAt) {
      this.#nextFeedHeartbeatAt = now + this.config.heartbeatIntervalMs;
      this.#heartbeatSequence++;
      this.#publish(HEARTBEAT_TOPIC, "heartbeat");
    }
  }

  /** What was asked of a server that is gone is asked of the next one at once. */
  #lose(now: Millis, server: LiveServer, event: string): void {
    this.#queue.remove(server);
    this.#log(event, { server: server.id, servers: this.#queue.size });
    for (const pending of this.#pending.at(server.id)) this.#retry(now, pending);
  }

  #status(): StatusReply {
    const partitions = new Map<ServerId, number>();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      for (const id of this.#ring.preferenceList(partition).slice(0, this.config.replicas)) {
        partitions.set(id, (partitions.get(id) ?? 0) + 1);
      }
    }
    const servers = this.#membership.members().map(({ id, status }) => {
      const live = this.#queue.get(id);
      const { lists, hints, requests } = live?.health ?? { lists: 0, hints: 0, requests: 0 };
      return { id, status, alive: live !== null, partitions: partitions.get(id) ?? 0, lists, hints, requests };
    });
    return {
      epoch: this.epoch,
      updates: this.config.updates,
      counters: { ...this.#counters, pending: this.#pending.size },
      servers,
    };
  }

  #refuse(client: string, request: Request, code: ErrorCode, message: string): void {
    this.#counters.refusals++;
    this.#reply(client, request, errorReply({ code, message }));
  }

  #reply(client: string, request: Request, reply: Reply): void {
    this.#effects.push({ type: "reply", client, requestId: request.requestId, reply });
  }

  #send(connection: Connection, message: BrokerMessage): void {
    this.#effects.push({ type: "send", connection, message });
  }

  #publish(topic: string, type: Update["type"]): void {
    const update: Update = { topic, type, epoch: this.epoch, sequence: this.#heartbeatSequence };
    this.#effects.push({ type: "publish", update });
  }

  #log(event: string, facts: Readonly<Record<string, string | number>>): void {
    this.#effects.push({ type: "log", event, facts });
  }
}
