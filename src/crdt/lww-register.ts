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

/** One write; it never changes, so that registers share it. */
export interface Written<T> {
  readonly stamp: Stamp;
  readonly value: T;
}

/**
 * The join of two last-writer-wins registers (Shapiro et al. 2011, specification 8), each its last write or null before the
 * first. Two writes under one stamp, which only a copied data folder can make, are ordered by value so that replicas still agree.
 */
export function lastOf<T extends string | boolean>(a: Written<T> | null, b: Written<T> | null): Written<T> | null {
  if (a === b || b === null) return a;
  if (a === null) return b;
  const order = compareStamps(b.stamp, a.stamp);
  return order > 0 || (order === 0 && b.value > a.value) ? b : a;
}

/** A last-writer-wins register that stands by itself. */
export class LwwRegister<T extends string | boolean> implements Lattice<LwwRegister<T>> {
  #written: Written<T> | null = null;

  get(): T | null {
    return this.#written?.value ?? null;
  }

  written(): Written<T> | null {
    return this.#written;
  }

  /** The Lamport time of the last write, 0 before the first. */
  get time(): number {
    return this.#written?.stamp.time ?? 0;
  }

  write(value: T, stamp: Stamp): void {
    this.#written = lastOf(this.#written, { stamp, value });
  }

  join(other: LwwRegister<T>): void {
    this.#written = lastOf(this.#written, other.#written);
  }
}
