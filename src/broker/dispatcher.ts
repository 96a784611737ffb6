import { readingMs } from "../protocol/bounds.js";
import type { BrokerMessage, ServerReply } from "../protocol/broker-messages.js";
import type { ErrorCode } from "../protocol/errors.js";
import type { Reply, Request } from "../protocol/frames.js";
import { partitionOf } from "../protocol/hash-ring.js";
import type { ServerId } from "../protocol/ids.js";
import type { Millis } from "../protocol/machine.js";
import { Membership } from "../protocol/membership.js";
import { errorReply } from "../protocol/messages.js";
import { Placement } from "../protocol/placement.js";
import { AnswerSizes } from "./answer-sizes.js";
import type { BrokerConfig } from "./config.js";
import { PendingRequests, type PendingRequest } from "./pending-requests.js";
import type { Connection, LiveServer, ServerQueue } from "./server-queue.js";

const ACCOUNT_WEIGHT = 16;

/**
 * Which part of a client's time may pass while its request waits for a server: what comes to one when its time is all but up is
 * work for nobody, and a cluster that does only that never gets out of it.
 */
const WAITING_SHARE = 0.5;

/** How long after its client has gone a request is still taken to be what its server works on. */
const ABANDONED_MS = 5_000;

/**
 * Servers that a request may be with when they fall silent. It is what has no other bound that this is for, such as what hashes a
 * password: anything else has gone on to the next one before silence is noticed.
 */
const MOST_LOST = 2;

/** What dispatching comes to. */
export interface DispatchOutcomes {
  readonly reply: (client: string, request: Request, reply: Reply) => void;
  readonly send: (connection: Connection, message: BrokerMessage) => void;
  /** A server's answer came so long after its question. */
  readonly answered: (afterMs: Millis) => void;
}

export interface DispatchCounters {
  replies: number;
  retries: number;
  declined: number;
  refusals: number;
  late: number;
}

/** Which server gets a request, when it does, and when the next one is tried. */
export class Dispatcher {
  readonly #pending: PendingRequests;
  readonly #sizes = new AnswerSizes();
  placement = Placement.of(new Membership(), 1);

  /** @param firstTag see `PendingRequests` */
  constructor(
    readonly config: BrokerConfig,
    readonly queue: ServerQueue,
    firstTag: number,
    readonly counters: DispatchCounters,
    readonly outcomes: DispatchOutcomes,
  ) {
    this.#pending = new PendingRequests(firstTag);
  }

  /** How many requests there are without an answer. */
  get size(): number {
    return this.#pending.size;
  }

  /** How many of them wait for a server that has enough to do. */
  get waiting(): number {
    return this.#pending.waiting;
  }

  nextDeadline(): Millis | null {
    return this.#pending.nextDeadline();
  }

  dispatch(now: Millis, client: string, request: Request): void {
    const { mostPendingOfOne, requestBytes } = this.config;
    const { listId, body } = request;
    const answerBytes = listId === null ? 0 : this.#sizes.expected(listId);
    const bytes = requestBytes + Math.max(body.byteLength, answerBytes);
    const load = this.#loadOf(request, bytes);
    if (this.#pending.loadOf(client) + load > mostPendingOfOne) {
      this.#refuse(client, request, "slow-down", `a connection may have ${mostPendingOfOne} requests waiting`);
      return;
    }
    const isFull = this.#pending.size >= this.config.mostPending;
    if (isFull || this.#pending.bytes + request.body.byteLength > this.config.mostPendingBytes) {
      this.#refuse(client, request, "unavailable", "the broker has too much to do");
      return;
    }
    const server = this.#choose(request, []);
    if (server === null) {
      this.#refuse(client, request, "unavailable", this.#absence(request));
      return;
    }
    const pending = this.#pending.open(client, request, now + request.timeoutMs, bytes, load);
    if (body.byteLength > answerBytes && listId !== null) this.#sizes.learn(listId, body.byteLength);
    this.#assign(now, pending, server);
  }

  /** One connection has one large request at a time, and few that hash passwords, which take longer than anything else. */
  #loadOf({ kind }: Request, bytes: number): number {
    const { largeBytes, mostPendingOfOne } = this.config;
    if (bytes > largeBytes) return mostPendingOfOne;
    return kind === "account" ? ACCOUNT_WEIGHT : 1;
  }

  onReply(now: Millis, tag: number, server: LiveServer, reply: ServerReply): void {
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
    if (pending.request.listId !== null) this.#sizes.learn(pending.request.listId, body.byteLength);
    this.counters.replies++;
    this.outcomes.answered(now - (pending.clientGoneAt - pending.request.timeoutMs));
    this.outcomes.reply(pending.client, pending.request, { kind, body });
  }

  /** Withdraws what has waited or taken too long. */
  passTime(now: Millis): void {
    for (const pending of this.#pending.overdue(now))
      if (pending.isWaiting) this.#turnAway(pending);
      else this.#retry(now, pending);
  }

  /** What was asked of a server that is gone is asked of the next one at once. */
  lose(now: Millis, server: LiveServer, isSilent: boolean): void {
    for (const pending of this.#pending.of(server.id)) {
      if (isSilent && !pending.isWaiting) pending.lost++;
      this.#askElsewhere(now, pending);
    }
  }

  /** A server that was started again knows nothing of what it was asked: it is asked once more, or another one is. */
  askAgain(now: Millis, server: LiveServer): void {
    for (const pending of this.#pending.of(server.id)) {
      if (pending.isWaiting) continue;
      pending.lost++;
      pending.tried = pending.tried.filter((id) => id !== server.id);
      this.#askElsewhere(now, pending);
    }
  }

  /** Should it be the request that servers fall silent over, it does not get all of them. */
  #askElsewhere(now: Millis, pending: PendingRequest): void {
    if (pending.lost < MOST_LOST) this.#retry(now, pending);
    else {
      this.#pending.drop(pending);
      this.#refuse(pending.client, pending.request, "unavailable", "the servers that had it fell silent");
    }
  }

  /**
   * Lists go to the first live server of their preference list, down to the last one that lives; what is about one server
   * goes there, anything else to whoever waited longest.
   */
  #choose({ listId, serverId }: Request, tried: readonly ServerId[]): LiveServer | null {
    if (serverId !== null) return this.queue.firstOf([serverId], tried);
    if (listId === null) return this.queue.next(tried);
    return this.queue.firstOf(this.placement.order(partitionOf(listId)), tried) ?? this.queue.next(tried);
  }

  #absence({ serverId }: Request): string {
    if (this.queue.size === 0) return "no server is up";
    return serverId === null ? "no server answered in time" : `${serverId} is not answering`;
  }

  /** Gives the request to the server, or lets it wait where the server has enough to do. */
  #assign(now: Millis, pending: PendingRequest, server: LiveServer): void {
    if (server.line.first === null && server.window.fits(pending.bytes)) {
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
    const attemptMs = this.config.attemptTimeoutMs + 2 * readingMs(pending.bytes);
    const patience = isSlow ? Infinity : now + attemptMs;
    const { tag, request } = pending;
    this.#pending.assign(pending, server.id, Math.min(patience, pending.clientGoneAt));
    server.window.open(tag, pending.bytes, pending.clientGoneAt + ABANDONED_MS);
    this.outcomes.send(server.connection, { type: "requests", requests: [{ tag, request }] });
  }

  /** What a server has room for, in turn. */
  giveNext(now: Millis, server: LiveServer): void {
    const { line, window } = server;
    for (let next = line.first; next !== null && window.fits(next.bytes); next = line.first) {
      line.next();
      this.#give(now, next, server);
    }
  }

  /** Another server's turn, if there is one: the time of this one is up, or it is gone. */
  #retry(now: Millis, pending: PendingRequest): void {
    if (now >= pending.clientGoneAt) {
      this.#pending.drop(pending);
      return;
    }
    const server = this.#choose(pending.request, pending.tried);
    if (server === null) {
      this.#pending.drop(pending);
      if (pending.declined !== null) this.outcomes.reply(pending.client, pending.request, pending.declined);
      else this.#refuse(pending.client, pending.request, "unavailable", this.#absence(pending.request));
      return;
    }
    this.counters.retries++;
    this.#assign(now, pending, server);
  }

  /** Nobody asks another one what this one has too much to do for: it would have to ask this one. */
  #turnAway(pending: PendingRequest): void {
    this.queue.get(pending.server)?.line.withdraw(pending);
    this.#pending.drop(pending);
    this.#refuse(pending.client, pending.request, "unavailable", "the servers have too much to do");
  }

  #refuse(client: string, request: Request, code: ErrorCode, message: string): void {
    this.counters.refusals++;
    this.outcomes.reply(client, request, errorReply({ code, message }));
  }
}
