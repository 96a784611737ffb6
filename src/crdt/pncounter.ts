import type { ReplicaId } from "./dot.js";
import { GCounter } from "./gcounter.js";
import type { Lattice } from "./lattice.js";

/** A counter that goes both ways: two grow-only counters and their difference (Shapiro et al. 2011, specification 7). */
export class PNCounter implements Lattice<PNCounter> {
  readonly increments = new GCounter();
  readonly decrements = new GCounter();

  /** Adds `change`, which may be negative, on behalf of `replica`. */
  add(replica: ReplicaId, change: number): void {
    if (change >= 0) this.increments.increment(replica, change);
    else this.decrements.increment(replica, -change);
  }

  value(): number {
    return this.increments.value() - this.decrements.value();
  }

  join(other: PNCounter): void {
    this.increments.join(other.increments);
    this.decrements.join(other.decrements);
  }
}
