import type { ReplicaId } from "./dot.js";
import { VersionVector } from "./version-vector.js";

/**
 * A counter that only grows: each replica adds to its own total, and the value is the sum of all totals (Shapiro et al.,
 * "A comprehensive study of CRDTs", 2011, specification 6). The join is the version vector's.
 */
export class GCounter extends VersionVector {
  increment(replica: ReplicaId, by: number): void {
    this.raise(replica, this.get(replica) + by);
  }

  value(): number {
    return this.total();
  }
}
