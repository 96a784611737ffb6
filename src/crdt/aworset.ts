import type { Lattice } from "./lattice.js";

/** What a set keeps of an element. It never changes, so that sets share it. */
export interface Kept<E, Self> {
  readonly isPresent: boolean;
  /** The least upper bound of both: one of the two where the other adds nothing to it. */
  joined(other: Self): Self;
  /** How many bytes more it takes to write than what was known of the element before: no more than that, about. */
  growth(element: E, before: Self | undefined): number;
}

/**
 * An add-wins observed-remove set, of elements that carry their own state. Every element ever added keeps its own small version
 * vectors (`ItemState`): that is the price of a join that is correct for any subset of elements, which a dot context shared by
 * all elements cannot be (docs/crdt.md).
 */
export class AWORSet<E, S extends Kept<E, S>> implements Lattice<AWORSet<E, S>> {
  readonly #states = new Map<E, S>();
  /** Counted from when somebody asks. */
  #bytes: number | null = null;
  /** Told of what changes by joining, where somebody wants to know. */
  onChange: ((element: E, before: S | undefined, after: S) => void) | null = null;

  has(element: E): boolean {
    return this.#states.get(element)?.isPresent ?? false;
  }

  /** What is known of an element that was ever added. */
  get(element: E): S | undefined {
    return this.#states.get(element);
  }

  /** Joins in what is known of one element. */
  put(element: E, state: S): void {
    const own = this.#states.get(element);
    const joined = own === undefined ? state : own.joined(state);
    if (joined === own) return;
    this.#states.set(element, joined);
    if (this.#bytes !== null) this.#bytes += joined.growth(element, own);
    this.onChange?.(element, own, joined);
  }

  /** Puts what was made of `before`, which is all that is known of the element, and so is no less. */
  replace(element: E, state: S, before: S | undefined): void {
    if (this.#bytes !== null) this.#bytes += state.growth(element, before);
    this.#states.set(element, state);
  }

  join(other: AWORSet<E, S>): void {
    for (const [element, state] of other.#states) this.put(element, state);
  }

  /** How many bytes all of it takes to write, about. */
  get bytes(): number {
    if (this.#bytes !== null) return this.#bytes;
    let bytes = 0;
    for (const [element, state] of this.#states) bytes += state.growth(element, undefined);
    return (this.#bytes = bytes);
  }

  /** The elements that are present, in no particular order. */
  *values(): Iterable<E> {
    for (const [element, state] of this.#states) if (state.isPresent) yield element;
  }

  /** Every element ever added, with what is known of it. */
  entries(): ReadonlyMap<E, S> {
    return this.#states;
  }
}
