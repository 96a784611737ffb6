import type { Lattice } from "./lattice.js";

/**
 * A register for rights: of two writes the one that knew more of the other's past wins, and of two that did not know of each
 * other the one that allows less. A write counts one step beyond all it knew, so a state is the pair of steps and value,
 * joined by their lexicographic maximum; `values` goes from what allows most to what allows least. Bottom is "never written".
 */
export class GuardedRegister<T extends string> implements Lattice<GuardedRegister<T>> {
  #steps = 0;
  #rank = 0;

  constructor(readonly values: readonly T[]) {}

  get steps(): number {
    return this.#steps;
  }

  get(): T | null {
    return this.#steps === 0 ? null : (this.values[this.#rank] ?? null);
  }

  /** Without effect where the value is there already. */
  write(value: T): void {
    if (this.get() !== value) this.admit(this.#steps + 1, value);
  }

  /** Joins a state in; a value that is not one of `values` has none. */
  admit(steps: number, value: T): void {
    const rank = this.values.indexOf(value);
    if (rank < 0 || steps < this.#steps || (steps === this.#steps && rank <= this.#rank)) return;
    this.#steps = steps;
    this.#rank = rank;
  }

  join(other: GuardedRegister<T>): void {
    const value = other.get();
    if (value !== null) this.admit(other.#steps, value);
  }
}
