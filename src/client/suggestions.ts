import { foldedNameOf, foldName, unitOf } from "../crdt/item-key.js";
import type { ShoppingList } from "../crdt/shopping-list.js";

/** An item that was on the list before and could be wanted again. */
export interface Suggestion {
  readonly name: string;
  readonly unit: string | null;
  readonly aisle: string | null;
  /** How often it was put on the list or got, as far as the list remembers. */
  readonly times: number;
  /** What was wanted last, in thousandths; null where that is forgotten. */
  readonly amount: number | null;
}

/** Items that are not on the list now and have a word beginning with `prefix`: the most usual first, then the newest. */
export function suggestions(list: ShoppingList, prefix: string): readonly Suggestion[] {
  const wanted = foldName(prefix);
  const found: (Suggestion & { readonly newest: number })[] = [];
  for (const [key, item] of list.items.entries()) {
    const folded = foldedNameOf(key);
    if (item.isPresent || !(folded.startsWith(wanted) || folded.includes(` ${wanted}`))) continue;
    const operations = list.history.operationsOn(key);
    // Taking it off says how much was wanted in all; the first additions to it may be forgotten by then.
    const removed = operations.findLast(({ kind }) => kind === "remove")?.needed ?? 0;
    const added = operations.findLast(({ kind, needed }) => kind === "add" && needed > 0)?.needed ?? null;
    const aisle = item.text("aisle") ?? "";
    found.push({
      name: item.text("label") ?? folded,
      unit: unitOf(key),
      aisle: aisle === "" ? null : aisle,
      times: operations.filter(({ kind }) => kind === "add" || kind === "got").length,
      amount: removed < 0 ? -removed : added,
      newest: operations.at(-1)?.time ?? item.label?.stamp.time ?? 0,
    });
  }
  return found
    .sort((a, b) => b.times - a.times || b.newest - a.newest || (a.name < b.name ? -1 : 1))
    .map(({ name, unit, aisle, times, amount }) => ({ name, unit, aisle, times, amount }));
}
