import type { ItemKey } from "../crdt/item-key.js";
import type { ShoppingList } from "../crdt/shopping-list.js";
import { AisleError, EXIT } from "./errors.js";
import { readItems } from "./formats.js";
import type { Hooks } from "./hooks.js";
import { keyOf, rehearse, type Intent } from "./intent.js";
import { addIntent } from "./item-entry.js";
import type { LocalList } from "./local-list.js";
import { toNumber } from "./quantity.js";
import { itemView, type ItemView } from "./views.js";
import { t } from "./messages.js";

/** What a person's own programs make of changes that are about to be made. @throws AisleError where one of them refuses */
export function hooked(hooks: Hooks, list: LocalList, intents: readonly Intent[]): readonly Intent[] {
  const wanted = hooks.has("on-add") ? added(hooks, list, intents) : intents;
  const keys = [...new Set(wanted.map(keyOf).filter((key) => key !== null))];
  if (keys.length === 0 || !hooks.has("on-change")) return wanted;
  const trial = list.shown.clone();
  rehearse(wanted, trial, list.replica);
  hooks.onChange(
    list.id,
    keys.map((key) => ({ before: viewOf(list.shown, key), after: viewOf(trial, key) })),
  );
  return wanted;
}

function added(hooks: Hooks, list: LocalList, intents: readonly Intent[]): readonly Intent[] {
  const adds = intents.filter((intent) => intent.type === "add");
  if (adds.length === 0) return intents;
  const views = adds.map(({ name, unit, amount, note, aisle }) => ({
    name,
    needed: toNumber(amount),
    acquired: 0,
    unit,
    note,
    aisle,
  }));
  const answers = answered(hooks.onAdd(list.id, views)).map(({ entry }) => addIntent(entry));
  return intents.map((intent) => (intent.type === "add" ? (answers.shift() ?? intent) : intent));
}

function answered(items: readonly unknown[]): ReturnType<typeof readItems> {
  try {
    return readItems(items);
  } catch (error) {
    if (!(error instanceof AisleError)) throw error;
    const message = t`the hook on-add answered what is no item: ${error.message}`;
    throw new AisleError(EXIT.failed, "hook-failed", message, t("mend it, or take it out of the hooks folder"));
  }
}

function viewOf(shown: ShoppingList, key: ItemKey): ItemView | null {
  const item = shown.item(key);
  return item === null ? null : itemView(item);
}
