import type { Reply, Request } from "../protocol/frames.js";
import type { ServerId } from "../protocol/ids.js";
import type { Millis } from "../protocol/machine.js";

/** A request that a server is working on, or is going to, and what is needed to try the next one. */
export interface PendingRequest {
  readonly tag: number;
  /** The client's routing id, to which the reply goes. */
  readonly client: string;
  readonly request: Request;
  /** What it is taken to cost a server, and for how much it counts among those of its connection. */
  readonly bytes: number;
  readonly load: number;
  tried: readonly ServerId[];
  /** Where it is now, or is to go. */
  server: ServerId;
  isWaiting: boolean;
  /** When the server's time is up, or the time to wait for it. */
  attemptEndsAt: Millis;
  /** The last refusal of a server that could not, for the client if no other can. */
  declined: Reply | null;
  /** How many servers fell silent while they had it. */
  lost: number;
  /** When the client has stopped waiting. */
  readonly clientGoneAt: Millis;
}

/** The requests under way, by the tag that brings a reply back to its request. */
export class PendingRequests {
  readonly #byTag = new Map<number, PendingRequest>();
  readonly #loadByClient = new Map<string, number>();
  #nextTag: number;
  #bytes = 0;
  /** No request is overdue before this; later than the truth never, earlier sometimes, so that looking stays cheap. */
  #noneOverdueBefore: Millis = Infinity;

  /** @param firstTag random: a server may still answer what an earlier run of the broker asked it */
  constructor(firstTag: number) {
    this.#nextTag = firstTag;
  }

  get size(): number {
    return this.#byTag.size;
  }

  /** How many of them wait for a server that has enough to do. */
  get waiting(): number {
    let count = 0;
    for (const { isWaiting } of this.#byTag.values()) if (isWaiting) count++;
    return count;
  }

  /** What the bodies of all of them take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What a connection has under way. */
  loadOf(client: string): number {
    return this.#loadByClient.get(client) ?? 0;
  }

  /** Registers a request; it is nowhere until it is assigned. */
  open(client: string, request: Request, clientGoneAt: Millis, bytes: number, load: number): PendingRequest {
    const opened: PendingRequest = {
      tag: this.#nextTag++,
      client,
      request,
      bytes,
      load,
      clientGoneAt,
      tried: [],
      server: "",
      isWaiting: false,
      declined: null,
      lost: 0,
      attemptEndsAt: clientGoneAt,
    };
    this.#byTag.set(opened.tag, opened);
    this.#loadByClient.set(client, this.loadOf(client) + load);
    this.#bytes += request.body.byteLength;
    return opened;
  }

  /** The request that a server answers; null for one that is closed already or that another server was given since. */
  at(tag: number, server: ServerId): PendingRequest | null {
    const pending = this.#byTag.get(tag);
    return pending?.server === server && !pending.isWaiting ? pending : null;
  }

  drop(pending: PendingRequest): void {
    if (!this.#byTag.delete(pending.tag)) return;
    this.#bytes -= pending.request.body.byteLength;
    const left = this.loadOf(pending.client) - pending.load;
    if (left > 0) this.#loadByClient.set(pending.client, left);
    else this.#loadByClient.delete(pending.client);
  }

  /** Gives the request to a server until `endsAt`. */
  assign(pending: PendingRequest, server: ServerId, endsAt: Millis): void {
    pending.tried = [...pending.tried, server];
    pending.isWaiting = false;
    this.#place(pending, server, endsAt);
  }

  /** Lets the request wait for a server until `endsAt`. */
  wait(pending: PendingRequest, server: ServerId, endsAt: Millis): void {
    pending.isWaiting = true;
    this.#place(pending, server, endsAt);
  }

  #place(pending: PendingRequest, server: ServerId, endsAt: Millis): void {
    pending.server = server;
    pending.attemptEndsAt = endsAt;
    this.#noneOverdueBefore = Math.min(this.#noneOverdueBefore, endsAt);
  }

  /** The requests whose server took too long, or that have waited too long for one. */
  overdue(now: Millis): readonly PendingRequest[] {
    if (now < this.#noneOverdueBefore) return [];
    const overdue: PendingRequest[] = [];
    this.#noneOverdueBefore = Infinity;
    for (const pending of this.#byTag.values()) {
      if (now >= pending.attemptEndsAt) overdue.push(pending);
      else this.#noneOverdueBefore = Math.min(this.#noneOverdueBefore, pending.attemptEndsAt);
    }
    return overdue;
  }

  /** The requests that were with this server, or waited for it. */
  of(server: ServerId): readonly PendingRequest[] {
    return [...this.#byTag.values()].filter((pending) => pending.server === server);
  }

  nextDeadline(): Millis | null {
    return this.#noneOverdueBefore === Infinity ? null : this.#noneOverdueBefore;
  }
}
