import type { ReplicaId } from "../crdt/dot.js";
import { itemKey, type ItemKey } from "../crdt/item-key.js";
import type { ItemState } from "../crdt/item-state.js";
import type { Author, ShoppingList } from "../crdt/shopping-list.js";
import { LimitExceededError } from "../crdt/limits.js";
import { comeBack } from "../crdt/staple.js";
import { AisleError, EXIT } from "./errors.js";

/**
 * What a person asked for, apart from the state it was asked in: kept beside the delta until the cluster has it, so that
 * it can be shown, and made again under a new replica id after a data folder was copied. Amounts are in thousandths.
 */
export type Intent =
  | {
      readonly type: "add";
      readonly name: string;
      readonly unit: string | null;
      readonly amount: number;
      readonly note: string | null;
      readonly aisle: string | null;
    }
  /** `from` is what was wanted where it was asked; absent before it is made. */
  | { readonly type: "need"; readonly key: ItemKey; readonly total: number; readonly from?: number }
  | { readonly type: "acquire"; readonly key: ItemKey; readonly amount: number }
  | { readonly type: "note" | "aisle"; readonly key: ItemKey; readonly text: string }
  | { readonly type: "remove"; readonly key: ItemKey }
  /** Takes back what an earlier change of this device did; see `undo.ts`. */
  | {
      readonly type: "compensate";
      readonly key: ItemKey;
      readonly name: string;
      readonly needed: number;
      readonly acquired: number;
    }
  | { readonly type: "staple"; readonly key: ItemKey; readonly rule: string }
  | { readonly type: "return"; readonly key: ItemKey; readonly rule: string; readonly period: number }
  | { readonly type: "order"; readonly aisles: readonly string[] }
  | { readonly type: "rename"; readonly name: string }
  | { readonly type: "set-deleted"; readonly deleted: boolean };

/**
 * Makes the change; returns its delta.
 * @param seen what a removal that is made again had seen of its item
 * @throws LimitExceededError
 */
export function apply(intent: Intent, list: ShoppingList, author: Author, seen?: ItemState): ShoppingList {
  switch (intent.type) {
    case "add": {
      const text = { note: intent.note ?? undefined, aisle: intent.aisle ?? undefined };
      return list.add(author, intent.name, intent.unit, intent.amount, text);
    }
    case "need":
      return list.need(author, intent.key, intent.total, intent.from);
    case "acquire":
      return list.acquire(author, intent.key, intent.amount);
    case "note":
      return list.annotate(author, intent.key, intent.text);
    case "aisle":
      return list.fileUnder(author, intent.key, intent.text);
    case "remove":
      return list.remove(author, intent.key, seen);
    case "compensate":
      return list.compensate(author, intent.key, intent.needed, intent.acquired, intent.name);
    case "staple":
      return list.setStaple(author, intent.key, intent.rule);
    case "return":
      return comeBack(list, intent.key, intent.rule, intent.period);
    case "order":
      return list.arrange(author, intent.aisles.join("\n"));
    case "rename":
      return list.rename(author, intent.name);
    case "set-deleted":
      return list.setDeleted(author, intent.deleted);
  }
}

/** Makes the changes, under the name of who will, on a list that is thrown away, to see what they would come to. @throws AisleError */
export function rehearse(intents: readonly Intent[], list: ShoppingList, replica: ReplicaId): void {
  orRefused(() => {
    for (const intent of intents) apply(intent, list, { replica, id: "rehearsal", at: 0 });
  });
}

/** Says what there is no room for as an error of its own. @throws AisleError */
export function orRefused<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof LimitExceededError) throw new AisleError(EXIT.refused, "too-much", error.message);
    throw error;
  }
}

/** The item the intent is about, or null for one about the list as a whole. */
export function keyOf(intent: Intent): ItemKey | null {
  if (intent.type === "rename" || intent.type === "set-deleted" || intent.type === "order") return null;
  return intent.type === "add" ? itemKey(intent.name, intent.unit) : intent.key;
}
