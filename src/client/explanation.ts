import { VersionVector } from "../crdt/version-vector.js";
import type { Operation } from "../crdt/history.js";
import type { ItemKey } from "../crdt/item-key.js";
import type { ShoppingList } from "../crdt/shopping-list.js";
import type { Dot } from "../crdt/dot.js";

/** One thing that was done to an item, and what became of it. */
export interface Event {
  readonly operation: Operation;
  /** Those of the events, by number, that were made without knowing of this one and of which this one did not know. */
  readonly concurrent: readonly number[];
  /** The removal, by number, that took this one's amounts off the list; null while they count. */
  readonly cancelledBy: number | null;
}

export interface Explanation {
  /** Oldest first: a number in an event is an index here. */
  readonly events: readonly Event[];
  /** What the amounts are beside what the events add up to: changes that the list's history has dropped, and returns of a staple. */
  readonly earlier: { readonly needed: number; readonly acquired: number };
}

/** How an item's amounts came about, as far as the list's history goes back. */
export function explain(list: ShoppingList, key: ItemKey): Explanation {
  const operations = list.history.operationsOn(key);
  const knowledge = knowledgeOf(operations);
  const knows = (index: number, dot: Dot): boolean => knowledge[index]?.includes(dot) === true;
  const removals = operations.flatMap(({ kind }, index) => (kind === "remove" ? [index] : []));
  const events = operations.map((operation, index): Event => {
    const concurrent = operations.flatMap((other, at) =>
      at === index || knows(index, other.dot) || knows(at, operation.dot) ? [] : [at],
    );
    const isCounted = operation.kind !== "remove" && (operation.needed !== 0 || operation.acquired !== 0);
    const cancelledBy = isCounted ? (removals.find((removal) => knows(removal, operation.dot)) ?? null) : null;
    return { operation, concurrent, cancelledBy };
  });
  const standing = events.filter(({ operation, cancelledBy }) => operation.kind !== "remove" && cancelledBy === null);
  const item = list.items.get(key);
  const rest = (part: "needed" | "acquired"): number =>
    (item?.[part].value() ?? 0) - standing.reduce((sum, { operation }) => sum + operation[part], 0);
  return { events, earlier: { needed: rest("needed"), acquired: rest("acquired") } };
}

/** What each operation's author knew of the item, itself included: all that its causal past reaches. */
function knowledgeOf(operations: readonly Operation[]): readonly VersionVector[] {
  const knownByDot = new Map<string, VersionVector>();
  const ownByReplica = new Map<string, VersionVector>();
  return operations.map(({ dot, after }) => {
    const known = new VersionVector();
    const own = ownByReplica.get(dot.replica);
    if (own !== undefined) known.join(own);
    for (const before of after) {
      known.raise(before.replica, before.counter);
      const theirs = knownByDot.get(nameOf(before));
      if (theirs !== undefined) known.join(theirs);
    }
    known.raise(dot.replica, dot.counter);
    knownByDot.set(nameOf(dot), known);
    ownByReplica.set(dot.replica, known);
    return known;
  });
}

function nameOf({ replica, counter }: Dot): string {
  return `${replica} ${counter}`;
}
