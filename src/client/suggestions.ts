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
    const adds = operations.filter(({ kind, needed }) => (kind === "add" || kind === "need") && needed > 0);
    const aisle = item.text("aisle") ?? "";
    found.push({
      name: item.text("label") ?? folded,
      unit: unitOf(key),
      aisle: aisle === "" ? null : aisle,
      times: operations.filter(({ kind }) => kind === "add" || kind === "got").length,
      amount: adds.at(-1)?.needed ?? null,
      newest: operations.at(-1)?.time ?? item.label?.stamp.time ?? 0,
    });
  }
  return found
    .sort((a, b) => b.times - a.times || b.newest - a.newest || (a.name < b.name ? -1 : 1))
    .map(({ name, unit, aisle, times, amount }) => ({ name, unit, aisle, times, amount }));
}
