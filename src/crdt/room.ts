import type { AWORSet } from "./aworset.js";
import type { Dot, ReplicaId } from "./dot.js";
import type { ItemKey } from "./item-key.js";
import { COLUMN, type ItemState, type Texts } from "./item-state.js";
import { LimitExceededError, LIMITS } from "./limits.js";
import { mostOf } from "./rows.js";

/** What an operation does, as far as there has to be room for it. */
interface Planned {
  readonly key: ItemKey | null;
  readonly texts: Texts;
  readonly text: string | null;
}

/** What there is of a list, as far as it takes room. */
interface Taken {
  readonly items: AWORSet<ItemKey, ItemState>;
  /** By who has changed it. */
  readonly newest: ReadonlyMap<ReplicaId, unknown>;
}

/**
 * What a decoder or the cluster would refuse must never be made.
 * @param before undefined where nothing is known of the item, or the operation is about none
 * @throws LimitExceededError
 */
export function requireRoom(
  { items, newest }: Taken,
  dot: Dot,
  time: number,
  { key, texts, text }: Planned,
  before: ItemState | undefined,
  after: ItemState,
): void {
  if (Math.max(dot.counter, time) > LIMITS.counter)
    throw new LimitExceededError("this list cannot take any more changes");
  if (newest.size >= LIMITS.replicas && !newest.has(dot.replica))
    throw new LimitExceededError(`a list can be changed by ${LIMITS.replicas} devices over its life`);
  const { label = "", note = "", aisle = "", staple = "" } = texts;
  if (Math.max(label.length, note.length, aisle.length, staple.length, text?.length ?? 0) > LIMITS.textLength)
    throw new LimitExceededError(`a text may have ${LIMITS.textLength} characters`);
  if (key === null) return;
  if (key.length > LIMITS.keyLength)
    throw new LimitExceededError("the name is too long, written out in plain characters");
  if (before === undefined && items.entries().size >= LIMITS.items)
    throw new LimitExceededError(`a list can hold ${LIMITS.items} different items over its life`);
  const growth = after.growth(key, before);
  if (growth > 0 && items.bytes + growth > LIMITS.bytes)
    throw new LimitExceededError(`a list can hold ${LIMITS.bytes / 2 ** 20} MB`);
  if (staple !== "" && before?.isStaple !== true && staplesOf(items) >= LIMITS.staples)
    throw new LimitExceededError(`a list can hold ${LIMITS.staples} items that come back by themselves`);
  if (mostOf(after, dot.replica, COLUMN.needed) > LIMITS.counterTotal)
    throw new LimitExceededError(`one device can count to ${LIMITS.counterTotal / 1_000} of an item, not further`);
}

/** How many items come back by themselves. */
export function staplesOf(items: Taken["items"]): number {
  let count = 0;
  for (const item of items.entries().values()) if (item.isStaple) count++;
  return count;
}
