import { overflowOf } from "../crdt/capacity.js";
import { ShoppingList } from "../crdt/shopping-list.js";
import { BOUNDS } from "../protocol/bounds.js";
import { ProtocolError } from "../protocol/errors.js";
import { bodyFrame, type Reply, type Request } from "../protocol/frames.js";
import { topicOf, type ListId, type ServerId } from "../protocol/ids.js";
import type { Machine, Millis } from "../protocol/machine.js";
import {
  decodeSyncRequest,
  encodeSyncReply,
  errorReply,
  type NewestOperation,
  type SyncRequest,
} from "../protocol/messages.js";

/** Where an answer goes: the broker the request came through, and the number it had there. */
export interface Asker {
  readonly broker: number;
  readonly tag: number;
}

export type ReplicaEvent =
  | { readonly type: "request"; readonly asker: Asker; readonly request: Request }
  | { readonly type: "loaded"; readonly listId: ListId; readonly list: ShoppingList | null }
  | { readonly type: "load-failed"; readonly listId: ListId; readonly problem: string }
  /** Every `persist` effect up to this number is on disk. */
  | { readonly type: "persisted"; readonly through: number }
  /** Every `persist` effect so far that was not reported as persisted has failed. */
  | { readonly type: "persist-failed"; readonly problem: string };

export type ReplicaEffect =
  | { readonly type: "load"; readonly listId: ListId }
  | { readonly type: "persist"; readonly number: number; readonly listId: ListId; readonly delta: ShoppingList }
  | { readonly type: "reply"; readonly asker: Asker; readonly reply: Reply }
  | { readonly type: "notify"; readonly topic: string }
  | { readonly type: "log"; readonly problem: string };

interface Resident {
  /** Null while it is being read. */
  list: ShoppingList | null;
  /** What came while it was being read, in order. */
  readonly queued: { readonly asker: Asker; readonly request: SyncRequest }[];
  /** The number of the newest `persist` effect for this list. */
  persisting: number;
}

/** An answer that may go once everything it tells of is on disk. */
interface Held {
  readonly after: number;
  readonly listId: ListId;
  readonly effects: readonly ReplicaEffect[];
  readonly asker: Asker;
}

/**
 * A server's decisions about lists: join, persist, only then acknowledge, and give readers what they lack. Nothing that
 * is not on disk is ever told to anyone, so a crash takes back no word.
 */
export class Replica implements Machine<ReplicaEvent, ReplicaEffect> {
  readonly #residents = new Map<ListId, Resident>();
  #held: Held[] = [];
  #persistNumber = 0;
  #persistedThrough = 0;
  #requests = 0;
  #effects: ReplicaEffect[] = [];

  /** @param residentLists how many lists stay in memory at rest; those at work come on top */
  constructor(
    readonly id: ServerId,
    readonly residentLists: number,
  ) {}

  get requests(): number {
    return this.#requests;
  }

  step(_now: Millis, event: ReplicaEvent): readonly ReplicaEffect[] {
    this.#effects = [];
    switch (event.type) {
      case "request":
        this.#onRequest(event.asker, event.request);
        break;
      case "loaded":
        this.#onLoaded(event.listId, event.list ?? new ShoppingList());
        break;
      case "load-failed":
        this.#onLoadFailed(event.listId, event.problem);
        break;
      case "persisted":
        this.#onPersisted(event.through);
        break;
      case "persist-failed":
        this.#onPersistFailed(event.problem);
        break;
    }
    return this.#effects;
  }

  nextDeadline(): Millis | null {
    return null;
  }

  #onRequest(asker: Asker, request: Request): void {
    this.#requests++;
    if (request.kind === "ping") {
      this.#effects.push({ type: "reply", asker, reply: { kind: "reply", body: bodyFrame({ server: this.id }) } });
      return;
    }
    this.#answering(asker, request.listId, () => {
      if (request.listId === null) throw new ProtocolError("unknown-kind", "servers answer for lists only");
      const sync = decodeSyncRequest(request.body);
      const resident = this.#use(request.listId);
      if (resident === null) {
        this.#residents.set(request.listId, { list: null, queued: [{ asker, request: sync }], persisting: 0 });
        this.#effects.push({ type: "load", listId: request.listId });
      } else if (resident.list === null) resident.queued.push({ asker, request: sync });
      else this.#sync(asker, request.listId, resident, resident.list, sync);
    });
    this.#evict();
  }

  /** The list if it is in memory, which makes it the most recently used. */
  #use(listId: ListId): Resident | null {
    const resident = this.#residents.get(listId);
    if (resident === undefined) return null;
    this.#residents.delete(listId);
    this.#residents.set(listId, resident);
    return resident;
  }

  /** Lets cold lists go; what is being read or written stays. */
  #evict(): void {
    for (const [listId, { list, persisting }] of this.#residents) {
      if (this.#residents.size <= this.residentLists) return;
      if (list !== null && persisting <= this.#persistedThrough) this.#residents.delete(listId);
    }
  }

  #onLoaded(listId: ListId, list: ShoppingList): void {
    const resident = this.#residents.get(listId);
    if (resident?.list !== null) return;
    resident.list = list;
    for (const { asker, request } of resident.queued.splice(0)) {
      this.#answering(asker, listId, () => this.#sync(asker, listId, resident, list, request));
    }
    // A list that nobody has written is not kept: asking for made-up ids costs no memory.
    if (list.seen.isEmpty()) this.#residents.delete(listId);
  }

  #onLoadFailed(listId: ListId, problem: string): void {
    const resident = this.#residents.get(listId);
    this.#residents.delete(listId);
    for (const { asker } of resident?.queued ?? []) this.#refuse(asker, storageFailed(problem));
  }

  #sync(asker: Asker, listId: ListId, resident: Resident, list: ShoppingList, request: SyncRequest): void {
    const isUnknown = list.seen.isEmpty() && request.delta === null && request.seen.isEmpty();
    if (isUnknown) throw new ProtocolError("no-such-list", "no list with this id is known");
    const newest = newestOf(list, request.replica);
    if (isStale(newest, request)) {
      const message = "operations of this replica are stored that its sender did not name";
      const reply = errorReply({ code: "stale-basis", message, newest });
      this.#hold(resident, { listId, asker, effects: [{ type: "reply", asker, reply }] });
      return;
    }
    const isNews = request.delta !== null && !list.seen.includesAll(request.delta.seen);
    if (isNews) {
      const overflow = overflowOf(list, request.delta);
      if (overflow !== null) throw new ProtocolError("too-large", `a list holds at most ${overflow}`);
      list.join(request.delta);
    }
    // The answer first: should making it fail, nothing may look as if it were on its way to the disk.
    const reply = this.#syncReply(list, request);
    const effects: ReplicaEffect[] = [{ type: "reply", asker, reply }];
    if (isNews) {
      resident.persisting = ++this.#persistNumber;
      this.#effects.push({ type: "persist", number: this.#persistNumber, listId, delta: request.delta });
      effects.push({ type: "notify", topic: topicOf(listId) });
    }
    this.#hold(resident, { listId, asker, effects });
  }

  #syncReply(list: ShoppingList, request: SyncRequest): Reply {
    const lacking = list.lacking(request.seen);
    const reply = encodeSyncReply({
      delta: lacking.seen.isEmpty() ? null : lacking,
      serverSeen: list.seen.includesAll(request.seen) ? null : list.seen,
      newest: newestOf(list, request.replica),
      stored: 1,
      wanted: 1,
    });
    if (reply.body.byteLength <= BOUNDS.frameBytes) return reply;
    throw new ProtocolError(
      "too-large",
      `the list has more than the ${BOUNDS.frameBytes} bytes that a message may have`,
    );
  }

  #onPersisted(through: number): void {
    this.#persistedThrough = Math.max(this.#persistedThrough, through);
    const ready = this.#held.findIndex((held) => held.after > through);
    for (const held of this.#held.splice(0, ready < 0 ? this.#held.length : ready)) this.#effects.push(...held.effects);
  }

  /** What is in memory is ahead of the disk now; forgetting it brings back, on the next request, what the disk has. */
  #onPersistFailed(problem: string): void {
    this.#persistedThrough = this.#persistNumber;
    for (const { asker, listId } of this.#held.splice(0)) {
      this.#residents.delete(listId);
      this.#refuse(asker, storageFailed(problem));
    }
  }

  /** Sends the answer once all that the list shows is on disk: at once for a list at rest. */
  #hold(resident: Resident, answer: Omit<Held, "after">): void {
    if (resident.persisting <= this.#persistedThrough) this.#effects.push(...answer.effects);
    else {
      // In order of their numbers, so that a flush releases a prefix.
      const at = this.#held.findLastIndex((held) => held.after <= resident.persisting) + 1;
      this.#held.splice(at, 0, { ...answer, after: resident.persisting });
    }
  }

  /** Whatever goes wrong is answered; a list that it went wrong with is read anew from the disk. */
  #answering(asker: Asker, listId: ListId | null, answer: () => void): void {
    try {
      answer();
    } catch (error) {
      const isKnown = error instanceof ProtocolError;
      if (!isKnown && listId !== null) this.#residents.delete(listId);
      this.#refuse(asker, isKnown ? error : new ProtocolError("internal", "the server could not answer this"));
      if (!isKnown) this.#effects.push({ type: "log", problem: String(error) });
    }
  }

  #refuse(asker: Asker, { code, message }: ProtocolError): void {
    this.#effects.push({ type: "reply", asker, reply: errorReply({ code, message }) });
  }
}

function storageFailed(problem: string): ProtocolError {
  return new ProtocolError("storage-failed", `the server could not use its disk: ${problem.slice(0, 500)}`);
}

function newestOf(list: ShoppingList, replica: string): NewestOperation | null {
  const written = list.newest.get(replica)?.written() ?? null;
  return written === null ? null : { counter: written.stamp.time, id: written.value };
}

/** Whether operations of the sender's replica are known here that the sender shows no sign of knowing. */
function isStale(known: NewestOperation | null, { replica, basis, delta }: SyncRequest): boolean {
  if (known === null || known.counter < (basis?.counter ?? 0)) return false;
  if (known.counter === basis?.counter && known.id === basis.id) return false;
  const sent = delta?.history
    .operations()
    .some((operation) => operation.dot.replica === replica && operation.id === known.id);
  return sent !== true;
}
