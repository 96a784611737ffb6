import { Document } from "../../src/crdt/document.js";
import { itemKey } from "../../src/crdt/item-key.js";
import { ShoppingList, type Author } from "../../src/crdt/shopping-list.js";
import type { ListId } from "../../src/protocol/ids.js";
import type { ListDelta } from "../../src/server/store/store.js";

/** What a writer asks of the store next. */
export type Step =
  | { readonly type: "append"; readonly batch: readonly ListDelta[] }
  | { readonly type: "drop"; readonly listId: ListId };

/** Lists that all writers write to. */
const SHARED = 2;
/** A writer begins another list of its own after so many steps. */
const STEPS_A_LIST = 40;
/** Stands for all writers in the id of a list that they share. */
const EVERYONE = 0xffff;

const NAMES = ["milk", "eggs", "bread", "rice", "tea", "salt", "figs", "oats"] as const;

/**
 * One of those who write to a store: what it asks for follows from the seed and its number alone, so that whoever knows
 * how far it got knows every byte that the store was given.
 */
export class Writer {
  readonly #lists = new Map<ListId, ShoppingList>();
  readonly #random: () => number;
  #steps = 0;

  constructor(
    readonly seed: number,
    readonly number: number,
  ) {
    this.#random = randomFrom(seed * 1_000 + number);
  }

  next(): Step {
    this.#steps++;
    const shared = this.#listId(EVERYONE, this.#below(SHARED));
    const kept = this.#listId(this.number, 1 + Math.floor(this.#steps / STEPS_A_LIST));
    const loose = this.#listId(this.number, 0);
    const choice = this.#below(10);
    if (choice === 0) return { type: "drop", listId: loose };
    const lists = choice < 3 ? [loose] : choice < 6 ? [kept] : choice < 8 ? [shared] : [shared, kept];
    return { type: "append", batch: lists.map((listId) => ({ listId, delta: this.#change(listId) })) };
  }

  /** What is dropped goes on where it was: a dot stands for one change for ever. */
  #change(listId: ListId): Document {
    const list = this.#lists.get(listId) ?? new ShoppingList();
    this.#lists.set(listId, list);
    const by: Author = { replica: `w${this.number}`, id: `w${this.number}-${this.#steps}`, at: 1_700_000_000_000 };
    const name = NAMES[this.#below(NAMES.length)] ?? "";
    const key = itemKey(name, null);
    const [choice, amount] = [this.#below(10), 1 + this.#below(9)];
    if (choice === 0) return new Document(list.rename(by, `${name} and so on ✓`));
    if (choice < 3 && list.item(key) !== null) return new Document(list.acquire(by, key, amount));
    if (choice === 3 && list.item(key) !== null) return new Document(list.remove(by, key));
    return new Document(list.add(by, name, null, amount));
  }

  #listId(owner: number, number: number): ListId {
    const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
    return `${hex(this.seed, 8)}-${hex(owner, 4)}-4000-8000-${hex(number, 12)}`;
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }
}

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
