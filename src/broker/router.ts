import type { ErrorCode } from "../protocol/errors.js";
import { readingMs } from "../protocol/bounds.js";
import type { BrokerMessage, ServerMessage, ServerReply } from "../protocol/broker-messages.js";
import { bodyFrame, type Reply, type Request } from "../protocol/frames.js";
import { HEARTBEAT_TOPIC, type Update } from "../protocol/updates.js";
import type { Replication, StatusReply } from "../protocol/cluster-messages.js";
import { decodeHealth, decodeReady } from "../protocol/cluster-messages.js";
import { partitionOf } from "../protocol/hash-ring.js";
import { isServerId, type ServerId } from "../protocol/ids.js";
import type { Machine, Millis } from "../protocol/machine.js";
import { Membership } from "../protocol/membership.js";
import { errorReply } from "../protocol/messages.js";
import { Placement } from "../protocol/placement.js";
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

const ACCOUNT_WEIGHT = 16;

/**
 * Which part of a client's time may pass while its request waits for a server: what comes to one when its time is all but up is
 * work for nobody, and a cluster that does only that never gets out of it.
 */
const WAITING_SHARE = 0.5;

/** How long after its client has gone a request is still taken to be what its server works on. */
const ABANDONED_MS = 5_000;

/** Servers that a request may have been with when they fell silent. */
const MOST_LOST = 2;

/**
 * The broker's decisions: which server gets a request, when to try the next, who is alive, what watchers are told. It
 * holds nothing that the servers' announcements do not bring back after a restart.
 */
export class Router implements Machine<BrokerEvent, BrokerEffect> {
  readonly #queue: ServerQueue;
  readonly #pending: PendingRequests;
  readonly #membership = new Membership();
  #placement = Placement.of(new Membership(), 1);
  #replication: Replication | null = null;
  #heartbeatSequence = 0;
  #nextFeedHeartbeatAt: Millis | null = null;
  readonly counters = {
    requests: 0,
    replies: 0,
    retries: 0,
    declined: 0,
    refusals: 0,
    notices: 0,
    expiries: 0,
    late: 0,
  };
  #effects: BrokerEffect[] = [];
  /** Told of every answer how long after its question it came. */
  onAnswered: (afterMs: Millis) => void = () => undefined;

  /**
   * @param epoch random, new for each run, so that watchers notice a restart
   * @param firstTag random, for the same reason: see `PendingRequests`
   */
  constructor(
    readonly config: BrokerConfig,
    readonly epoch: string,
    firstTag: number,
  ) {
    // One connection has one large request at a time, and few that hash passwords, which take longer than anything else.
    const weightOf = (request: Request): number =>
      request.body.byteLength > config.largeBytes
        ? config.mostPendingOfOne
        : request.kind === "account"
          ? ACCOUNT_WEIGHT
          : 1;
    this.#pending = new PendingRequests(firstTag, weightOf);
    this.#queue = new ServerQueue(config.windowBytes, config);
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

  /** How many servers are there to ask. */
  get servers(): number {
    return this.#queue.size;
  }

  /** How many requests wait for a server that has enough to do. */
  get waiting(): number {
    return this.#pending.waiting;
  }

  nextDeadline(): Millis | null {
    const deadlines = [this.#queue.nextDeadline(), this.#pending.nextDeadline(), this.#nextFeedHeartbeatAt];
    const set = deadlines.filter((deadline) => deadline !== null);
    return set.length === 0 ? null : Math.min(...set);
  }

  #onRequest(now: Millis, client: string, request: Request): void {
    this.counters.requests++;
    if (request.kind === "status") {
      this.#reply(client, request, { kind: "reply", body: bodyFrame(this.#status()) });
      return;
    }
    const { mostPendingOfOne } = this.config;
    if (this.#pending.loadWith(client, request) > mostPendingOfOne) {
      this.#refuse(client, request, "slow-down", `a connection may have ${mostPendingOfOne} requests waiting`);
      return;
    }
    const isFull = this.#pending.size >= this.config.mostPending;
    if (isFull || this.#pending.bytes + request.body.byteLength > this.config.mostPendingBytes) {
      this.#refuse(client, request, "unavailable", "the broker has too much to do");
      return;
    }
    const server = this.#choose(request, new Set());
    if (server === null) {
      this.#refuse(client, request, "unavailable", this.#absence(request));
      return;
    }
    const pending = this.#pending.open(client, request, now + request.timeoutMs);
    this.#assign(now, pending, server);
  }

  /**
   * Lists go to the first live server of their preference list, down to the last one that lives; what is about one server
   * goes there, anything else to whoever waited longest.
   */
  #choose({ listId, serverId }: Request, tried: ReadonlySet<ServerId>): LiveServer | null {
    if (serverId !== null) return this.#queue.firstOf([serverId], tried);
    if (listId === null) return this.#queue.next(tried);
    return this.#queue.firstOf(this.#placement.order(partitionOf(listId)), tried) ?? this.#queue.next(tried);
  }

  #absence({ serverId }: Request): string {
    if (this.#queue.size === 0) return "no server is up";
    return serverId === null ? "no server answered in time" : `${serverId} is not answering`;
  }

  /** Gives the request to the server, or lets it wait where the server has enough to do. */
  #assign(now: Millis, pending: PendingRequest, server: LiveServer): void {
    if (server.line.first === null && server.window.fits(this.#weight(pending))) {
      this.#give(now, pending, server);
      return;
    }
    server.line.add(pending);
    this.#pending.wait(pending, server.id, now + WAITING_SHARE * Math.max(0, pending.clientGoneAt - now));
  }

  #give(now: Millis, pending: PendingRequest, server: LiveServer): void {
    // What only this server can answer, or what is slow on purpose, may take as long as the client waits.
    const isSlow = pending.request.serverId !== null || pending.request.kind === "account";
    // The server reads it, and then those that it asks.
    const attemptMs = this.config.attemptTimeoutMs + 2 * readingMs(pending.request.body.byteLength);
    const patience = isSlow ? Infinity : now + attemptMs;
    const { tag, request } = pending;
    this.#pending.assign(pending, server.id, Math.min(patience, pending.clientGoneAt));
    server.window.open(tag, this.#weight(pending), pending.clientGoneAt + ABANDONED_MS);
    this.#send(server.connection, { type: "requests", requests: [{ tag, request }] });
  }

  /** What a server has room for, in turn. */
  #giveNext(now: Millis, server: LiveServer): void {
    const { line, window } = server;
    for (let next = line.first; next !== null && window.fits(this.#weight(next)); next = line.first) {
      line.remove(next);
      this.#give(now, next, server);
    }
  }

  #weight({ request }: PendingRequest): number {
    return this.config.requestBytes + request.body.byteLength;
  }

  /** Somebody else's turn, if there is one: the time is up, or the server is gone. */
  #retry(now: Millis, pending: PendingRequest): void {
    if (now >= pending.clientGoneAt) {
      this.#pending.drop(pending);
      return;
    }
    const server = this.#choose(pending.request, pending.tried);
    if (server === null) {
      this.#pending.drop(pending);
      if (pending.declined !== null) this.#reply(pending.client, pending.request, pending.declined);
      else this.#refuse(pending.client, pending.request, "unavailable", this.#absence(pending.request));
      return;
    }
    this.counters.retries++;
    this.#assign(now, pending, server);
  }

  /** Nobody asks another one what this one has too much to do for: it would have to ask this one. */
  #turnAway(pending: PendingRequest): void {
    this.#queue.get(pending.server)?.line.remove(pending);
    this.#pending.drop(pending);
    this.#refuse(pending.client, pending.request, "unavailable", "the servers have too much to do");
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
        // Nothing is said where nothing has changed.
        if (message.body.byteLength > 0) server.health = decodeHealth(message.body);
        break;
      case "goodbye":
        this.#lose(now, server, "server-left");
        break;
      case "notice":
        this.counters.notices += message.topics.length;
        for (const topic of message.topics) this.#publish(topic, "moved");
        break;
      case "replies":
        for (const { tag, reply } of message.replies) this.#onReply(now, tag, server, reply);
        this.#giveNext(now, server);
        break;
    }
  }

  #onReady(now: Millis, connection: Connection, body: Uint8Array): void {
    const { id, oldest, newest, replication, members } = decodeReady(body);
    if (!isServerId(id) || !members.some((member) => member.id === id)) return;
    if (highestCommon([{ oldest, newest }]) === null) {
      this.#log("server-refused", { server: id, oldest, newest });
      return;
    }
    const announced = this.#queue.ready(id, connection, now);
    const changed = members.map((member) => this.#membership.admit(member)).includes(true);
    // What the servers there are agree on; one that has it otherwise will find out from them.
    if (this.#replication === null || this.#queue.size === 1) this.#replication = replication;
    const { replicas } = this.#replication;
    if (changed || this.#placement.replicas !== replicas) {
      this.#placement = Placement.of(this.#membership, replicas);
    }
    this.#log("server-ready", { server: id, servers: this.#queue.size });
    // The newcomer learns the table either way; the others only when it has become another one.
    const table: BrokerMessage = { type: "members", body: bodyFrame(this.#membership.members()) };
    for (const server of this.#queue.servers()) {
      if (changed || server === announced) this.#send(server.connection, table);
    }
    this.#giveNext(now, announced);
  }

  #onReply(now: Millis, tag: number, server: LiveServer, reply: ServerReply): void {
    server.window.close(tag);
    const pending = this.#pending.at(tag, server.id);
    if (pending === null) {
      this.counters.late++;
      return;
    }
    const { kind, body } = reply;
    if (kind === "declined") {
      this.counters.declined++;
      pending.declined = { kind: "error", body };
      this.#retry(now, pending);
      return;
    }
    this.#pending.drop(pending);
    this.counters.replies++;
    this.onAnswered(now - (pending.clientGoneAt - pending.request.timeoutMs));
    this.#reply(pending.client, pending.request, { kind, body });
  }

  #passTime(now: Millis): void {
    for (const server of this.#queue.purge(now)) {
      this.counters.expiries++;
      this.#lose(now, server, "server-expired");
    }
    for (const pending of this.#pending.overdue(now))
      if (pending.isWaiting) this.#turnAway(pending);
      else this.#retry(now, pending);
    for (const server of this.#queue.servers()) {
      if (!server.heartbeat.takeDue(now)) continue;
      this.#send(server.connection, { type: "heartbeat" });
      server.window.expire(now);
      this.#giveNext(now, server);
    }
    this.#nextFeedHeartbeatAt ??= now + this.config.heartbeatIntervalMs;
    if (now >= this.#nextFeedHeartbeatAt) {
      this.#nextFeedHeartbeatAt = now + this.config.heartbeatIntervalMs;
      this.#heartbeatSequence++;
      this.#publish(HEARTBEAT_TOPIC, "heartbeat");
    }
  }

  /** What was asked of a server that is gone is asked of the next one at once. */
  #lose(now: Millis, server: LiveServer, event: "server-left" | "server-expired"): void {
    this.#queue.remove(server);
    this.#log(event, { server: server.id, servers: this.#queue.size });
    for (const pending of this.#pending.of(server.id)) {
      // Should it be the request that servers fall silent over, it does not get all of them.
      if (event === "server-expired" && !pending.isWaiting) pending.lost++;
      if (pending.lost < MOST_LOST) this.#retry(now, pending);
      else {
        this.#pending.drop(pending);
        this.#refuse(pending.client, pending.request, "unavailable", "the servers that had it fell silent");
      }
    }
  }

  #status(): StatusReply {
    const shares = this.#placement.shares();
    const servers = this.#membership.members().map(({ id, status }) => {
      const live = this.#queue.get(id);
      const { lists, hints, requests } = live?.health ?? { lists: 0, hints: 0, requests: 0 };
      return { id, status, alive: live !== null, partitions: shares.get(id) ?? 0, lists, hints, requests };
    });
    return {
      epoch: this.epoch,
      updates: this.config.updates,
      replication: this.#replication,
      counters: { ...this.counters, pending: this.#pending.size, waiting: this.waiting },
      servers,
    };
  }

  #refuse(client: string, request: Request, code: ErrorCode, message: string): void {
    this.counters.refusals++;
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
