import type { Dot, ReplicaId } from "./dot.js";
import type { Lattice } from "./lattice.js";

const NONE: ReadonlyMap<ReplicaId, number> = new Map();

/**
 * A natural number per replica, zero where none is kept, joined by pointwise maximum. As a version vector the number is
 * a counter of dots: `includes` holds for a dot at or below its replica's entry.
 */
export class VersionVector implements Lattice<VersionVector> {
  // Most vectors of a list stay empty (nothing cancelled, nothing taken back), so the map is made on first use.
  #entries: Map<ReplicaId, number> | null = null;

  get(replica: ReplicaId): number {
    return this.#entries?.get(replica) ?? 0;
  }

  /** Makes the entry at least `value`; answers whether that changed anything. */
  raise(replica: ReplicaId, value: number): boolean {
    if (value <= this.get(replica)) return false;
    this.#entries ??= new Map();
    this.#entries.set(replica, value);
    return true;
  }

  join(other: VersionVector): void {
    for (const [replica, value] of other.entries()) this.raise(replica, value);
  }

  includes(dot: Dot): boolean {
    return dot.counter <= this.get(dot.replica);
  }

  /** Whether every entry of `other` is matched or exceeded here. */
  dominates(other: VersionVector): boolean {
    for (const [replica, value] of other.entries()) {
      if (value > this.get(replica)) return false;
    }
    return true;
  }

  entries(): ReadonlyMap<ReplicaId, number> {
    return this.#entries ?? NONE;
  }
}
