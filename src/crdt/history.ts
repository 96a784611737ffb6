import { compareDots, type Dot, type ReplicaId } from "./dot.js";
import type { DotContext } from "./dot-context.js";
import type { ItemKey } from "./item-key.js";
import { compareText, type Lattice } from "./lattice.js";
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

/**
 * The order of the log: Lamport time, then replica; where a copied data folder repeats both, counter and id decide, and where
 * somebody has forged all of them, the rest. Zero for equal operations alone.
 */
export function compareOperations(a: Operation, b: Operation): number {
  if (a === b) return 0;
  return a.time - b.time || compareDots(a.dot, b.dot) || compareText(a.id, b.id) || compareEffects(a, b);
}

/** Of operations under one name, which are the same as a rule: whatever is read twice is compared here. */
function compareEffects(a: Operation, b: Operation): number {
  return (
    a.at - b.at ||
    compareText(a.kind, b.kind) ||
    compareTexts(a.key, b.key) ||
    a.needed - b.needed ||
    a.acquired - b.acquired ||
    compareTexts(a.text, b.text) ||
    compareTexts(a.by, b.by) ||
    compareAfter(a.after, b.after)
  );
}

/** Null comes first. */
function compareTexts(a: string | null, b: string | null): number {
  if (a === null || b === null) return (a === null ? 0 : 1) - (b === null ? 0 : 1);
  return compareText(a, b);
}

function compareAfter(a: readonly Dot[], b: readonly Dot[]): number {
  for (const [index, dot] of a.entries()) {
    const other = b[index];
    const order = other === undefined ? 1 : compareDots(dot, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/**
 * The newest `HISTORY_LENGTH` operations by (Lamport time, replica): a grow-only set of which only the top is kept.
 * Dropping the rest commutes with joining, because what is below the top of a part is below the top of the whole.
 */
export class History implements Lattice<History> {
  /** In order, and up to twice as many as are remembered: cutting then makes recording cheap on average. */
  #operations: Operation[] = [];
  /** Made when somebody asks about an item. */
  #byItem: Map<ItemKey | null, Operation[]> | null = null;
  /** Each replica's least counter among the operations. Made when somebody asks. */
  #oldest: Map<ReplicaId, number> | null = null;

  record(operation: Operation): void {
    const newest = this.#operations.at(-1);
    if (newest === undefined) {
      // As in every delta: pushed, it would come with room for more.
      this.#replace([operation]);
      return;
    }
    if (compareOperations(newest, operation) >= 0) {
      this.#admit([operation]);
      return;
    }
    this.#operations.push(operation);
    this.#byItem = null;
    if (this.#oldest !== null) lower(this.#oldest, operation.dot);
    if (this.#operations.length >= 2 * HISTORY_LENGTH) this.#trim();
  }

  join(other: History): void {
    if (this.#operations.length === 0) {
      this.#replace([...other.#operations]);
    } else this.#admit(other.#newest());
  }

  /** @param operations in order; what is new among them is newer than all that is here, nearly always */
  #admit(operations: readonly Operation[]): void {
    const own = this.#operations;
    const missing: Operation[] = [];
    let at = own.length;
    let newest = operations.length - 1;
    for (let operation = operations[newest]; operation !== undefined; operation = operations[--newest]) {
      let order = -1;
      for (let before = own[at - 1]; before !== undefined; before = own[--at - 1]) {
        order = compareOperations(before, operation);
        if (order <= 0) break;
      }
      if (own.length - at + missing.length >= HISTORY_LENGTH) break;
      if (order !== 0) missing.push(operation);
    }
    if (missing.length === 0) return;
    merge(own, at, missing.reverse());
    this.#replace(own);
    if (own.length >= 2 * HISTORY_LENGTH) this.#trim();
  }

  /** Oldest first. */
  operations(): readonly Operation[] {
    this.#trim();
    return [...this.#operations];
  }

  /** What of it is not in `known`. */
  without(known: DotContext): History {
    const rest = new History();
    let [replica, prefix] = ["", 0];
    for (const operation of this.#newest()) {
      const { dot } = operation;
      // Operations of one replica mostly follow each other.
      if (dot.replica !== replica) [replica, prefix] = [dot.replica, known.vector.get(dot.replica)];
      if (dot.counter > prefix && !known.has(dot)) rest.#operations.push(operation);
    }
    return rest;
  }

  /** The newest Lamport time of an operation recorded here. */
  newestTime(): number {
    return this.#operations.at(-1)?.time ?? 0;
  }

  /** The oldest operation that is remembered, or null. */
  get oldest(): Operation | null {
    return this.#newest()[0] ?? null;
  }

  /** Whether there has been room for all operations so far. */
  get isWhole(): boolean {
    return this.#operations.length < HISTORY_LENGTH;
  }

  /** The operations on one item, or on the list as a whole, oldest first. */
  operationsOn(key: ItemKey | null): readonly Operation[] {
    return this.#index().get(key) ?? [];
  }

  /** Whether that operation may be among those that are remembered. */
  mayHave(replica: ReplicaId, counter: number): boolean {
    if (this.#oldest === null) {
      this.#oldest = new Map();
      for (const { dot } of this.#operations) lower(this.#oldest, dot);
    }
    return counter >= (this.#oldest.get(replica) ?? Infinity);
  }

  /** The newest operations on the item by others than `replica`, without those that another one has seen. */
  frontier(key: ItemKey | null, replica: ReplicaId): readonly Dot[] {
    const known = new VersionVector();
    const heads: Dot[] = [];
    const operations = this.#newest();
    for (let at = operations.length - 1; at >= 0; at--) {
      const operation = operations[at];
      if (operation?.key !== key) continue;
      const { dot, after } = operation;
      if (!known.includes(dot) && dot.replica !== replica) heads.push(dot);
      for (const seen of [dot, ...after]) known.raise(seen.replica, seen.counter);
    }
    return heads.slice(0, MOST_AFTER).sort(compareDots);
  }

  #newest(): readonly Operation[] {
    return this.#operations.length > HISTORY_LENGTH ? this.#operations.slice(-HISTORY_LENGTH) : this.#operations;
  }

  #index(): ReadonlyMap<ItemKey | null, readonly Operation[]> {
    this.#trim();
    if (this.#byItem !== null) return this.#byItem;
    this.#byItem = new Map();
    for (const operation of this.#operations) {
      const filed = this.#byItem.get(operation.key);
      if (filed === undefined) this.#byItem.set(operation.key, [operation]);
      else filed.push(operation);
    }
    return this.#byItem;
  }

  #trim(): void {
    if (this.#operations.length <= HISTORY_LENGTH) return;
    this.#replace(this.#operations.slice(-HISTORY_LENGTH));
  }

  #replace(operations: Operation[]): void {
    this.#operations = operations;
    this.#byItem = null;
    this.#oldest = null;
  }
}

/** Merges what is missing, in order and none of it before `at`, into operations in order. */
function merge(operations: Operation[], at: number, missing: readonly Operation[]): void {
  if (at === operations.length) {
    operations.push(...missing);
    return;
  }
  const later = operations.splice(at).values();
  let next = later.next();
  for (const operation of missing) {
    for (; next.done !== true && compareOperations(next.value, operation) < 0; next = later.next())
      operations.push(next.value);
    operations.push(operation);
  }
  for (; next.done !== true; next = later.next()) operations.push(next.value);
}

function lower(oldest: Map<ReplicaId, number>, { replica, counter }: Dot): void {
  if (counter < (oldest.get(replica) ?? Infinity)) oldest.set(replica, counter);
}
