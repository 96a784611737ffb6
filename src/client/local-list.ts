import { decodeList, encodeList, MalformedStateError } from "../crdt/codec.js";
import type { ReplicaId } from "../crdt/dot.js";
import { DotContext } from "../crdt/dot-context.js";
import { ShoppingList, type Author } from "../crdt/shopping-list.js";
import type { ErrorBody, NewestOperation, SyncReply, SyncRequest } from "../protocol/messages.js";
import type { ListId } from "../protocol/ids.js";
import { apply, type Intent } from "./intent.js";

/** A change made here that the cluster has not confirmed yet. */
export interface OutboxEntry {
  readonly replica: ReplicaId;
  readonly counter: number;
  readonly id: string;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  readonly intent: Intent;
}

/** A change that the cluster refused for good, kept so that its author can see it and decide. */
export interface RejectedEntry {
  readonly id: string;
  readonly at: number;
  readonly intent: Intent;
  readonly code: string;
  readonly message: string;
}

export interface Stored {
  readonly servers: number;
  readonly wanted: number;
}

const FILE_VERSION = 1;

/** One list as a data folder keeps it, in the form of its file. */
export interface LocalListFile {
  readonly version: number;
  readonly id: ListId;
  /** Which folder the replica id belongs to: see device.ts. */
  readonly device: string;
  readonly replica: ReplicaId;
  /** See `LocalList.onRefusal`. */
  readonly clashed: boolean;
  readonly basis: NewestOperation | null;
  readonly confirmed: unknown;
  readonly pending: unknown;
  readonly outbox: readonly OutboxEntry[];
  readonly rejected: readonly RejectedEntry[];
  readonly stored: Stored | null;
}

/** What an answer from the cluster did to the list, and so what to do next. */
export type SyncOutcome =
  | { readonly type: "level" }
  /** There is more to send: own changes, or changes of others that the cluster has lost. */
  | { readonly type: "behind" }
  /** Ask again: the basis was put right, or a new replica id was taken. */
  | { readonly type: "again" }
  | { readonly type: "rejected"; readonly changes: number; readonly error: ErrorBody };

/**
 * A list on this machine: what the cluster has confirmed, and apart from it what waits in the outbox. What is shown is
 * their join, so a refused change can be taken out of sight again.
 */
export class LocalList {
  #confirmed: ShoppingList;
  /** The join of confirmed and pending. */
  #shown: ShoppingList;
  /** What the cluster said it lacks of what was confirmed, as after a server lost its disk; empty otherwise. */
  #lost: ShoppingList = new ShoppingList();
  #outbox: readonly OutboxEntry[];
  #rejected: readonly RejectedEntry[];
  #basis: NewestOperation | null;
  #stored: Stored | null;
  #clashed: boolean;

  private constructor(
    readonly id: ListId,
    private device: string,
    private replicaId: ReplicaId,
    state: {
      readonly confirmed: ShoppingList;
      readonly pending: ShoppingList;
      readonly outbox: readonly OutboxEntry[];
      readonly rejected: readonly RejectedEntry[];
      readonly basis: NewestOperation | null;
      readonly stored: Stored | null;
      readonly clashed: boolean;
    },
  ) {
    this.#confirmed = state.confirmed;
    this.#shown = state.confirmed.clone();
    this.#shown.join(state.pending);
    this.#outbox = state.outbox;
    this.#rejected = state.rejected;
    this.#basis = state.basis;
    this.#stored = state.stored;
    this.#clashed = state.clashed;
  }

  static create(id: ListId, device: string, replica: ReplicaId): LocalList {
    return new LocalList(id, device, replica, {
      confirmed: new ShoppingList(),
      pending: new ShoppingList(),
      outbox: [],
      rejected: [],
      basis: null,
      stored: null,
      clashed: false,
    });
  }

  /** @throws MalformedStateError where the file has not the form of one */
  static fromFile(file: LocalListFile): LocalList {
    if (file.version !== FILE_VERSION) throw new MalformedStateError("it was written by a newer version of Aisle");
    const [confirmed, pending] = [decodeList(file.confirmed), decodeList(file.pending)];
    return new LocalList(file.id, file.device, file.replica, { ...file, confirmed, pending });
  }

  toFile(): LocalListFile {
    return {
      version: FILE_VERSION,
      id: this.id,
      device: this.device,
      replica: this.replicaId,
      clashed: this.#clashed,
      basis: this.#basis,
      confirmed: encodeList(this.#confirmed),
      pending: encodeList(this.#pending()),
      outbox: this.#outbox,
      rejected: this.#rejected,
      stored: this.#stored,
    };
  }

  /** What the person sees. Not to be changed by the caller. */
  get shown(): ShoppingList {
    return this.#shown;
  }

  get outbox(): readonly OutboxEntry[] {
    return this.#outbox;
  }

  get rejected(): readonly RejectedEntry[] {
    return this.#rejected;
  }

  /** On how many servers the list was when the cluster last answered, or null before that. */
  get stored(): Stored | null {
    return this.#stored;
  }

  /** Whether the list was joined by its id and has not been fetched yet. */
  get isUnfetched(): boolean {
    return this.#shown.seen.isEmpty();
  }

  get isDeleted(): boolean {
    return this.#shown.deleted.get() === true;
  }

  /** Takes a new replica id where the folder is not the one that this list was last written in. */
  belongTo(device: string, freshReplica: () => ReplicaId): void {
    if (this.device === device) return;
    this.device = device;
    this.#renew(freshReplica());
  }

  /** Makes a change and puts it in the outbox. @throws LimitExceededError; then nothing has changed */
  perform(intent: Intent, author: Omit<Author, "replica">): void {
    const replica = this.replicaId;
    apply(intent, this.#shown, { ...author, replica });
    const counter = this.#shown.seen.newest(replica);
    this.#outbox = [...this.#outbox, { replica, counter, ...author, intent }];
  }

  /** The next request to send: everything the cluster has not confirmed, and a wish for what is lacking here. */
  request(): SyncRequest {
    // After a clash nothing made here can be trusted to be named right; first the cluster's whole state.
    if (this.#clashed) return { replica: this.replicaId, basis: null, seen: new DotContext(), delta: null };
    const delta = this.#pending();
    delta.join(this.#lost);
    const isEmpty = delta.seen.isEmpty();
    return { replica: this.replicaId, basis: this.#basis, seen: this.#shown.seen, delta: isEmpty ? null : delta };
  }

  /** Takes in the cluster's answer to `request`. Changes made here since then stay in the outbox. */
  onReply(request: SyncRequest, reply: SyncReply): SyncOutcome {
    if (this.#clashed) return this.#onWholeState(request, reply);
    if (request.delta !== null) this.#confirmed.join(request.delta);
    if (reply.delta !== null) {
      this.#confirmed.join(reply.delta);
      this.#shown.join(reply.delta);
    }
    this.#outbox = this.#outbox.filter((entry) => !this.#confirmed.seen.has(entry));
    if (reply.newest !== null && request.replica === this.replicaId) this.#basis = reply.newest;
    this.#stored = { servers: reply.stored, wanted: reply.wanted };
    this.#lost = reply.serverSeen === null ? new ShoppingList() : this.#confirmed.lacking(reply.serverSeen);
    return { type: this.#outbox.length > 0 || !this.#lost.seen.isEmpty() ? "behind" : "level" };
  }

  /**
   * Takes in a refusal that is this side's doing. On `stale-basis` either an answer was lost and the newest operation
   * there is one of ours, or it is that of a twin: a copy of this folder, or its past before a restore, wrote under our
   * replica id. Then the list is clashed: it takes the cluster's whole state and makes its own changes again under a new id.
   */
  onRefusal(request: SyncRequest, error: ErrorBody, freshReplica: () => ReplicaId): SyncOutcome {
    if (error.code === "stale-basis") {
      const { newest } = error;
      if (newest !== null && newest !== undefined && this.#isOwn(newest)) this.#basis = newest;
      else {
        this.#renew(freshReplica());
        this.#clashed = true;
      }
      return { type: "again" };
    }
    const refused = this.#outbox.filter((entry) => request.delta?.seen.has(entry) === true);
    if (refused.length === 0) return { type: "rejected", changes: 0, error };
    const { code, message } = error;
    this.#rejected = [...this.#rejected, ...refused.map(({ id, at, intent }) => ({ id, at, intent, code, message }))];
    this.#renew(freshReplica());
    this.#redo(this.#outbox.filter((entry) => !refused.includes(entry)));
    return { type: "rejected", changes: refused.length, error };
  }

  #onWholeState(request: SyncRequest, reply: SyncReply): SyncOutcome {
    // An answer to a request from before the clash says nothing about the whole.
    if (request.replica !== this.replicaId || reply.delta === null) return { type: "again" };
    this.#clashed = false;
    this.#confirmed = reply.delta.clone();
    const known = new Set(this.#confirmed.history.operations().map((operation) => operation.id));
    for (const newest of this.#confirmed.newest.values()) known.add(newest.get() ?? "");
    this.#redo(this.#outbox.filter((entry) => !known.has(entry.id)));
    return { type: this.#outbox.length > 0 ? "behind" : "level" };
  }

  #pending(): ShoppingList {
    return this.#shown.lacking(this.#confirmed.seen);
  }

  #isOwn(newest: NewestOperation): boolean {
    const isIt = (operation: { readonly id: string }): boolean => operation.id === newest.id;
    return this.#outbox.some(isIt) || this.#shown.history.operations().some(isIt);
  }

  /** A new identity for what comes; operations already made keep their dots, which name them wherever they are known. */
  #renew(replica: ReplicaId): void {
    this.replicaId = replica;
    this.#basis = null;
  }

  /** Makes these changes again on what is confirmed, under the current identity, so that no dot names two operations. */
  #redo(entries: readonly OutboxEntry[]): void {
    this.#shown = this.#confirmed.clone();
    this.#outbox = [];
    for (const { intent, id, at } of entries) this.perform(intent, { id, at });
  }
}
