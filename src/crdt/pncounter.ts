import type { ReplicaId } from "./dot.js";
import { GCounter } from "./gcounter.js";
import type { Lattice } from "./lattice.js";

/** A counter that goes both ways: two grow-only counters and their difference (Shapiro et al. 2011, specification 7). */
export class PNCounter implements Lattice<PNCounter> {
  readonly increments = new GCounter();
  // Most counters never go down.
  #decrements: GCounter | null = null;

  /** To be added to; `down` only looks. */
  get decrements(): GCounter {
    return (this.#decrements ??= new GCounter());
  }

  up(replica: ReplicaId): number {
    return this.increments.get(replica);
  }

  down(replica: ReplicaId): number {
    return this.#decrements?.get(replica) ?? 0;
  }

  /** Adds `change`, which may be negative, on behalf of `replica`. */
  add(replica: ReplicaId, change: number): void {
    if (change >= 0) this.increments.increment(replica, change);
    else this.decrements.increment(replica, -change);
  }

  value(): number {
    return this.increments.value() - (this.#decrements?.value() ?? 0);
  }

  join(other: PNCounter): void {
    this.increments.join(other.increments);
    if (other.#decrements !== null) this.decrements.join(other.#decrements);
  }
}
