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
  // Nothing is cancelled before an item is first removed.
  #cancelled: PNCounter | null = null;

  /** To be raised; `cancelledOf` only looks. */
  get cancelled(): PNCounter {
    return (this.#cancelled ??= new PNCounter());
  }

  /** Adds `change` thousandths of the base unit; may be negative. */
  add(replica: ReplicaId, change: number): void {
    this.counted.add(replica, change);
  }

  cancel(): void {
    this.cancelled.join(this.counted);
  }

  /** What of one replica's counting is cancelled: up, and down. */
  cancelledOf(replica: ReplicaId): readonly [number, number] {
    return [this.#cancelled?.up(replica) ?? 0, this.#cancelled?.down(replica) ?? 0];
  }

  value(): number {
    return this.counted.value() - (this.#cancelled?.value() ?? 0);
  }

  join(other: ItemCounter): void {
    this.counted.join(other.counted);
    if (other.#cancelled !== null) this.cancelled.join(other.#cancelled);
  }
}
