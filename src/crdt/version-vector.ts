import type { Dot, ReplicaId } from "./dot.js";
import type { Lattice } from "./lattice.js";

/**
 * A natural number per replica, zero where none is kept, joined by pointwise maximum. As a version vector the number is
 * a counter of dots: `includes` holds for a dot at or below its replica's entry.
 */
export class VersionVector implements Lattice<VersionVector> {
  readonly #values = new Map<ReplicaId, number>();

  get(replica: ReplicaId): number {
    return this.#values.get(replica) ?? 0;
  }

  /** Makes the entry at least `value`. */
  raise(replica: ReplicaId, value: number): void {
    if (value > this.get(replica)) this.#values.set(replica, value);
  }

  join(other: VersionVector): void {
    for (const [replica, value] of other.#values) this.raise(replica, value);
  }

  includes(dot: Dot): boolean {
    return dot.counter <= this.get(dot.replica);
  }

  isEmpty(): boolean {
    return this.#values.size === 0;
  }

  /** In no particular order. */
  entries(): Iterable<[ReplicaId, number]> {
    return this.#values.entries();
  }

  replicas(): Iterable<ReplicaId> {
    return this.#values.keys();
  }
}
