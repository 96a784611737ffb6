import type { ItemKey } from "../crdt/item-key.js";
import type { Item, ShoppingList } from "../crdt/shopping-list.js";
import { keyOf, type Intent } from "./intent.js";

/** One intent and what it met: as much as it takes to take it back later, whatever others have done meanwhile. */
export interface Step {
  readonly intent: Intent;
  /** The item before it, or null where it was not on the list. */
  readonly item: Item | null;
  /** The text it replaced that is no item's on the list: the list's name, the order of its aisles, the aisle or the rule of an item. */
  readonly text: string | null;
}

/** What one command did. */
export interface Change {
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  readonly steps: readonly Step[];
}

/** How many changes of a list can be taken back, and of how many characters in all; the newest change always can. */
const MOST_CHANGES = 100;
const MOST_LENGTH = 200_000;

export function stepOf(list: ShoppingList, intent: Intent): Step {
  const key = keyOf(intent);
  return { intent, item: key === null ? null : list.item(key), text: replacedBy(list, intent, key) };
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
export function compensation(list: ShoppingList, { intent, item: before, text }: Step): readonly Intent[] {
  const key = keyOf(intent);
  const now = key === null ? null : list.item(key);
  switch (intent.type) {
    case "add":
      if (now === null || key === null) return [];
      if (before === null && now.needed <= intent.amount && now.acquired <= 0)
        return [...aisleBack(now, text, intent.aisle), { type: "remove", key }];
      return [
        ...corrected(now, -intent.amount, 0),
        ...textBack(now, before, "note", intent.note),
        ...aisleBack(now, text, intent.aisle),
      ];
    case "need":
      return now === null ? [] : corrected(now, (before?.needed ?? 0) - intent.total, 0);
    case "acquire":
      return now === null ? [] : corrected(now, 0, -intent.amount);
    case "compensate":
      if (
        key !== null &&
        before === null &&
        now !== null &&
        now.needed <= intent.needed &&
        now.acquired <= intent.acquired
      )
        return [{ type: "remove", key }];
      return now === null ? [] : corrected(now, -intent.needed, -intent.acquired);
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

function corrected({ key, name }: Item, needed: number, acquired: number): readonly Intent[] {
  return needed === 0 && acquired === 0 ? [] : [{ type: "compensate", key, name, needed, acquired }];
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
