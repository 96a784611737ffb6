import { AWORSet } from "./aworset.js";
import type { Dot, ReplicaId } from "./dot.js";
import { DotContext } from "./dot-context.js";
import { History, type Operation, type OperationKind } from "./history.js";
import { ItemCounter } from "./item-counter.js";
import { foldedNameOf, itemKey, unitOf, type ItemKey } from "./item-key.js";
import { joinMaps, type Lattice } from "./lattice.js";
import { LIMITS, LimitExceededError } from "./limits.js";
import { Details } from "./details.js";
import { LwwRegister, type Stamp } from "./lww-register.js";

/** Who makes an operation. `id` is random and unique to the operation, `at` the wall clock in milliseconds since 1970. */
export interface Author {
  readonly replica: ReplicaId;
  readonly id: string;
  readonly at: number;
  /** The account that is logged in, if any. */
  readonly by?: string | null;
}

/** How many of an item are wanted and how many are in the basket. */
export class Amounts implements Lattice<Amounts> {
  readonly needed = new ItemCounter();
  readonly acquired = new ItemCounter();

  join(other: Amounts): void {
    this.needed.join(other.needed);
    this.acquired.join(other.acquired);
  }
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

/** What one operation does; text that is left out stays as it is, an empty text clears. */
interface Effect {
  readonly kind: OperationKind;
  readonly key: ItemKey | null;
  readonly needed?: number;
  readonly acquired?: number;
  readonly label?: string | undefined;
  readonly note?: string | undefined;
  readonly aisle?: string | undefined;
  readonly staple?: string | undefined;
  readonly text?: string;
}

/**
 * A shared shopping list: a product of small lattices (docs/crdt.md). Every mutator mints one dot, changes this value and
 * returns a delta, which is itself a `ShoppingList`: all that the author knows of the item it touched, under the new dot
 * alone. Deltas may be lost, repeated and reordered; whoever has a dot in `seen` has all effects of that operation.
 */
export class ShoppingList implements Lattice<ShoppingList> {
  readonly seen = new DotContext();
  readonly items = new AWORSet<ItemKey>();
  readonly amounts = new Map<ItemKey, Amounts>();
  readonly details = new Map<ItemKey, Details>();
  readonly name = new LwwRegister<string>();
  /** Deletion hides a list and never erases it, so that its owner can take it back. */
  readonly deleted = new LwwRegister<boolean>();
  /** The aisles in walking order, a line each. One register: two who rearrange a shop at once want one of both orders, whole. */
  readonly order = new LwwRegister<string>();
  readonly history = new History();
  /** Each replica's newest operation id, stamped with its counter: tells a copied data folder from the original. */
  readonly newest = new Map<ReplicaId, LwwRegister<string>>();

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
    const stale = !this.items.has(key) && (this.details.get(key)?.peek("note")?.get() ?? "") !== "";
    const note = text.note ?? (stale ? "" : undefined);
    // While the item is on the list its first spelling stays, so that a second helping changes nothing but the amount.
    const spelling = this.items.has(key) ? undefined : label;
    return this.#operate(author, { kind: "add", key, needed: amount, label: spelling, note, aisle: text.aisle });
  }

  /** Wants `total` thousandths in all: an increment by what is missing from the total seen here. */
  need(author: Author, key: ItemKey, total: number): ShoppingList {
    return this.#operate(author, { kind: "need", key, needed: total - this.#neededOf(key) });
  }

  /** Puts `amount` thousandths in the basket, or takes them back out when negative. */
  acquire(author: Author, key: ItemKey, amount: number): ShoppingList {
    return this.#operate(author, { kind: amount < 0 ? "ungot" : "got", key, acquired: amount });
  }

  annotate(author: Author, key: ItemKey, note: string): ShoppingList {
    return this.#operate(author, { kind: "note", key, note, text: note });
  }

  fileUnder(author: Author, key: ItemKey, aisle: string): ShoppingList {
    return this.#operate(author, { kind: "aisle", key, aisle, text: aisle });
  }

  /** Says when the item comes back by itself; an empty rule ends that. An item that is not on the list stays off it. */
  setStaple(author: Author, key: ItemKey, staple: string): ShoppingList {
    return this.#operate(author, { kind: "staple", key, staple, text: staple });
  }

  /** Takes earlier changes of the author back by their opposite. */
  compensate(author: Author, key: ItemKey, needed: number, acquired: number, label: string): ShoppingList {
    const spelling = this.items.has(key) ? undefined : label;
    return this.#operate(author, { kind: "undo", key, needed, acquired, label: spelling });
  }

  /** Takes the item off the list and its amounts back to zero, as far as this replica has seen them. */
  remove(author: Author, key: ItemKey): ShoppingList {
    const amounts = this.amounts.get(key);
    const needed = 0 - (amounts?.needed.value() ?? 0);
    const acquired = 0 - (amounts?.acquired.value() ?? 0);
    return this.#operate(author, { kind: "remove", key, needed, acquired });
  }

  rename(author: Author, name: string): ShoppingList {
    return this.#operate(author, { kind: "name", key: null, text: name });
  }

  /** @param order the aisles as one walks, a line each */
  arrange(author: Author, order: string): ShoppingList {
    return this.#operate(author, { kind: "order", key: null, text: order });
  }

  setDeleted(author: Author, deleted: boolean): ShoppingList {
    return this.#operate(author, { kind: deleted ? "delete" : "restore", key: null });
  }

  join(other: ShoppingList): void {
    this.seen.join(other.seen);
    this.items.join(other.items);
    joinMaps(this.amounts, other.amounts, () => new Amounts());
    joinMaps(this.details, other.details, () => new Details());
    this.name.join(other.name);
    this.deleted.join(other.deleted);
    this.order.join(other.order);
    this.history.join(other.history);
    joinMaps(this.newest, other.newest, () => new LwwRegister<string>());
  }

  clone(): ShoppingList {
    const copy = new ShoppingList();
    copy.join(this);
    return copy;
  }

  /** All that is known of these items, under no dot: what a delta carries beside the dots it is the effect of. */
  slice(keys: Iterable<ItemKey>): ShoppingList {
    const slice = new ShoppingList();
    const wanted = [...keys];
    slice.items.join(this.items.slice(wanted));
    for (const key of wanted) {
      const amounts = this.amounts.get(key);
      if (amounts !== undefined) joinMaps(slice.amounts, new Map([[key, amounts]]), () => new Amounts());
      const details = this.details.get(key);
      if (details !== undefined) joinMaps(slice.details, new Map([[key, details]]), () => new Details());
    }
    return slice;
  }

  /**
   * Exactly what a reader whose `seen` is `known` lacks: every item with a touch outside `known`, under the dots outside
   * `known`. Joining the answer makes the reader's `seen` include this one's. Empty when nothing is lacking.
   */
  lacking(known: DotContext): ShoppingList {
    if (known.includesAll(this.seen)) return new ShoppingList();
    const lacking = this.slice(this.#keysTouchedOutside(known));
    lacking.seen.join(this.seen.without(known));
    lacking.name.join(this.name);
    lacking.deleted.join(this.deleted);
    lacking.order.join(this.order);
    for (const operation of this.history.operations()) {
      if (!known.has(operation.dot)) lacking.history.record(operation);
    }
    for (const [replica, register] of this.newest) {
      const counter = register.written()?.stamp.time ?? 0;
      if (!known.has({ replica, counter })) joinMaps(lacking.newest, new Map([[replica, register]]), newRegister);
    }
    return lacking;
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
    const amounts = this.amounts.get(key);
    const details = this.details.get(key);
    return {
      key,
      name: details?.label.get() ?? foldedNameOf(key),
      unit: unitOf(key),
      needed: amounts?.needed.value() ?? 0,
      acquired: amounts?.acquired.value() ?? 0,
      note: textOrNull(details?.peek("note")),
      aisle: textOrNull(details?.peek("aisle")),
      staple: textOrNull(details?.peek("staple")),
    };
  }

  #neededOf(key: ItemKey): number {
    return this.amounts.get(key)?.needed.value() ?? 0;
  }

  #operate(author: Author, effect: Effect): ShoppingList {
    const dot: Dot = { replica: author.replica, counter: this.seen.newest(author.replica) + 1 };
    const time = this.#newestTimeFor(effect.key) + 1;
    this.#requireRoom(dot, time, effect);
    const operation: Operation = {
      dot,
      time,
      at: author.at,
      id: author.id,
      kind: effect.kind,
      key: effect.key,
      needed: effect.needed ?? 0,
      acquired: effect.acquired ?? 0,
      text: effect.text ?? null,
      by: author.by ?? null,
      after: this.history.frontier(effect.key, dot.replica),
    };
    if (effect.key !== null) this.#applyToItem(effect.key, effect, dot, time);
    const delta = this.slice(effect.key === null ? [] : [effect.key]);
    const stamp: Stamp = { time, replica: dot.replica };
    if (effect.kind === "name") delta.name.write(effect.text ?? "", stamp);
    if (effect.kind === "order") delta.order.write(effect.text ?? "", stamp);
    if (effect.kind === "delete" || effect.kind === "restore") delta.deleted.write(effect.kind === "delete", stamp);
    delta.seen.add(dot);
    delta.history.record(operation);
    const newest = newRegister();
    newest.write(author.id, { time: dot.counter, replica: dot.replica });
    delta.newest.set(dot.replica, newest);
    this.join(delta);
    return delta;
  }

  #applyToItem(key: ItemKey, effect: Effect, dot: Dot, time: number): void {
    const amounts = this.#amountsOf(key);
    if (effect.kind === "remove") {
      this.items.remove(key, dot);
      amounts.needed.cancel();
      amounts.acquired.cancel();
      return;
    }
    // What is only said about an item that is off the list does not put it there.
    if (effect.kind === "staple" && !this.items.has(key)) this.items.remove(key, dot);
    else this.items.add(key, dot);
    amounts.needed.add(dot.replica, effect.needed ?? 0);
    amounts.acquired.add(dot.replica, effect.acquired ?? 0);
    const details = this.#detailsOf(key);
    const stamp: Stamp = { time, replica: dot.replica };
    if (effect.label !== undefined && effect.label !== details.label.get()) details.label.write(effect.label, stamp);
    if (effect.note !== undefined) details.of("note").write(effect.note, stamp);
    if (effect.aisle !== undefined) details.of("aisle").write(effect.aisle, stamp);
    if (effect.staple !== undefined) details.of("staple").write(effect.staple, stamp);
  }

  /** Later than every operation known and than every text that this one may replace. */
  #newestTimeFor(key: ItemKey | null): number {
    const replaced = key === null ? [this.name, this.deleted, this.order] : (this.details.get(key)?.registers() ?? []);
    return Math.max(this.history.newestTime(), ...replaced.map((register) => register.written()?.stamp.time ?? 0));
  }

  /** What a decoder would refuse must never be made. @throws LimitExceededError */
  #requireRoom(dot: Dot, time: number, { key, needed, acquired, ...texts }: Effect): void {
    if (Math.max(dot.counter, time) > LIMITS.counter)
      throw new LimitExceededError("this list cannot take any more changes");
    for (const text of [texts.label, texts.note, texts.aisle, texts.staple, texts.text]) {
      if ((text?.length ?? 0) > LIMITS.textLength)
        throw new LimitExceededError(`a text may have ${LIMITS.textLength} characters`);
    }
    if (key === null) return;
    if (key.length > LIMITS.keyLength)
      throw new LimitExceededError("the name is too long, written out in plain characters");
    if (this.items.entries().size >= LIMITS.items && !this.items.entries().has(key)) {
      throw new LimitExceededError(`a list can hold ${LIMITS.items} different items over its life`);
    }
    const amounts = this.amounts.get(key);
    for (const [counter, change] of [
      [amounts?.needed.counted, needed ?? 0],
      [amounts?.acquired.counted, acquired ?? 0],
    ] as const) {
      const counted = change < 0 ? counter?.down(dot.replica) : counter?.up(dot.replica);
      if ((counted ?? 0) + Math.abs(change) <= LIMITS.counterTotal) continue;
      throw new LimitExceededError(`one device can count to ${LIMITS.counterTotal / 1_000} of an item, not further`);
    }
  }

  #amountsOf(key: ItemKey): Amounts {
    let amounts = this.amounts.get(key);
    if (amounts === undefined) this.amounts.set(key, (amounts = new Amounts()));
    return amounts;
  }

  #detailsOf(key: ItemKey): Details {
    let details = this.details.get(key);
    if (details === undefined) this.details.set(key, (details = new Details()));
    return details;
  }

  *#keysTouchedOutside(known: DotContext): Iterable<ItemKey> {
    for (const [key, presence] of this.items.entries()) {
      for (const [replica, counter] of presence.touched.entries()) {
        if (known.has({ replica, counter })) continue;
        yield key;
        break;
      }
    }
  }
}

function newRegister(): LwwRegister<string> {
  return new LwwRegister<string>();
}

/** An empty text means that somebody cleared it. */
function textOrNull(register: LwwRegister<string> | undefined): string | null {
  const text = register?.get() ?? "";
  return text === "" ? null : text;
}
