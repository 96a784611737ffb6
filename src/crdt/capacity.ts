import { DotContext } from "./dot-context.js";
import type { ReplicaId } from "./dot.js";
import { LIMITS } from "./limits.js";
import { staplesOf } from "./room.js";
import type { LwwRegister, Stamp } from "./lww-register.js";
import type { ShoppingList } from "./shopping-list.js";

/** Every replica that the list's state names anywhere. */
export function replicasOf(list: ShoppingList): Set<ReplicaId> {
  const replicas = new Set<ReplicaId>(list.seen.vector.replicas());
  for (const { replica } of list.seen.cloud()) replicas.add(replica);
  for (const replica of list.newest.keys()) replicas.add(replica);
  for (const { replica } of [list.name, list.deleted, list.order].flatMap(stampOf)) replicas.add(replica);
  for (const item of list.items.entries().values()) {
    // Whoever counts, cancels or is removed has touched the item, so its rows name them all; texts may be older.
    for (const replica of item.replicas) replicas.add(replica);
    for (const written of item.texts) if (written !== null) replicas.add(written.stamp.replica);
  }
  for (const { dot, after } of list.history.operations())
    for (const { replica } of [dot, ...after]) replicas.add(replica);
  return replicas;
}

function stampOf(register: LwwRegister<string> | LwwRegister<boolean>): readonly Stamp[] {
  const written = register.written();
  return written === null ? [] : [written.stamp];
}

/**
 * What the join of both would have too many of, or null where there is room. Asked before joining what comes from outside,
 * so that nobody can grow a list beyond what every decoder reads back, or beyond what others can still change.
 */
export function overflowOf(list: ShoppingList, delta: ShoppingList): string | null {
  let added = 0;
  for (const key of delta.items.entries().keys()) if (!list.items.entries().has(key)) added++;
  if (added > 0 && list.items.entries().size + added > LIMITS.items) return `${LIMITS.items} items`;
  if (!hasRoomFor(list, delta)) return `${LIMITS.bytes / 2 ** 20} MB`;
  if (!hasStaplesToSpare(list, delta)) return `${LIMITS.staples} items that come back by themselves`;
  // Authors known here were counted when they came; only a newcomer makes it worth counting them all.
  const named = replicasOf(delta);
  const hasNewcomer = [...named].some((replica) => !list.newest.has(replica));
  if (hasNewcomer && new Set([...replicasOf(list), ...named]).size > LIMITS.replicas)
    return `${LIMITS.replicas} devices`;
  if (isTooFarApart(list.seen, delta.seen)) return `${LIMITS.cloud} changes out of order`;
  return leapsAhead(list, delta) ? `${LIMITS.counterJump} changes at once` : null;
}

function hasStaplesToSpare({ items }: ShoppingList, delta: ShoppingList): boolean {
  const fresh = [...delta.items.entries()].filter(([key, item]) => item.isStaple && items.get(key)?.isStaple !== true);
  return fresh.length === 0 || staplesOf(items) + fresh.length <= LIMITS.staples;
}

/** What makes it no longer has room in the fullest list. */
function hasRoomFor({ items }: ShoppingList, delta: ShoppingList): boolean {
  if (items.bytes + delta.items.bytes <= LIMITS.bytes) return true;
  let growth = 0;
  for (const [key, state] of delta.items.entries()) {
    const own = items.get(key);
    growth += (own?.joined(state) ?? state).growth(key, own);
  }
  return growth <= 0 || items.bytes + growth <= LIMITS.bytes;
}

/** What fills gaps has room wherever there are too many. */
function isTooFarApart(seen: DotContext, given: DotContext): boolean {
  const before = rangesAhead(seen);
  if (before + rangesAhead(given) <= LIMITS.cloud) return false;
  const joined = new DotContext();
  for (const one of [seen, given]) joined.join(one);
  return rangesAhead(joined) > Math.max(LIMITS.cloud, before);
}

function rangesAhead(context: DotContext): number {
  return [...context.cloud()].length;
}

function leapsAhead(list: ShoppingList, delta: ShoppingList): boolean {
  for (const { replica, to } of delta.seen.ranges())
    if (to > list.seen.newest(replica) + LIMITS.counterJump) return true;
  let newest = delta.history.newestTime();
  for (const { time } of [delta.name, delta.deleted, delta.order]) newest = Math.max(newest, time);
  for (const { newestTime } of delta.items.entries().values()) newest = Math.max(newest, newestTime);
  return newest > list.history.newestTime() + LIMITS.counterJump;
}
