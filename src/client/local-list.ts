import { decodeContext, decodeList, encodeContext, encodeList, MalformedStateError } from "../crdt/codec.js";
import type { ReplicaId } from "../crdt/dot.js";
import { DotContext } from "../crdt/dot-context.js";
import type { ItemState } from "../crdt/item-state.js";
import { LimitExceededError } from "../crdt/limits.js";
import { ShoppingList, type Author } from "../crdt/shopping-list.js";
import type { ErrorBody, Founding, NewestOperation, SyncReply, SyncRequest } from "../protocol/messages.js";
import type { ListId } from "../protocol/ids.js";
import { dueReturn } from "../crdt/staple.js";
import { afterClash, renamed, seenByRemoval } from "./clash.js";
import { ConfirmedList } from "./confirmed-list.js";
import { isForGood } from "./errors.js";
import { Identities } from "./identities.js";
import { apply, type Intent } from "./intent.js";
import {
  FILE_VERSION,
  type LocalListFile,
  type OutboxEntry,
  type RejectedEntry,
  type Stored,
} from "./local-list-file.js";
import { Rights } from "./rights.js";
import { withChange, type Change } from "./undo.js";
import { t } from "./messages.js";

/** What an answer from the cluster did to the list, and so what to do next. */
export type SyncOutcome =
  | { readonly type: "level" }
  /** There is more to send: own changes, or changes of others that the cluster has lost. */
  | { readonly type: "behind" }
  /** Fewer servers than wanted have it: what waits goes on waiting. */
  | { readonly type: "below" }
  /** Ask again: the basis was put right, or a new replica id was taken. */
  | { readonly type: "again" }
  | { readonly type: "rejected"; readonly changes: number; readonly error: ErrorBody };

/**
 * A list on this machine: what the cluster has confirmed, and apart from it what waits in the outbox. What is shown is
 * their join, so a refused change can be taken out of sight again.
 */
export class LocalList {
  readonly rights: Rights;
  readonly #identities: Identities;
  #device: string;
  #confirmed: ConfirmedList;
  /** The join of confirmed and pending. */
  #shown: ShoppingList;
  /** The server's dots, where it has lost some of what was confirmed, as with its disk; null otherwise. */
  #serverSeen: DotContext | null;
  #outbox: OutboxEntry[];
  #rejected: readonly RejectedEntry[];
  #stored: Stored | null;
  #clashed: boolean;
  #isUnwritten = false;
  /** Each as JSON: only taking one back needs to know what it was. */
  #changes: readonly string[];

  private constructor(
    readonly id: ListId,
    file: Omit<LocalListFile, "version" | "id" | "confirmed" | "pending" | "serverSeen">,
    confirmed: ConfirmedList,
    shown: ShoppingList,
    serverSeen: DotContext | null = null,
  ) {
    this.rights = new Rights(file);
    this.#identities = new Identities(file);
    this.#device = file.device;
    this.#confirmed = confirmed;
    this.#shown = shown;
    this.#serverSeen = serverSeen;
    this.#outbox = [...file.outbox];
    this.#rejected = file.rejected;
    this.#stored = file.stored;
    this.#clashed = file.clashed;
    this.#changes = file.changes ?? [];
  }

  /** @param founding for a list that is made here, and not joined */
  static create(id: ListId, device: string, replica: ReplicaId, founding: Founding | null = null): LocalList {
    const file = { device, replica, basis: null, clashed: false, outbox: [], rejected: [], stored: null, founding };
    return new LocalList(id, file, ConfirmedList.of(new ShoppingList()), new ShoppingList());
  }

  /** @throws MalformedStateError where the file has not the form of one */
  static fromFile(file: LocalListFile): LocalList {
    if (file.version !== FILE_VERSION) throw new MalformedStateError(t("it was written by a newer version of Aisle"));
    // Joining is commutative, and copies what is joined in: the less the better.
    const [confirmed, pending] = [decodeList(file.confirmed), decodeList(file.pending)];
    const [shown, rest] =
      confirmed.items.entries().size < pending.items.entries().size ? [pending, confirmed] : [confirmed, pending];
    shown.join(rest);
    const serverSeen = file.serverSeen === null ? null : decodeContext(file.serverSeen);
    return new LocalList(file.id, file, new ConfirmedList(file.confirmed), shown, serverSeen);
  }

  toFile(): LocalListFile {
    return {
      version: FILE_VERSION,
      id: this.id,
      device: this.#device,
      clashed: this.#clashed,
      confirmed: this.#confirmed.form,
      pending: encodeList(this.#pending()),
      serverSeen: this.#serverSeen === null ? null : encodeContext(this.#serverSeen),
      outbox: [...this.#outbox],
      rejected: this.#rejected,
      stored: this.#stored,
      changes: this.#changes,
      ...this.#identities.form,
      ...this.rights.form,
    };
  }

  /** Under which name changes are made now. */
  get replica(): ReplicaId {
    return this.#identities.current.replica;
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

  /** The author has seen what was refused, and decided. */
  dismiss(): void {
    this.#rejected = [];
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

  /** Whether items come back by themselves, so that it looks different as time goes by. */
  get hasStaples(): boolean {
    return [...this.#shown.items.entries().values()].some((item) => item.isStaple);
  }

  /**
   * Takes a new replica id where the folder is not the one that this list was last written in. What waits keeps its names, under
   * which the folder it was copied from may send it as well, unless the cluster has something else by them.
   */
  belongTo(device: string, freshReplica: () => ReplicaId): void {
    if (this.#device === device) return;
    this.#device = device;
    const { replica } = this;
    if (this.#outbox.some((entry) => entry.replica === replica)) this.#identities.keepCurrent();
    this.#identities.renew(freshReplica());
  }

  /** What was done here and can be taken back, the oldest first. */
  get changes(): readonly Change[] {
    return this.#changes.map((text) => JSON.parse(text) as Change);
  }

  /** Whether operations of that replica were made in this folder, as far as it still knows. */
  isOwn(replica: ReplicaId): boolean {
    return replica === this.replica || this.#outbox.some((entry) => entry.replica === replica);
  }

  /** Takes note of what a command did, so that it can be taken back. */
  remember(change: Change): void {
    this.#changes = withChange(this.#changes, change);
  }

  /** The newest changes, which have been taken back, are no more to be. */
  forgetChanges(count: number): void {
    this.#changes = this.#changes.slice(0, -count);
  }

  /**
   * Brings back the staples that are due. Every device does so by itself, with the same result: it becomes durable with the
   * next change, or before it is sent.
   */
  bringBack(now: number): void {
    if (!this.rights.mayWrite) return;
    for (const key of this.#shown.items.entries().keys()) {
      const due = dueReturn(this.#shown, key, now, this.replica);
      if (due === null) continue;
      const { clearing, ...which } = due;
      if (clearing !== null) this.perform({ type: "remove", key }, clearing);
      this.#isUnwritten ||= clearing !== null;
      this.perform({ type: "return", key, ...which }, { id: "", at: now });
    }
  }

  /** Whether there is an operation under this device's name in it that its file has not: nothing else may ever be sent by that name. */
  get isUnwritten(): boolean {
    return this.#isUnwritten;
  }

  /**
   * Makes a change and puts it in the outbox.
   * @param seen what a removal that is made again had seen of its item
   * @throws LimitExceededError; then nothing has changed
   */
  perform(wanted: Intent, author: Omit<Author, "replica">, seen?: ItemState): void {
    // A total is an increment by what was missing then, also where it is made again.
    const intent = wanted.type === "need" ? { from: this.#shown.neededOf(wanted.key), ...wanted } : wanted;
    const delta = apply(intent, this.#shown, { ...author, replica: this.replica }, seen);
    for (const [replica, { stamp, value: id }] of delta.newest) {
      const entry = { replica, counter: stamp.time, id, at: author.at, by: author.by ?? null, intent };
      this.#outbox.push(entry);
    }
  }

  /** The next request to send: everything the cluster has not confirmed, and a wish for what is lacking here. */
  request(): SyncRequest {
    const { founding } = this.rights;
    const { current, former } = this.#identities;
    // After a clash nothing made here can be trusted to be named right; first the cluster's whole state.
    if (this.#clashed) return { ...current, basis: null, seen: new DotContext(), delta: null, founding };
    // What is done here while the request is on its way was not known when it was made.
    const seen = new DotContext();
    seen.join(this.#shown.seen);
    if (former !== null) return { ...former, seen, delta: null, founding };
    const isDeletion = this.#outbox.some(({ intent }) => intent.type === "set-deleted");
    const delta = this.#pending(this.rights.mayDelete || isDeletion);
    if (this.#serverSeen !== null && this.#mayRepair) delta.join(this.#confirmed.list.lacking(this.#serverSeen));
    return { ...current, seen, delta: delta.seen.isEmpty() ? null : delta, founding };
  }

  /** Takes in the cluster's answer to `request`. Changes made here since then stay in the outbox. */
  onReply(request: SyncRequest, reply: SyncReply): SyncOutcome {
    this.rights.stand({ role: reply.role, open: reply.open, members: reply.members });
    if (request.replica !== this.replica) {
      // All that it tells is which operation is the newest there: what else is in it may be that of a twin, under the name that is now ours.
      this.#identities.onAnswer(request.replica, reply.newest);
      return { type: "again" };
    }
    if (this.#clashed) return this.#onWholeState(reply.delta ?? new ShoppingList());
    const isBelow = reply.stored < reply.wanted;
    if (request.delta !== null && !isBelow) this.#confirmed.join(request.delta);
    const { delta } = reply;
    // Another process on this device may have sent more since, which this answer shows and does not vouch for.
    const isAhead = delta !== null && this.#outbox.some((entry) => delta.seen.has(entry));
    if (delta !== null) this.#shown.join(delta);
    if (delta !== null && !isAhead) this.#confirmed.join(delta);
    this.#outbox = this.#outbox.filter((entry) => !this.#confirmed.seen.has(entry));
    this.#forgetStored();
    this.#identities.onAnswer(request.replica, reply.newest);
    this.#stored = { servers: reply.stored, wanted: reply.wanted, replicas: reply.replicas };
    this.#serverSeen = reply.serverSeen;
    if (isBelow) return { type: "below" };
    const isBehind = this.#outbox.length > 0 || (this.#serverSeen !== null && this.#mayRepair);
    return { type: isBehind ? "behind" : "level" };
  }

  /**
   * Takes in a refusal that is this side's doing. On `stale-basis` either an answer was lost and the newest operation
   * there is one of ours, or it is that of a twin: a copy of this folder, or its past before a restore, wrote under our
   * replica id. Then the list is clashed: it takes the cluster's whole state and makes its own changes again under a new id.
   */
  onRefusal(request: SyncRequest, error: ErrorBody, freshReplica: () => ReplicaId): SyncOutcome {
    if (error.code === "stale-basis") {
      const { newest } = error;
      const isOwn = newest !== null && newest !== undefined && this.#isOwn(newest);
      if (isOwn && !this.#clashed) this.#identities.correct(request.replica, newest);
      else {
        this.#identities.renew(freshReplica());
        this.#clashed = true;
      }
      return { type: "again" };
    }
    if (!isForGood(error)) return { type: "rejected", changes: 0, error };
    const refused = this.#outbox.filter((entry) => request.delta?.seen.has(entry) === true);
    if (refused.length === 0) return { type: "rejected", changes: 0, error };
    this.#reject(refused, error);
    this.#identities.renew(freshReplica());
    this.#identities.forgetFormers();
    this.#redo(this.#outbox.filter((entry) => !refused.includes(entry)));
    return { type: "rejected", changes: refused.filter(isOfPerson).length, error };
  }

  /** After a clash: what of the outbox the cluster has under its old name is known, the rest is made again. */
  #onWholeState(whole: ShoppingList): SyncOutcome {
    this.#clashed = false;
    this.#identities.forgetFormers();
    this.#serverSeen = null;
    const { known, unclear, unknown } = afterClash(this.#outbox, whole);
    // What was there when the rest was made: the cluster has these by now.
    const before = this.#confirmed.list;
    const others = new Set(renamed(known, whole).map(({ id }) => id));
    for (const { intent, ...author } of known) if (!others.has(author.id)) apply(intent, before, author);
    this.#confirmed = ConfirmedList.of(whole.clone());
    // Kept for their author to decide: making them again might count twice.
    this.#reject(unclear, {
      code: "unclear",
      message: "it may be stored already; look, and make it again if it is not",
    });
    this.#redo(unknown, before);
    return { type: this.#outbox.length > 0 ? "behind" : "level" };
  }

  /** What was refused, and shows to have been stored all the same, as where an earlier attempt had come through. */
  #forgetStored(): void {
    if (this.#rejected.length === 0) return;
    const stored = new Set(this.#shown.history.operations().map(({ id }) => id));
    for (const { value } of this.#shown.newest.values()) stored.add(value);
    this.#rejected = this.#rejected.filter(({ id }) => !stored.has(id));
  }

  #reject(entries: readonly OutboxEntry[], { code, message }: Pick<RejectedEntry, "code" | "message">): void {
    const kept = entries.filter(isOfPerson).map(({ id, at, intent }) => ({ id, at, intent, code, message }));
    this.#rejected = [...this.#rejected, ...kept];
  }

  #pending(withDeletion = true): ShoppingList {
    return this.#shown.lacking(this.#confirmed.seen, withDeletion);
  }

  /** Whether the cluster takes from here what it has lost: not what others alone may write. */
  get #mayRepair(): boolean {
    return this.rights.mayDelete || (this.rights.mayWrite && this.#confirmed.list.deleted.written() === null);
  }

  #isOwn(newest: NewestOperation): boolean {
    const isIt = (operation: { readonly id: string }): boolean => operation.id === newest.id;
    return this.#outbox.some(isIt) || this.#shown.history.operations().some(isIt);
  }

  /**
   * Makes these changes again on what is confirmed, under the current identity, so that no dot names two operations.
   * @param before what of it was there when they were made
   */
  #redo(entries: readonly OutboxEntry[], before = this.#confirmed.list): void {
    const past = { before, shown: this.#shown, whole: this.#confirmed.list, outbox: this.#outbox };
    this.#shown = past.whole.clone();
    this.#outbox = [];
    for (const entry of entries) {
      const { intent, id, at, by = null } = entry;
      try {
        this.perform(intent, { id, at, by }, seenByRemoval(entry, past));
      } catch (error) {
        if (!(error instanceof LimitExceededError)) throw error;
        this.#reject([entry], { code: "too-large", message: error.message });
      }
    }
  }
}

/** What comes back by itself is nobody's change to decide on. */
function isOfPerson({ intent }: OutboxEntry): boolean {
  return intent.type !== "return";
}
