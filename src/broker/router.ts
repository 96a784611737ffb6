import type { BrokerMessage, ServerMessage } from "../protocol/broker-messages.js";
import { bodyFrame, type Reply, type Request } from "../protocol/frames.js";
import { HEARTBEAT_TOPIC, type Update } from "../protocol/updates.js";
import type { Replication, StatusReply } from "../protocol/cluster-messages.js";
import { decodeHealth, decodeReady } from "../protocol/cluster-messages.js";
import { isServerId } from "../protocol/ids.js";
import type { Machine, Millis } from "../protocol/machine.js";
import { Membership } from "../protocol/membership.js";
import { Placement } from "../protocol/placement.js";
import { isSpoken } from "../protocol/version.js";
import type { BrokerConfig } from "./config.js";
import { Dispatcher } from "./dispatcher.js";
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
 * The broker's decisions: who is alive, what servers and watchers are told, and, by its dispatcher, which server gets a
 * request. It holds nothing that the servers' announcements do not bring back after a restart.
 */
export class Router implements Machine<BrokerEvent, BrokerEffect> {
  readonly #queue: ServerQueue;
  readonly #dispatcher: Dispatcher;
  readonly #membership = new Membership();
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
    this.#queue = new ServerQueue(config.windowBytes, config);
    this.#dispatcher = new Dispatcher(config, this.#queue, firstTag, this.counters, {
      reply: (client, request, reply) => this.#reply(client, request, reply),
      send: (connection, message) => this.#send(connection, message),
      answered: (afterMs) => this.onAnswered(afterMs),
    });
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
    return this.#dispatcher.waiting;
  }

  nextDeadline(): Millis | null {
    return earlier(earlier(this.#queue.nextDeadline(), this.#dispatcher.nextDeadline()), this.#nextFeedHeartbeatAt);
  }

  #onRequest(now: Millis, client: string, request: Request): void {
    this.counters.requests++;
    if (request.kind === "status") {
      this.#reply(client, request, { kind: "reply", body: bodyFrame(this.#status()) });
    } else this.#dispatcher.dispatch(now, client, request);
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
        for (const { tag, reply } of message.replies) this.#dispatcher.onReply(now, tag, server, reply);
        this.#dispatcher.giveNext(now, server);
        break;
    }
  }

  #onReady(now: Millis, connection: Connection, body: Uint8Array): void {
    const { id, oldest, newest, replication, members } = decodeReady(body);
    if (!isServerId(id) || !members.some((member) => member.id === id)) return;
    if (!isSpoken({ oldest, newest })) {
      this.#log("server-refused", { server: id, oldest, newest });
      return;
    }
    const incarnation = members.find((member) => member.id === id)?.incarnation ?? 0;
    const wasStarted = this.#queue.get(id) !== null && incarnation > (this.#membership.get(id)?.incarnation ?? 0);
    const announced = this.#queue.ready(id, connection, now);
    const changed = members.map((member) => this.#membership.admit(member)).includes(true);
    // What the servers there are agree on; one that has it otherwise will find out from them.
    if (this.#replication === null || this.#queue.size === 1) this.#replication = replication;
    const { replicas } = this.#replication;
    if (changed || this.#dispatcher.placement.replicas !== replicas) {
      this.#dispatcher.placement = Placement.of(this.#membership, replicas);
    }
    this.#log("server-ready", { server: id, servers: this.#queue.size });
    // The newcomer learns the table either way; the others only when it has become another one.
    const table: BrokerMessage = { type: "members", body: bodyFrame(this.#membership.members()) };
    for (const server of this.#queue.servers()) {
      if (changed || server === announced) this.#send(server.connection, table);
    }
    if (wasStarted) this.#dispatcher.askAgain(now, announced);
    this.#dispatcher.giveNext(now, announced);
  }

  #passTime(now: Millis): void {
    // All that is done below is due at one of these; before the first step there are none.
    const deadline = this.nextDeadline();
    if (this.#nextFeedHeartbeatAt !== null && deadline !== null && now < deadline) return;
    for (const server of this.#queue.purge(now)) {
      this.counters.expiries++;
      this.#lose(now, server, "server-expired");
    }
    this.#dispatcher.passTime(now);
    for (const server of this.#queue.servers()) {
      if (!server.heartbeat.takeDue(now)) continue;
      this.#send(server.connection, { type: "heartbeat" });
      server.window.expire(now);
      this.#dispatcher.giveNext(now, server);
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
    this.#dispatcher.lose(now, server, event === "server-expired");
  }

  #status(): StatusReply {
    const shares = this.#dispatcher.placement.shares();
    const servers = this.#membership.members().map(({ id, status }) => {
      const live = this.#queue.get(id);
      const { lists, hints, requests } = live?.health ?? { lists: 0, hints: 0, requests: 0 };
      return { id, status, alive: live !== null, partitions: shares.get(id) ?? 0, lists, hints, requests };
    });
    return {
      epoch: this.epoch,
      updates: this.config.updates,
      replication: this.#replication,
      counters: { ...this.counters, pending: this.#dispatcher.size, waiting: this.waiting },
      servers,
    };
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

function earlier(a: Millis | null, b: Millis | null): Millis | null {
  return a === null || (b !== null && b < a) ? b : a;
}
