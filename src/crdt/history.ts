import { compareDots, type Dot, type ReplicaId } from "./dot.js";
import type { ItemKey } from "./item-key.js";
import { compareText, type Lattice } from "./lattice.js";
import { compareStamps } from "./lww-register.js";
import { VersionVector } from "./version-vector.js";

/** What a person did, in the order of the codes that the codec writes. Append only. */
export const OPERATION_KINDS = [
  "add",
  "need",
  "got",
  "ungot",
  "note",
  "aisle",
  "remove",
  "name",
  "delete",
  "restore",
  "order",
  "staple",
  "undo",
] as const;

export type OperationKind = (typeof OPERATION_KINDS)[number];

/** One operation as the log shows it. It is a record for people; the state never needs it to be computed. */
export interface Operation {
  readonly dot: Dot;
  /** Lamport time. */
  readonly time: number;
  /** The author's wall clock, in milliseconds since 1970. Informational: clocks are wrong. */
  readonly at: number;
  /** Random, so that two operations which claim one dot can be told apart. */
  readonly id: string;
  readonly kind: OperationKind;
  readonly key: ItemKey | null;
  /** The change to each amount, in thousandths; for a remove, what it took off as far as it saw. */
  readonly needed: number;
  readonly acquired: number;
  readonly text: string | null;
  /** The account that was logged in where it was made, as that device says; null where nobody was. */
  readonly by: string | null;
  /**
   * What its author knew: the newest operations of others on this item that no other one he knew had seen. With the order of
   * each replica's own, they make the causal graph of the item, which Lamport times cannot tell.
   */
  readonly after: readonly Dot[];
}

/** How many operations of others one may name; more have been made at the same time by nobody yet. */
export const MOST_AFTER = 16;

/** How many operations a list remembers. A constant of the protocol: replicas that differ in it would not converge. */
export const HISTORY_LENGTH = 128;

/** The order of the log: Lamport time, then replica; where a copied data folder repeats both, counter and id decide. */
export function compareOperations(a: Operation, b: Operation): number {
  return (
    compareStamps({ time: a.time, replica: a.dot.replica }, { time: b.time, replica: b.dot.replica }) ||
    a.dot.counter - b.dot.counter ||
    compareText(a.id, b.id)
  );
}

/**
 * The newest `HISTORY_LENGTH` operations by (Lamport time, replica): a grow-only set of which only the top is kept.
 * Dropping the rest commutes with joining, because what is below the top of a part is below the top of the whole.
 */
export class History implements Lattice<History> {
  /** By dot and id: two folders with one replica id can give one dot to two operations, and both are remembered. */
  readonly #byName = new Map<string, Operation>();
  readonly #byItem = new Map<ItemKey | null, Operation[]>();
  #newestTime = 0;

  record(operation: Operation): void {
    const key = `${operation.dot.replica}:${operation.dot.counter}:${operation.id}`;
    if (this.#byName.has(key)) return;
    this.#byName.set(key, operation);
    this.#file(operation);
    this.#newestTime = Math.max(this.#newestTime, operation.time);
    // Cutting at twice the length makes recording cheap on average; readers only ever see the top.
    if (this.#byName.size >= 2 * HISTORY_LENGTH) this.#trim();
  }

  join(other: History): void {
    for (const operation of other.#byName.values()) this.record(operation);
  }

  /** Oldest first. */
  operations(): readonly Operation[] {
    if (this.#byName.size > HISTORY_LENGTH) this.#trim();
    return [...this.#byName.values()].sort(compareOperations);
  }

  /** The newest Lamport time of an operation recorded here. */
  newestTime(): number {
    return this.#newestTime;
  }

  /** The operations on one item, or on the list as a whole, oldest first. */
  operationsOn(key: ItemKey | null): readonly Operation[] {
    if (this.#byName.size > HISTORY_LENGTH) this.#trim();
    return [...(this.#byItem.get(key) ?? [])].sort(compareOperations);
  }

  /** The newest operations on the item by others than `replica`, without those that another one has seen. */
  frontier(key: ItemKey | null, replica: ReplicaId): readonly Dot[] {
    const operations = this.#byItem.get(key);
    if (operations === undefined || operations.every(({ dot }) => dot.replica === replica)) return [];
    const known = new VersionVector();
    const heads: Dot[] = [];
    for (const { dot, after } of [...operations].sort(compareOperations).reverse()) {
      if (!known.includes(dot) && dot.replica !== replica) heads.push(dot);
      for (const seen of [dot, ...after]) known.raise(seen.replica, seen.counter);
    }
    return heads.slice(0, MOST_AFTER).sort(compareDots);
  }

  #file(operation: Operation): void {
    const filed = this.#byItem.get(operation.key);
    if (filed === undefined) this.#byItem.set(operation.key, [operation]);
    else filed.push(operation);
  }

  #trim(): void {
    const newest = [...this.#byName].sort(([, a], [, b]) => compareOperations(a, b)).slice(-HISTORY_LENGTH);
    this.#byName.clear();
    this.#byItem.clear();
    for (const [key, operation] of newest) {
      this.#byName.set(key, operation);
      this.#file(operation);
    }
  }
}
