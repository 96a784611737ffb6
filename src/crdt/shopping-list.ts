import { AWORSet } from "./aworset.js";
import type { Dot, ReplicaId } from "./dot.js";
import { DotContext } from "./dot-context.js";
import { History, type Operation, type OperationKind } from "./history.js";
import { foldedNameOf, itemKey, unitOf, type ItemKey } from "./item-key.js";
import type { Lattice } from "./lattice.js";
import { COLUMN, ItemState, TEXTS, UNTOUCHED, type Texts } from "./item-state.js";
import { lastOf, LwwRegister, type Stamp, type Written } from "./lww-register.js";
import { LIMITS } from "./limits.js";
import { requireRoom } from "./room.js";
import { COLUMNS } from "./rows.js";
import { TouchLog } from "./touch-log.js";

/** Who makes an operation. `id` is random and unique to the operation, `at` the wall clock in milliseconds since 1970. */
export interface Author {
  readonly replica: ReplicaId;
  readonly id: string;
  readonly at: number;
  /** The account that is logged in, if any. */
  readonly by?: string | null;
}

/** An item as a person sees it. Amounts are exact sums in thousandths of the base unit; concurrency can make them negative. */
export interface Item {
  readonly key: ItemKey;
  readonly name: string;
  /** `g`, `ml`, another unit's name, or null for things that are counted. */
  readonly unit: string | null;
  readonly needed: number;
  readonly acquired: number;
  readonly note: string | null;
  readonly aisle: string | null;
  readonly staple: string | null;
}

/** Items from which on it pays to remember which were touched last, and not to look at all of them. */
const LONG_LIST = 2_000;

/** What one operation does. */
interface Effect {
  readonly kind: OperationKind;
  readonly key: ItemKey | null;
  readonly needed: number;
  readonly acquired: number;
  readonly texts: Texts;
  /** What was written, for whoever reads the log, or about the list. */
  readonly text: string | null;
  /** What a remove takes off, where that is not all. */
  readonly seen: ItemState | null;
}

const NO_TEXTS: Texts = {};

/** Always the same properties in the same order: V8 reads those of one shape fastest. */
function effectOf(
  kind: OperationKind,
  key: ItemKey | null,
  { needed = 0, acquired = 0, texts = NO_TEXTS, text = null, seen = null }: Partial<Omit<Effect, "kind" | "key">> = {},
): Effect {
  return { kind, key, needed, acquired, texts, text, seen };
}

/**
 * A shared shopping list: a product of small lattices (docs/crdt.md). Every mutator mints one dot, changes this value and
 * returns a delta, which is itself a `ShoppingList`: all that the author knows of the item it touched, under the new dot
 * alone. Deltas may be lost, repeated and reordered; whoever has a dot in `seen` has all effects of that operation.
 */
export class ShoppingList implements Lattice<ShoppingList> {
  readonly seen = new DotContext();
  readonly items = new AWORSet<ItemKey, ItemState>();
  readonly name = new LwwRegister<string>();
  /** Deletion hides a list and never erases it, so that its owner can take it back. */
  readonly deleted = new LwwRegister<boolean>();
  /** The aisles in walking order, a line each. One register: two who rearrange a shop at once want one of both orders, whole. */
  readonly order = new LwwRegister<string>();
  readonly history = new History();
  /** Each replica's newest operation id, stamped with its counter: tells a copied data folder from the original. */
  readonly newest = new Map<ReplicaId, Written<string>>();
  /** From when a reader of a long list was first told what it lacks. */
  #touches: TouchLog | null = null;

  /** Wants `amount` thousandths more of the item, putting it on the list if it is not there. */
  add(
    author: Author,
    label: string,
    unit: string | null,
    amount: number,
    text: { note?: string | undefined; aisle?: string | undefined } = {},
  ): ShoppingList {
    const key = itemKey(label, unit);
    // A note belongs to one stay on the list; the aisle is a fact about the item and outlives it.
    const known = this.items.get(key);
    const isThere = known?.isPresent ?? false;
    const stale = !isThere && (known?.text("note") ?? "") !== "";
    const note = text.note ?? (stale ? "" : undefined);
    // While the item is on the list its first spelling stays, so that a second helping changes nothing but the amount.
    const texts = { label: isThere ? undefined : label, note, aisle: text.aisle };
    return this.#operate(author, effectOf("add", key, { needed: amount, texts }));
  }

  /** Wants `total` thousandths in all: an increment by what is missing from the total that its author saw. */
  need(author: Author, key: ItemKey, total: number, from = this.neededOf(key)): ShoppingList {
    return this.#operate(author, effectOf("need", key, { needed: total - from }));
  }

  /** How many thousandths are wanted of an item; one that is off the list may have been wanted at the same time. */
  neededOf(key: ItemKey): number {
    return this.items.get(key)?.needed.value() ?? 0;
  }

  /** Puts `amount` thousandths in the basket, or takes them back out when negative. */
  acquire(author: Author, key: ItemKey, amount: number): ShoppingList {
    return this.#operate(author, effectOf(amount < 0 ? "ungot" : "got", key, { acquired: amount }));
  }

  annotate(author: Author, key: ItemKey, note: string): ShoppingList {
    return this.#operate(author, effectOf("note", key, { texts: { note }, text: note }));
  }

  fileUnder(author: Author, key: ItemKey, aisle: string): ShoppingList {
    return this.#operate(author, effectOf("aisle", key, { texts: { aisle }, text: aisle }));
  }

  /** Says when the item comes back by itself; an empty rule ends that. An item that is not on the list stays off it. */
  setStaple(author: Author, key: ItemKey, staple: string): ShoppingList {
    return this.#operate(author, effectOf("staple", key, { texts: { staple }, text: staple }));
  }

  /** Takes earlier changes of the author back by their opposite. */
  compensate(author: Author, key: ItemKey, needed: number, acquired: number, label: string): ShoppingList {
    const texts = this.items.has(key) ? NO_TEXTS : { label };
    return this.#operate(author, effectOf("undo", key, { needed, acquired, texts }));
  }

  /**
   * Takes the item off the list and its amounts back to zero, as far as this replica has seen them.
   * @param seen what of it by others its author had seen, where that is not all
   */
  remove(author: Author, key: ItemKey, seen: ItemState | null = null): ShoppingList {
    return this.#operate(author, effectOf("remove", key, { seen }));
  }

  rename(author: Author, name: string): ShoppingList {
    return this.#operate(author, effectOf("name", null, { text: name }));
  }

  /** @param order the aisles as one walks, a line each */
  arrange(author: Author, order: string): ShoppingList {
    return this.#operate(author, effectOf("order", null, { text: order }));
  }

  setDeleted(author: Author, deleted: boolean): ShoppingList {
    return this.#operate(author, effectOf(deleted ? "delete" : "restore", null));
  }

  join(other: ShoppingList): void {
    this.seen.join(other.seen);
    this.items.join(other.items);
    this.name.join(other.name);
    this.deleted.join(other.deleted);
    this.order.join(other.order);
    this.history.join(other.history);
    for (const written of other.newest.values()) this.#knowNewest(written);
  }

  clone(): ShoppingList {
    const copy = new ShoppingList();
    copy.join(this);
    return copy;
  }

  /**
   * Exactly what a reader whose `seen` is `known` lacks: every item with a touch outside `known`, under the dots outside
   * `known`. Joining the answer makes the reader's `seen` include this one's. Empty when nothing is lacking.
   * @param withDeletion false where none of those operations deletes the list or brings it back
   */
  lacking(known: DotContext, withDeletion = true): ShoppingList {
    if (known.includesAll(this.seen)) return new ShoppingList();
    const lacking = new ShoppingList();
    const isOutside = touchedOutside(known);
    const touched = this.#touches?.outside(known) ?? null;
    for (const key of touched ?? []) {
      const item = this.items.get(key);
      if (item !== undefined && isOutside(item)) lacking.items.replace(key, item, undefined);
    }
    if (touched === null) {
      for (const [key, item] of this.items.entries()) if (isOutside(item)) lacking.items.replace(key, item, undefined);
      this.#logTouches();
    }
    lacking.seen.join(this.seen.without(known));
    lacking.name.join(this.name);
    if (withDeletion) lacking.deleted.join(this.deleted);
    lacking.order.join(this.order);
    lacking.history.join(this.history.without(known));
    for (const written of this.newest.values())
      if (!known.covers(written.stamp.replica, written.stamp.time)) lacking.#knowNewest(written);
    return lacking;
  }

  /** So that the next reader, who as a rule lacks little, need not have all items looked at. */
  #logTouches(): void {
    const isGood = this.#touches !== null && !this.#touches.isFull;
    if (isGood || this.items.entries().size < LONG_LIST) return;
    const touches = new TouchLog(this.items.entries().values());
    this.items.onChange = (key, before, after) => touches.noteChange(key, before, after);
    this.#touches = touches;
  }

  /** The items on the list, in no particular order. */
  *visibleItems(): Iterable<Item> {
    for (const key of this.items.values()) yield this.#describe(key);
  }

  /** The item as it stands on the list, or null when it is not on it. */
  item(key: ItemKey): Item | null {
    return this.items.has(key) ? this.#describe(key) : null;
  }

  #describe(key: ItemKey): Item {
    const item = this.items.get(key) ?? UNTOUCHED;
    return {
      key,
      name: item.text("label") ?? foldedNameOf(key),
      unit: unitOf(key),
      needed: item.needed.value(),
      acquired: item.acquired.value(),
      note: textOrNull(item.text("note")),
      aisle: textOrNull(item.text("aisle")),
      staple: textOrNull(item.text("staple")),
    };
  }

  #operate(author: Author, effect: Effect): ShoppingList {
    const { kind, key } = effect;
    const dot: Dot = { replica: author.replica, counter: this.seen.newest(author.replica) + 1 };
    const known = key === null ? undefined : this.items.get(key);
    const before = known ?? UNTOUCHED;
    const time = this.#newestTimeFor(key, before) + 1;
    const item = key === null ? before : after(before, effect, dot, time);
    requireRoom(this, dot, time, effect, known, item);
    // Also what a remove takes off; a clock may be anywhere, and what is made must be readable.
    const isRemove = kind === "remove";
    const operation: Operation = {
      dot,
      time,
      at: Math.min(Math.max(0, author.at), LIMITS.counter),
      id: author.id,
      kind,
      key,
      needed: isRemove ? item.needed.value() - before.needed.value() : effect.needed,
      acquired: isRemove ? item.acquired.value() - before.acquired.value() : effect.acquired,
      text: effect.text,
      by: author.by ?? null,
      after: this.#mayRemember(key, before, dot.replica) ? this.history.frontier(key, dot.replica) : [],
    };
    const newest = { stamp: { time: dot.counter, replica: dot.replica }, value: operation.id };
    const delta = new ShoppingList();
    delta.#take(operation, newest, item, undefined);
    this.#take(operation, newest, item, known);
    return delta;
  }

  /** @param item what the operation's item, if it is about one, is after it */
  #take(operation: Operation, newest: Written<string>, item: ItemState, before: ItemState | undefined): void {
    const { dot, time, kind, key, text } = operation;
    const stamp: Stamp = { time, replica: dot.replica };
    if (key !== null) {
      this.items.replace(key, item, before);
      this.#touches?.note(key, dot.replica, dot.counter);
    } else if (kind === "name") this.name.write(text ?? "", stamp);
    else if (kind === "order") this.order.write(text ?? "", stamp);
    else this.deleted.write(kind === "delete", stamp);
    this.seen.add(dot);
    this.history.record(operation);
    this.#knowNewest(newest);
  }

  #knowNewest(written: Written<string>): void {
    const { replica } = written.stamp;
    const newest = lastOf(written, this.newest.get(replica) ?? null);
    if (newest !== null) this.newest.set(replica, newest);
  }

  /** Whether the history may have another one's operation on the item. Of most items it has none: they were last touched before. */
  #mayRemember(key: ItemKey | null, { replicas, cells }: ItemState, author: ReplicaId): boolean {
    if (key === null) return true;
    for (const [row, replica] of replicas.entries())
      if (replica !== author && this.history.mayHave(replica, cells[row * COLUMNS + COLUMN.touched] ?? 0)) return true;
    return false;
  }

  /** Later than every operation known and than every text that this one may replace. */
  #newestTimeFor(key: ItemKey | null, { newestTime }: ItemState): number {
    const replaced = key === null ? Math.max(this.name.time, this.deleted.time, this.order.time) : newestTime;
    return Math.max(replaced, this.history.newestTime());
  }
}

/** The item as the effect leaves it. */
function after(before: ItemState, effect: Effect, dot: Dot, time: number): ItemState {
  const { kind, needed, acquired, texts, seen } = effect;
  // What is only said about an item that is off the list does not put it there.
  const isOff = kind === "remove" || (kind === "staple" && !before.isPresent);
  let item =
    seen !== null ? before.removeSeen(dot, seen) : isOff ? before.remove(dot) : before.touch(dot, needed, acquired);
  if (texts === NO_TEXTS) return item;
  for (const name of TEXTS) {
    const text = texts[name];
    if (text === undefined || (name === "label" && text === item.text(name))) continue;
    item = item.write(name, text, { time, replica: dot.replica });
  }
  return item;
}

/** Whether an item has a touch outside `known`: asked of all items of a list, one after the other. */
function touchedOutside(known: DotContext): (item: ItemState) => boolean {
  let table: readonly ReplicaId[] = [];
  let prefixes: readonly number[] = [];
  return ({ replicas, cells }) => {
    if (replicas !== table) {
      table = replicas;
      prefixes = replicas.map((replica) => known.vector.get(replica));
    }
    let at: number = COLUMN.touched;
    for (let row = 0; row < prefixes.length; row++, at += COLUMNS) {
      const touched = cells[at] ?? 0;
      if (touched > (prefixes[row] ?? 0) && !known.covers(replicas[row] ?? "", touched)) return true;
    }
    return false;
  };
}

/** An empty text means that somebody cleared it. */
function textOrNull(text: string | null): string | null {
  return text === "" ? null : text;
}
