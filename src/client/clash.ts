import type { ReplicaId } from "../crdt/dot.js";
import type { Operation } from "../crdt/history.js";
import type { ItemKey } from "../crdt/item-key.js";
import { UNTOUCHED, type ItemState } from "../crdt/item-state.js";
import type { ShoppingList } from "../crdt/shopping-list.js";
import { keyOf } from "./intent.js";
import type { OutboxEntry } from "./local-list-file.js";

/**
 * Sorts what waits in an outbox when a twin has written under its replica id: a copy of the folder, or its past before a
 * restore. `whole` is all that the cluster has.
 */
export function afterClash(
  outbox: readonly OutboxEntry[],
  whole: ShoppingList,
): {
  /** These are there under their old names. */
  readonly known: readonly OutboxEntry[];
  /** Whether these are there is past finding out. */
  readonly unclear: readonly OutboxEntry[];
  /** These are not there. */
  readonly unknown: readonly OutboxEntry[];
} {
  const through = knownThrough(outbox, whole);
  const isKnown = ({ replica, counter }: OutboxEntry): boolean => counter <= (through.get(replica) ?? 0);
  const [known, others] = [outbox.filter(isKnown), outbox.filter((entry) => !isKnown(entry))];
  const unclear = others.filter((entry) => mayBeThere(entry, whole));
  return { known, unclear, unknown: others.filter((entry) => !unclear.includes(entry)) };
}

/**
 * How far the cluster knows what this folder made under each of its replica ids. A replica's operations reach the cluster
 * in order, so one of ours that is found there speaks for all before it, also for those that the history has dropped.
 */
function knownThrough(outbox: readonly OutboxEntry[], whole: ShoppingList): ReadonlyMap<ReplicaId, number> {
  const there = new Set(whole.history.operations().map((operation) => operation.id));
  for (const newest of whole.newest.values()) there.add(newest.value);
  const through = new Map<ReplicaId, number>();
  for (const { replica, counter, id } of outbox)
    if (there.has(id)) through.set(replica, Math.max(counter, through.get(replica) ?? 0));
  return through;
}

/**
 * The operations by which the cluster has some of these under other names: a twin has made them again.
 * @param entries in the order in which they were made
 */
export function renamed(entries: readonly OutboxEntry[], whole: ShoppingList): readonly Operation[] {
  const there = new Map(whole.history.operations().map((operation) => [operation.id, operation]));
  return entries.flatMap(({ id, replica }) => {
    const operation = there.get(id);
    return operation === undefined || operation.dot.replica === replica ? [] : [operation];
  });
}

/** What there was when changes were made that are to be made again. */
export interface Past {
  /** What was confirmed of it then, and what was shown after all of them. */
  readonly before: ShoppingList;
  readonly shown: ShoppingList;
  /** All that the cluster has now. */
  readonly whole: ShoppingList;
  /** The changes, in the order in which they were made. */
  readonly outbox: readonly OutboxEntry[];
}

/** What a removal had seen of its item that the cluster has now; undefined for anything else, and where there was no such item. */
export function seenByRemoval(entry: OutboxEntry, { before, shown, whole, outbox }: Past): ItemState | undefined {
  const { intent } = entry;
  const later = intent.type === "remove" ? shown.items.get(intent.key) : undefined;
  if (intent.type !== "remove" || later === undefined) return undefined;
  const now = whole.items.get(intent.key) ?? UNTOUCHED;
  const own = itemAfter(renamed(outbox.slice(0, outbox.indexOf(entry)), whole), intent.key);
  return (before.items.get(intent.key) ?? UNTOUCHED).asSeenByRemovesIn(later, now).joined(own);
}

/** What is known of an item from these operations alone: what somebody has seen of it who made them under other names. */
function itemAfter(operations: readonly Operation[], key: ItemKey): ItemState {
  return operations
    .filter((operation) => operation.key === key)
    .reduce(
      (item, { kind, dot, needed, acquired }) =>
        kind === "remove" ? item.remove(dot) : item.touch(dot, needed, acquired),
      UNTOUCHED,
    );
}

/** Whether the operation could be one of those that the list's history has dropped. */
function mayBeThere(entry: OutboxEntry, whole: ShoppingList): boolean {
  if (!whole.seen.has(entry)) return false;
  const isSameDot = ({ dot }: Operation): boolean => dot.replica === entry.replica && dot.counter === entry.counter;
  if (whole.history.operations().some(isSameDot)) return false;
  const key = keyOf(entry.intent);
  return key === null || (whole.items.get(key)?.touchedBy(entry.replica) ?? 0) >= entry.counter;
}
