import type { ReplicaId } from "./dot.js";
import { compareText, type Lattice } from "./lattice.js";

/** A Lamport time and the replica that breaks its ties: a total order of writes that respects causality. */
export interface Stamp {
  readonly time: number;
  readonly replica: ReplicaId;
}

export function compareStamps(a: Stamp, b: Stamp): number {
  return a.time - b.time || compareText(a.replica, b.replica);
}

export interface StampedValue<T> {
  readonly stamp: Stamp;
  readonly value: T;
}

/**
 * A last-writer-wins register (Shapiro et al. 2011, specification 8). Bottom is "never written". Two writes under one
 * stamp, which only a copied data folder can make, are ordered by value so that replicas still agree.
 */
export class LwwRegister<T extends string | boolean> implements Lattice<LwwRegister<T>> {
  #written: StampedValue<T> | null = null;

  get(): T | null {
    return this.#written?.value ?? null;
  }

  written(): StampedValue<T> | null {
    return this.#written;
  }

  write(value: T, stamp: Stamp): void {
    if (this.#written !== null) {
      const order = compareStamps(stamp, this.#written.stamp);
      if (order < 0 || (order === 0 && value <= this.#written.value)) return;
    }
    this.#written = { stamp, value };
  }

  join(other: LwwRegister<T>): void {
    if (other.#written !== null) this.write(other.#written.value, other.#written.stamp);
  }
}
