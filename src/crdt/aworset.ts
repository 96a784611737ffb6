import type { Dot } from "./dot.js";
import { joinMaps, type Lattice } from "./lattice.js";
import { VersionVector } from "./version-vector.js";

/**
 * Whether one element is in the set: each replica's last operation on it, and how much of that removes have seen. Both
 * are version vectors, so presence is a product of maxima and its join needs no causal context.
 */
export class Presence implements Lattice<Presence> {
  readonly touched = new VersionVector();
  readonly removed = new VersionVector();

  /** Present while some replica's last operation is one that no remove has seen: adds win over concurrent removes. */
  isPresent(): boolean {
    return !this.removed.dominates(this.touched);
  }

  touch(dot: Dot): void {
    this.touched.raise(dot.replica, dot.counter);
  }

  /** Removes are operations too: the remove's own dot is touched, then all that is touched counts as removed. */
  remove(dot: Dot): void {
    this.touch(dot);
    this.removed.join(this.touched);
  }

  join(other: Presence): void {
    this.touched.join(other.touched);
    this.removed.join(other.removed);
  }
}

/**
 * An add-wins observed-remove set. Every element ever added keeps its two small vectors; that is the price of a join
 * that is correct for any subset of elements, which a dot context shared by all elements cannot be (docs/crdt.md).
 */
export class AWORSet<E> implements Lattice<AWORSet<E>> {
  readonly #presences = new Map<E, Presence>();

  has(element: E): boolean {
    return this.#presences.get(element)?.isPresent() ?? false;
  }

  /** Adds or touches `element`; returns the delta. */
  add(element: E, dot: Dot): AWORSet<E> {
    this.#at(element).touch(dot);
    return this.slice([element]);
  }

  /** Removes what is known of `element`; returns the delta. */
  remove(element: E, dot: Dot): AWORSet<E> {
    this.#at(element).remove(dot);
    return this.slice([element]);
  }

  /** Joins in one replica's entries for `element`, as a decoder reads them. */
  record(element: E, dot: Dot, removed: number): void {
    const presence = this.#at(element);
    presence.touch(dot);
    presence.removed.raise(dot.replica, removed);
  }

  /** All that is known of these elements, as a set of its own. */
  slice(elements: Iterable<E>): AWORSet<E> {
    const slice = new AWORSet<E>();
    for (const element of elements) {
      const presence = this.#presences.get(element);
      if (presence !== undefined) slice.#at(element).join(presence);
    }
    return slice;
  }

  join(other: AWORSet<E>): void {
    joinMaps(this.#presences, other.#presences, () => new Presence());
  }

  /** The elements that are present, in no particular order. */
  *values(): Iterable<E> {
    for (const [element, presence] of this.#presences) if (presence.isPresent()) yield element;
  }

  /** Every element ever added, with its presence. */
  entries(): ReadonlyMap<E, Presence> {
    return this.#presences;
  }

  #at(element: E): Presence {
    let presence = this.#presences.get(element);
    if (presence === undefined) {
      presence = new Presence();
      this.#presences.set(element, presence);
    }
    return presence;
  }
}
