import { digestOf } from "../crdt/codec.js";
import { Document } from "../crdt/document.js";
import type { ListId } from "../protocol/ids.js";
import { isAccountDocument } from "../protocol/identity.js";
import type { Turn } from "./turn.js";

interface Resident {
  /** Null while it is being read. */
  list: Document | null;
  /** Who waits for it to be read, in order. */
  readonly waiting: Use[];
  /** The number of the newest `persist` effect for this list. */
  persisting: number;
}

interface Use {
  readonly then: (list: Document) => void;
  readonly failed: (problem: string) => void;
}

/** Something that may be done once everything it tells of is on disk. */
interface Held {
  readonly after: number;
  readonly listId: ListId;
  readonly then: () => void;
  readonly failed: (problem: string) => void;
}

/**
 * This server's copies of lists: in memory while in use, on disk always. Whoever has joined something waits with
 * `whenDurable` before telling anyone, so a crash takes back no word.
 */
export class Replica {
  readonly #residents = new Map<ListId, Resident>();
  readonly #lists: Set<ListId>;
  #listCount = 0;
  #held: Held[] = [];
  #persistNumber = 0;
  #persistedThrough = 0;

  /**
   * @param residentLists how many lists stay in memory at rest; those at work come on top
   * @param lists what is on disk
   * @param onChange called for every list that is another one now: joined into, dropped, or found to be less than it was
   */
  constructor(
    readonly turn: Turn,
    readonly residentLists: number,
    lists: Iterable<ListId>,
    readonly onChange: (listId: ListId) => void,
    /** Whether any list may be on disk, as other servers write there, too. */
    readonly isShared = false,
  ) {
    this.#lists = new Set(lists);
    for (const id of this.#lists) if (!isAccountDocument(id)) this.#listCount++;
  }

  /** How many of them are lists, and not accounts. */
  get listCount(): number {
    return this.#listCount;
  }

  /** How many of them are in memory. */
  get residents(): number {
    return this.#residents.size;
  }

  /** What is here: lists, and the accounts of names. */
  lists(): ReadonlySet<ListId> {
    return this.#lists;
  }

  /**
   * Calls `then` with the list, an empty one where there is none: at once if it is in memory, else once it is read. The
   * list is only good until `then` returns. What `then` throws goes to whoever made this step happen. `failed` is never
   * called at once.
   */
  use(listId: ListId, then: (list: Document) => void, failed: (problem: string) => void): void {
    const open = (list: Document): void => {
      try {
        list.open();
      } catch (error) {
        this.turn.after(0, () => failed(`${listId} cannot be read: ${String(error)}`));
        return;
      }
      then(list);
    };
    this.useUnopened(listId, open, failed);
  }

  /** As `use`, for who needs no more of the list than its text: it may be unopened. */
  useUnopened(listId: ListId, then: (list: Document) => void, failed: (problem: string) => void): void {
    const resident = this.#residents.get(listId);
    if (resident?.list === null) resident.waiting.push({ then, failed });
    else if (resident !== undefined) {
      // Last in the Map is most recently used.
      this.#residents.delete(listId);
      this.#residents.set(listId, resident);
      then(resident.list);
    } else if (this.isShared || this.#lists.has(listId)) {
      this.#residents.set(listId, { list: null, waiting: [{ then, failed }], persisting: 0 });
      this.turn.emit({ type: "load", listId });
    } else then(new Document());
    this.#evict();
  }

  /**
   * Joins `delta` into the list, which was just given to the caller by `use`, and sends it to the disk.
   * @returns the number of this write
   */
  join(listId: ListId, list: Document, delta: Document): number {
    list.join(delta);
    let resident = this.#residents.get(listId);
    if (resident === undefined) this.#residents.set(listId, (resident = { list, waiting: [], persisting: 0 }));
    if (!this.#lists.has(listId) && !isAccountDocument(listId)) this.#listCount++;
    this.#lists.add(listId);
    this.#persist(listId, resident, delta);
    this.onChange(listId);
    return resident.persisting;
  }

  #persist(listId: ListId, resident: Resident, delta: Document): void {
    resident.persisting = ++this.#persistNumber;
    this.turn.emit({ type: "persist", number: this.#persistNumber, listId, delta });
  }

  /** The number of the newest write of the list since it came into memory, 0 where there was none. */
  newestWrite(listId: ListId): number {
    return this.#residents.get(listId)?.persisting ?? 0;
  }

  isWritten(listId: ListId): boolean {
    return this.newestWrite(listId) <= this.#persistedThrough;
  }

  /** Calls `then` once all that the list shows now is on disk: at once for a list at rest. */
  whenDurable(listId: ListId, then: () => void, failed: (problem: string) => void): void {
    const after = this.#residents.get(listId)?.persisting ?? 0;
    if (after <= this.#persistedThrough) {
      then();
      return;
    }
    // In order of their numbers, so that a flush releases a prefix.
    const at = this.#held.findLastIndex((held) => held.after <= after) + 1;
    this.#held.splice(at, 0, { after, listId, then, failed });
  }

  /** Lets go of a list, which was just given to the caller by `use`. */
  drop(listId: ListId): void {
    this.#residents.delete(listId);
    this.turn.emit({ type: "drop", listId });
    this.#forget(listId);
  }

  /** The digest of the list alone, as its members see it, once all of it is on disk; null where there is none. */
  durableDigest(listId: ListId, then: (digest: string | null) => void, failed: (problem: string) => void): void {
    const use = (list: Document): void => {
      const digest = list.list.seen.isEmpty() ? null : digestOf(list.list);
      this.whenDurable(listId, () => then(digest), failed);
    };
    this.use(listId, use, failed);
  }

  onLoaded(listId: ListId, stored: Document | null): void {
    const resident = this.#residents.get(listId);
    if (resident?.list !== null) return;
    const list = stored ?? new Document();
    resident.list = list;
    // A list whose only delta failed to reach the disk is not there after all.
    if (list.isEmpty) this.#forget(listId);
    for (const { then, failed } of resident.waiting.splice(0)) {
      // Whoever came before may have dropped it, or brought it back.
      this.#safely(() => {
        if (this.#residents.get(listId) === resident) then(list);
        else this.useUnopened(listId, then, failed);
      });
    }
    if (list.isEmpty && this.#residents.get(listId) === resident) this.#residents.delete(listId);
    this.#evict();
  }

  onLoadFailed(listId: ListId, problem: string): void {
    const resident = this.#residents.get(listId);
    if (resident?.list !== null) return;
    this.#residents.delete(listId);
    for (const { failed } of resident.waiting) this.#safely(() => failed(problem));
  }

  onPersisted(through: number): void {
    this.#persistedThrough = Math.max(this.#persistedThrough, through);
    const ready = this.#held.findIndex((held) => held.after > through);
    for (const { then } of this.#held.splice(0, ready < 0 ? this.#held.length : ready)) this.#safely(then);
    this.#evict();
  }

  /** What is in memory is ahead of the disk now; forgetting it brings back, on the next use, what the disk has. */
  onPersistFailed(problem: string): void {
    const ahead = [...this.#residents].filter(([, { persisting }]) => persisting > this.#persistedThrough);
    for (const [listId] of ahead) this.#residents.delete(listId);
    for (const [listId] of ahead) this.onChange(listId);
    for (const { failed } of this.#held.splice(0)) this.#safely(() => failed(problem));
  }

  /** The disk has less of the list than it was given: it gets what is in memory, or what it still has is read on the next use. */
  onDamaged(listId: ListId): void {
    const resident = this.#residents.get(listId);
    if (resident !== undefined && resident.list !== null)
      this.#persist(listId, resident, Document.unopened(resident.list.text));
    this.onChange(listId);
  }

  #forget(listId: ListId): void {
    if (!this.#lists.delete(listId)) return;
    if (!isAccountDocument(listId)) this.#listCount--;
    this.onChange(listId);
  }

  /** What goes wrong for one of those who wait is no reason for the others to wait for ever. */
  #safely(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.turn.emit({ type: "log", event: "request-failed", facts: { problem: String(error) } });
    }
  }

  /** Lets cold lists go; what is being read or written stays. */
  #evict(): void {
    for (const [listId, { list, persisting }] of this.#residents) {
      if (this.#residents.size <= this.residentLists) return;
      if (list !== null && persisting <= this.#persistedThrough) this.#residents.delete(listId);
    }
  }
}
