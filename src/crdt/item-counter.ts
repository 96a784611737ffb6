import type { ReplicaId } from "./dot.js";
import type { Lattice } from "./lattice.js";
import { PNCounter } from "./pncounter.js";

/**
 * A counter inside an observed-remove map that a remove cancels exactly as far as it saw it. The embedded counters of
 * riak_dt forget or resurrect concurrent increments (Almeida, Baquero, Lerche, "The problem with embedded CRDT counters",
 * PaPoC 2016); here nothing is reset. A remove raises `cancelled` to the `counted` it knows, and the value is their
 * difference, so an increment the remover had not seen survives whole.
 */
export class ItemCounter implements Lattice<ItemCounter> {
  readonly counted = new PNCounter();
  readonly cancelled = new PNCounter();

  /** Adds `change` thousandths of the base unit; may be negative. */
  add(replica: ReplicaId, change: number): void {
    this.counted.add(replica, change);
  }

  cancel(): void {
    this.cancelled.join(this.counted);
  }

  value(): number {
    return this.counted.value() - this.cancelled.value();
  }

  join(other: ItemCounter): void {
    this.counted.join(other.counted);
    this.cancelled.join(other.cancelled);
  }
}
