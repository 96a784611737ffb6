import type { Kept } from "./aworset.js";
import type { Dot, ReplicaId } from "./dot.js";
import { cancel, ITEM_COUNTER_COLUMNS, ItemCounter, takenOffOf } from "./item-counter.js";
import type { ItemKey } from "./item-key.js";
import { lastOf, type Stamp, type Written } from "./lww-register.js";
import { count } from "./pncounter.js";
import { cellOf, changed, COLUMNS, joinRows, NO_ROWS, rowOf, type Rows } from "./rows.js";

/** The text about an item: its name as typed, a note, the aisle it stands in, when it comes back by itself (`staple.ts`). */
export const TEXTS = ["label", "note", "aisle", "staple"] as const;

export type TextName = (typeof TEXTS)[number];

type Text = Written<string> | null;

/** What is written about an item: an empty text clears, and what is left out stays. */
export type Texts = Readonly<Partial<Record<TextName, string | undefined>>>;

/** Where each part begins in a replica's row. */
export const COLUMN = {
  /** The counter of the replica's last operation on the item. */
  touched: 0,
  /** How much of that removes have seen. */
  removed: 1,
  needed: 2,
  acquired: 2 + ITEM_COUNTER_COLUMNS,
} as const;

const COLUMN_NUMBERS = [...new Array(COLUMNS).keys()];

/** In which column stands how much of another one removes have seen. */
const TAKEN_OFF: ReadonlyMap<number, number> = new Map([
  [COLUMN.touched, COLUMN.removed],
  ...[COLUMN.needed, COLUMN.acquired].flatMap(takenOffOf),
]);

/**
 * All that is known of one item: whether it is on the list, how many are wanted and how many are in the basket, and the text
 * about it. A product of maxima and last-writer-wins registers, so that its join needs no causal context. Never changed:
 * every operation makes another one, which shares what stayed.
 */
export class ItemState implements Rows, Kept<ItemKey, ItemState> {
  readonly replicas: readonly ReplicaId[];
  readonly cells: readonly number[];

  constructor(
    rows: Rows,
    readonly label: Text,
    readonly note: Text,
    readonly aisle: Text,
    readonly staple: Text,
  ) {
    this.replicas = rows.replicas;
    this.cells = rows.cells;
  }

  /** Present while some replica's last operation is one that no remove has seen: adds win over concurrent removes. */
  get isPresent(): boolean {
    const { cells } = this;
    for (let at = 0; at < cells.length; at += COLUMNS)
      if ((cells[at + COLUMN.touched] ?? 0) > (cells[at + COLUMN.removed] ?? 0)) return true;
    return false;
  }

  get needed(): ItemCounter {
    return new ItemCounter(this, COLUMN.needed);
  }

  get acquired(): ItemCounter {
    return new ItemCounter(this, COLUMN.acquired);
  }

  /** The counter of a replica's last operation on the item, 0 where there is none. */
  touchedBy(replica: ReplicaId): number {
    return cellOf(this, replica, COLUMN.touched);
  }

  /** All of it, in the order of `TEXTS`. */
  get texts(): readonly Text[] {
    return [this.label, this.note, this.aisle, this.staple];
  }

  /** The Lamport time of the last write to any of its texts, 0 before the first. */
  get newestTime(): number {
    const { label, note, aisle, staple } = this;
    return Math.max(timeOf(label), timeOf(note), timeOf(aisle), timeOf(staple));
  }

  /** What was written last, an empty text where somebody cleared it; null where nobody ever wrote. */
  text(name: TextName): string | null {
    return this[name]?.value ?? null;
  }

  /** Whether it comes back by itself. */
  get isStaple(): boolean {
    return (this.staple?.value ?? "") !== "";
  }

  /** After an operation that touches the item, and so leaves it on the list or brings it there. */
  touch({ replica, counter }: Dot, needed = 0, acquired = 0): ItemState {
    const rows = changed(this, replica, (cells, at) => {
      touch(cells, at, counter);
      count(cells, at + COLUMN.needed, needed);
      count(cells, at + COLUMN.acquired, acquired);
    });
    return this.#with(rows);
  }

  /** After a remove. It is an operation too: its own dot is touched, then all that is touched and counted is taken off. */
  remove({ replica, counter }: Dot): ItemState {
    const rows = changed(this, replica, (cells, at) => {
      touch(cells, at, counter);
      for (let row = 0; row < cells.length; row += COLUMNS) {
        cells[row + COLUMN.removed] = cells[row + COLUMN.touched] ?? 0;
        cancel(cells, row + COLUMN.needed);
        cancel(cells, row + COLUMN.acquired);
      }
    });
    return this.#with(rows);
  }

  /** After a remove that has not seen all of it: what it has seen is taken off, and what its author did. */
  removeSeen(dot: Dot, seen: ItemState): ItemState {
    const own = COLUMN_NUMBERS.map((column) => cellOf(this, dot.replica, column));
    return this.joined(seen.#with(joinRows(seen, rowOf(dot.replica, own))).remove(dot));
  }

  /** What of it the removes in `later`, a later state of the item, have seen, and `now` has too. */
  asSeenByRemovesIn(later: ItemState, now: ItemState): ItemState {
    let seen = NO_ROWS;
    for (const replica of this.replicas) {
      const cells = COLUMN_NUMBERS.map((column) => {
        const own = Math.min(cellOf(this, replica, column), cellOf(now, replica, column));
        const takenOff = TAKEN_OFF.get(column);
        return takenOff === undefined ? own : Math.min(own, cellOf(later, replica, takenOff));
      });
      // Nobody has a row who has not touched the item.
      if ((cells[COLUMN.touched] ?? 0) > 0) seen = joinRows(seen, rowOf(replica, cells));
    }
    return this.#with(seen);
  }

  write(name: TextName, value: string, stamp: Stamp): ItemState {
    const last = lastOf(this[name], { value, stamp });
    const of = (other: TextName): Text => (other === name ? last : this[other]);
    return new ItemState(this, of("label"), of("note"), of("aisle"), of("staple"));
  }

  joined(other: ItemState): ItemState {
    const rows = joinRows(this, other);
    const label = lastOf(this.label, other.label);
    const note = lastOf(this.note, other.note);
    const aisle = lastOf(this.aisle, other.aisle);
    const staple = lastOf(this.staple, other.staple);
    // Cells are shared together with the replicas that they are of.
    const isOf = (one: ItemState): boolean =>
      rows.cells === one.cells &&
      label === one.label &&
      note === one.note &&
      aisle === one.aisle &&
      staple === one.staple;
    return isOf(this) ? this : isOf(other) ? other : new ItemState(rows, label, note, aisle, staple);
  }

  growth(key: ItemKey, before: ItemState | undefined): number {
    if (before === undefined) return ITEM_BYTES + bytesOf(key) + this.growth(key, UNTOUCHED);
    return (
      (this.replicas.length - before.replicas.length) * ROW_BYTES +
      textGrowth(this.label, before.label) +
      textGrowth(this.note, before.note) +
      textGrowth(this.aisle, before.aisle) +
      textGrowth(this.staple, before.staple)
    );
  }

  #with(rows: Rows): ItemState {
    return new ItemState(rows, this.label, this.note, this.aisle, this.staple);
  }
}

/** Of an item that nobody ever touched. */
export const UNTOUCHED = new ItemState(NO_ROWS, null, null, null, null);

/** What most take at most; a row of nothing but the largest numbers takes 151. */
const [ITEM_BYTES, ROW_BYTES, REGISTER_BYTES] = [16, 56, 24];

function textGrowth(text: Text, before: Text): number {
  return text === before ? 0 : textBytes(text) - textBytes(before);
}

function textBytes(text: Text): number {
  return text === null ? 0 : REGISTER_BYTES + bytesOf(text.value);
}

/** As JSON, in UTF-8. */
function bytesOf(text: string): number {
  return Buffer.byteLength(ESCAPED.test(text) ? JSON.stringify(text) : text);
}

const ESCAPED = /["\\\u0000-\u001f]/;

function timeOf(text: Text): number {
  return text?.stamp.time ?? 0;
}

/** @param at where the replica's row begins */
function touch(cells: number[], at: number, counter: number): void {
  cells[at + COLUMN.touched] = Math.max(cells[at + COLUMN.touched] ?? 0, counter);
}
