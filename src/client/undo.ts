import type { ReplicaId } from "../crdt/dot.js";
import type { Operation } from "../crdt/history.js";
import type { ItemKey } from "../crdt/item-key.js";
import { COLUMN } from "../crdt/item-state.js";
import { PNCOUNTER_COLUMNS } from "../crdt/pncounter.js";
import { cellOf, NO_ROWS } from "../crdt/rows.js";
import type { Item, ShoppingList } from "../crdt/shopping-list.js";
import { keyOf, type Intent } from "./intent.js";

/** One intent and what it met: as much as it takes to take it back later, whatever others have done meanwhile. */
export interface Step {
  readonly intent: Intent;
  /** The item before it, or null where it was not on the list. */
  readonly item: Item | null;
  /** The text it replaced that is no item's on the list: the list's name, the order of its aisles, the aisle or the rule of an item. */
  readonly text: string | null;
  /** Who made it, after what time, and what that replica had counted of the item before; absent where it is about none. */
  readonly own?: { readonly replica: ReplicaId; readonly time: number } & Readonly<
    Record<Part, readonly [up: number, down: number]>
  >;
}

type Part = "needed" | "acquired";

/** What one command did. */
export interface Change {
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  readonly steps: readonly Step[];
}

/** How many changes of a list can be taken back, and of how many characters in all; the newest change always can. */
const MOST_CHANGES = 100;
const MOST_LENGTH = 200_000;

/** @param replica of who makes it */
export function stepOf(list: ShoppingList, intent: Intent, replica: ReplicaId): Step {
  const key = keyOf(intent);
  const text = replacedBy(list, intent, key);
  if (key === null) return { intent, item: null, text };
  const before = (part: Part): readonly [number, number] => [
    cell(list, key, replica, COLUMN[part]),
    cell(list, key, replica, COLUMN[part] + 1),
  ];
  const own = { replica, time: list.history.newestTime(), needed: before("needed"), acquired: before("acquired") };
  return { intent, item: list.item(key), text, own };
}

function cell(list: ShoppingList, key: ItemKey, replica: ReplicaId, column: number): number {
  return cellOf(list.items.get(key) ?? NO_ROWS, replica, column);
}

function replacedBy(list: ShoppingList, { type }: Intent, key: ItemKey | null): string | null {
  if (type === "rename") return list.name.get();
  if (type === "order") return list.order.get();
  if (type === "staple") return key === null ? null : (list.items.get(key)?.text("staple") ?? null);
  return type === "add" && key !== null ? (list.items.get(key)?.text("aisle") ?? null) : null;
}

/** The changes, as JSON, with one more, and without the oldest ones where they have become too many. */
export function withChange(changes: readonly string[], change: Change): readonly string[] {
  const newest = JSON.stringify(change);
  let length = newest.length;
  const kept = changes.slice(1 - MOST_CHANGES);
  const first = kept.findLastIndex((text) => (length += text.length) > MOST_LENGTH);
  return [...kept.slice(first + 1), newest];
}

/**
 * What takes the step back on the list as it is now: the opposite of what it added, and the old text where the new one still
 * stands. What others have done since stays; where they have undone it already, nothing is left to do.
 */
export function compensation(list: ShoppingList, step: Step): readonly Intent[] {
  const { intent, item: before, text } = step;
  const key = keyOf(intent);
  const now = key === null ? null : list.item(key);
  const standing = (part: Part, change: number): number => (isTakenOff(list, step, part, change) ? 0 : change);
  switch (intent.type) {
    case "add":
      if (now === null || key === null || isTakenOff(list, step, "needed", intent.amount)) return [];
      if (before === null && now.needed <= intent.amount && now.acquired <= 0)
        return [...aisleBack(now, text, intent.aisle), { type: "remove", key }];
      return [
        ...corrected(now, intent.amount, 0),
        ...textBack(now, before, "note", intent.note),
        ...aisleBack(now, text, intent.aisle),
      ];
    case "need":
      return now === null ? [] : corrected(now, standing("needed", intent.total - (before?.needed ?? 0)), 0);
    case "acquire":
      return now === null ? [] : corrected(now, 0, standing("acquired", intent.amount));
    case "compensate":
      if (
        key !== null &&
        before === null &&
        now !== null &&
        !isTakenOff(list, step, "needed", intent.needed) &&
        now.needed <= intent.needed &&
        now.acquired <= intent.acquired
      )
        return [{ type: "remove", key }];
      return now === null
        ? []
        : corrected(now, standing("needed", intent.needed), standing("acquired", intent.acquired));
    case "note":
    case "aisle":
      return now === null ? [] : textBack(now, before, intent.type, intent.text);
    case "staple":
      // Also of an item that is off the list.
      return key === null || (list.items.get(key)?.text("staple") ?? "") !== intent.rule
        ? []
        : [{ type: "staple", key, rule: text ?? before?.staple ?? "" }];
    case "remove":
      return before === null ? [] : restoration(list, before);
    case "rename":
      return list.name.get() === intent.name && text !== null ? [{ type: "rename", name: text }] : [];
    case "order":
      return list.order.get() === intent.aisles.join("\n") ? [{ type: "order", aisles: linesOf(text) }] : [];
    case "set-deleted":
      return [{ type: "set-deleted", deleted: !intent.deleted }];
    case "return":
      return [];
  }
}

/** Puts an item back on the list as it was, beside what others may have put there since. */
export function restoration(list: ShoppingList, { key, name, needed, acquired, note }: Item): readonly Intent[] {
  const back: Intent = { type: "compensate", key, name, needed, acquired };
  // What was written about an earlier or a later stay would come back with it.
  const written = list.items.get(key)?.text("note") ?? "";
  const isWanted = list.item(key) === null ? written !== (note ?? "") : written === "" && note !== null;
  return isWanted ? [back, { type: "note", key, text: note ?? "" }] : [back];
}

/** Whether somebody else has taken off already what the step added: then it is not in the amount any more. */
function isTakenOff(list: ShoppingList, { intent, own }: Step, part: Part, change: number): boolean {
  const key = keyOf(intent);
  if (key === null || own === undefined || change === 0) return false;
  const [up, down] = own[part];
  const column = change > 0 ? COLUMN[part] : COLUMN[part] + 1;
  const counted = (change > 0 ? up : down) + Math.abs(change);
  if (cell(list, key, own.replica, column + PNCOUNTER_COLUMNS) < counted) return false;
  // What was taken off here has been put back: the newest change is taken back first.
  const isOthers = ({ kind, dot, time }: Operation): boolean =>
    kind === "remove" && dot.replica !== own.replica && time > own.time;
  return list.history.operationsOn(key).some(isOthers);
}

/** The opposite of what was added. */
function corrected({ key, name }: Item, needed: number, acquired: number): readonly Intent[] {
  if (needed === 0 && acquired === 0) return [];
  return [{ type: "compensate", key, name, needed: 0 - needed, acquired: 0 - acquired }];
}

function textBack(now: Item, before: Item | null, type: "note" | "aisle", written: string | null): readonly Intent[] {
  if (written === null || (now[type] ?? "") !== written) return [];
  return [{ type, key: now.key, text: before?.[type] ?? "" }];
}

/** An aisle outlives the item's stay on the list. */
function aisleBack({ key, aisle }: Item, before: string | null, written: string | null): readonly Intent[] {
  return written === null || (aisle ?? "") !== written ? [] : [{ type: "aisle", key, text: before ?? "" }];
}

export function linesOf(text: string | null): readonly string[] {
  return (text ?? "").split("\n").filter((line) => line !== "");
}
