import type { Dot } from "./dot.js";
import type { ItemKey } from "./item-key.js";
import { compareText, type Lattice } from "./lattice.js";
import { compareStamps } from "./lww-register.js";

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
}

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
  #newestTime = 0;

  record(operation: Operation): void {
    const key = `${operation.dot.replica}:${operation.dot.counter}:${operation.id}`;
    if (this.#byName.has(key)) return;
    this.#byName.set(key, operation);
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

  #trim(): void {
    const newest = [...this.#byName].sort(([, a], [, b]) => compareOperations(a, b)).slice(-HISTORY_LENGTH);
    this.#byName.clear();
    for (const [key, operation] of newest) this.#byName.set(key, operation);
  }
}
