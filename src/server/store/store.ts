import type { Document } from "../../crdt/document.js";
import type { ListId } from "../../protocol/ids.js";

/** A change to one list, as a store keeps it. */
export interface ListDelta {
  readonly listId: ListId;
  /** Perhaps unopened. */
  readonly delta: Document;
}

/** Something that was set aside because it was not what had been written. */
export interface Damage {
  readonly path: string;
  /** The list that is less than it was, where it is one in particular. */
  readonly listId: ListId | null;
  readonly problem: string;
}

/**
 * What every backend promises; test/server/store-conformance.ts is the same list as tests. Where other servers write to it, too, every list
 * may be there, `drop` lets go of a list for this server alone, and `lists` and `count` are about what this server has had to do with.
 */
export interface Store {
  /**
   * Joins the deltas into their lists, all or none, durably: what is resolved survives a crash and a power loss. The deltas
   * belong to the store from here on, and are not changed by anybody.
   * @throws StoreError where the storage refuses; the deltas may or may not be there afterwards
   */
  append(batch: readonly ListDelta[]): Promise<void>;

  /**
   * The join of all that was appended for the list, perhaps unopened, or null where there is nothing. The caller may keep and
   * change it.
   */
  read(listId: ListId): Promise<Document | null>;

  /** Lets go of the list. The next start may bring back all or part of it, which does no harm to a join. */
  drop(listId: ListId): Promise<void>;

  /** All lists, in no particular order. */
  lists(): Iterable<ListId>;

  /** The SHA-256 of all that was appended for the list, where that is known without reading it; else null. */
  digest(listId: ListId): string | null;

  /** The lists of one partition, in no particular order. */
  scan(partition: number): Iterable<ListId> | AsyncIterable<ListId>;

  /** How many lists there are. */
  count(): number;

  /** How much was appended that no snapshot says yet, in bytes. */
  readonly journalBytes: number;

  /** Finishes what was begun. The store is not used afterwards. */
  close(): Promise<void>;
}

/** The storage below refuses; what it said is the message. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}
