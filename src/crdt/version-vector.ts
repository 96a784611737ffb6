import type { Dot, ReplicaId } from "./dot.js";
import type { Lattice } from "./lattice.js";

/**
 * A natural number per replica, zero where none is kept, joined by pointwise maximum. As a version vector the number is
 * a counter of dots: `includes` holds for a dot at or below its replica's entry.
 */
export class VersionVector implements Lattice<VersionVector> {
  // Of a list's vectors most are empty (nothing cancelled, nothing taken back), and most others name one replica: a map is
  // made for the second.
  #first: ReplicaId | null = null;
  #value = 0;
  #others: Map<ReplicaId, number> | null = null;

  get(replica: ReplicaId): number {
    return replica === this.#first ? this.#value : (this.#others?.get(replica) ?? 0);
  }

  /** Makes the entry at least `value`; answers whether that changed anything. */
  raise(replica: ReplicaId, value: number): boolean {
    if (value <= this.get(replica)) return false;
    this.#first ??= replica;
    if (replica === this.#first) this.#value = value;
    else (this.#others ??= new Map()).set(replica, value);
    return true;
  }

  join(other: VersionVector): void {
    if (other.#first === null) return;
    this.raise(other.#first, other.#value);
    if (other.#others === null) return;
    for (const [replica, value] of other.#others) this.raise(replica, value);
  }

  includes(dot: Dot): boolean {
    return dot.counter <= this.get(dot.replica);
  }

  /** Whether every entry of `other` is matched or exceeded here. */
  dominates(other: VersionVector): boolean {
    if (other.#first === null) return true;
    if (other.#value > this.get(other.#first)) return false;
    for (const [replica, value] of other.#others ?? NONE) if (value > this.get(replica)) return false;
    return true;
  }

  isEmpty(): boolean {
    return this.#first === null;
  }

  /** The sum of all entries. */
  total(): number {
    let sum = this.#value;
    for (const value of this.#others?.values() ?? NOTHING) sum += value;
    return sum;
  }

  /** In no particular order. */
  entries(): readonly (readonly [ReplicaId, number])[] {
    if (this.#first === null) return [];
    const first = [this.#first, this.#value] as const;
    return this.#others === null ? [first] : [first, ...this.#others];
  }

  replicas(): readonly ReplicaId[] {
    return this.entries().map(([replica]) => replica);
  }
}

const NONE: ReadonlyMap<ReplicaId, number> = new Map();
const NOTHING: readonly number[] = [];
