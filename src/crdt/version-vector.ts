import type { Dot, ReplicaId } from "./dot.js";
import type { Lattice } from "./lattice.js";

/**
 * A natural number per replica, zero where none is kept, joined by pointwise maximum. As a version vector the number is
 * a counter of dots: `includes` holds for a dot at or below its replica's entry.
 */
export class VersionVector implements Lattice<VersionVector> {
  /** The first replica's stands by itself: most vectors, of all the deltas there are, have no other. */
  #replica: ReplicaId | null = null;
  #value = 0;
  #others: Map<ReplicaId, number> | null = null;

  get(replica: ReplicaId): number {
    return replica === this.#replica ? this.#value : (this.#others?.get(replica) ?? 0);
  }

  /** Makes the entry at least `value`. */
  raise(replica: ReplicaId, value: number): void {
    if (value <= this.get(replica)) return;
    this.#replica ??= replica;
    if (replica === this.#replica) this.#value = value;
    else (this.#others ??= new Map<ReplicaId, number>()).set(replica, value);
  }

  join(other: VersionVector): void {
    for (const [replica, value] of other.entries()) this.raise(replica, value);
  }

  includes(dot: Dot): boolean {
    return dot.counter <= this.get(dot.replica);
  }

  isEmpty(): boolean {
    return this.#replica === null;
  }

  /** In no particular order. */
  *entries(): Iterable<[ReplicaId, number]> {
    if (this.#replica !== null) yield [this.#replica, this.#value];
    if (this.#others !== null) yield* this.#others;
  }

  *replicas(): Iterable<ReplicaId> {
    for (const [replica] of this.entries()) yield replica;
  }
}
