import type { Kept } from "./aworset.js";
import type { Dot, ReplicaId } from "./dot.js";
import { cancel, ITEM_COUNTER_COLUMNS, ItemCounter } from "./item-counter.js";
import { lastOf, type Stamp, type Written } from "./lww-register.js";
import { count } from "./pncounter.js";
import { cellsOf, joinRows, trimmed, withCells, type Cells, type Rows } from "./rows.js";

/** The text about an item: its name as typed, a note, the aisle it stands in, when it comes back by itself (`staple.ts`). */
export const TEXTS = ["label", "note", "aisle", "staple"] as const;

export type TextName = (typeof TEXTS)[number];

type Text = Written<string> | null;

/** Where each part begins in a replica's row. */
export const COLUMN = {
  /** The counter of the replica's last operation on the item. */
  touched: 0,
  /** How much of that removes have seen. */
  removed: 1,
  needed: 2,
  acquired: 2 + ITEM_COUNTER_COLUMNS,
} as const;

export const COLUMNS = COLUMN.acquired + ITEM_COUNTER_COLUMNS;

/**
 * All that is known of one item: whether it is on the list, how many are wanted and how many are in the basket, and the text
 * about it. A product of maxima and last-writer-wins registers, so that its join needs no causal context. Never changed:
 * every operation makes another one, which shares what stayed.
 */
export class ItemState implements Kept<ItemState> {
  constructor(
    readonly rows: Rows,
    readonly label: Text,
    readonly note: Text,
    readonly aisle: Text,
    readonly staple: Text,
  ) {}

  /** Present while some replica's last operation is one that no remove has seen: adds win over concurrent removes. */
  get isPresent(): boolean {
    for (const { cells } of this.rows) if ((cells[COLUMN.touched] ?? 0) > (cells[COLUMN.removed] ?? 0)) return true;
    return false;
  }

  get needed(): ItemCounter {
    return new ItemCounter(this.rows, COLUMN.needed);
  }

  get acquired(): ItemCounter {
    return new ItemCounter(this.rows, COLUMN.acquired);
  }

  /** The counter of a replica's last operation on the item, 0 where there is none. */
  touchedBy(replica: ReplicaId): number {
    return cellsOf(this.rows, replica)[COLUMN.touched] ?? 0;
  }

  /** All of it, in the order of `TEXTS`. */
  get texts(): readonly Text[] {
    return [this.label, this.note, this.aisle, this.staple];
  }

  /** What was written last, an empty text where somebody cleared it; null where nobody ever wrote. */
  text(name: TextName): string | null {
    return this[name]?.value ?? null;
  }

  /** After an operation that touches the item, and so leaves it on the list or brings it there. */
  touch({ replica, counter }: Dot, needed = 0, acquired = 0): ItemState {
    const cells = writable(cellsOf(this.rows, replica));
    cells[COLUMN.touched] = Math.max(cells[COLUMN.touched] ?? 0, counter);
    count(cells, COLUMN.needed, needed);
    count(cells, COLUMN.acquired, acquired);
    return this.#with(withCells(this.rows, replica, cells));
  }

  /** After a remove. It is an operation too: its own dot is touched, then all that is touched and counted is taken off. */
  remove(dot: Dot): ItemState {
    const rows = this.touch(dot).rows.map(({ replica, cells }) => {
      const gone = writable(cells);
      gone[COLUMN.removed] = gone[COLUMN.touched] ?? 0;
      cancel(gone, COLUMN.needed);
      cancel(gone, COLUMN.acquired);
      return { replica, cells: trimmed(gone) };
    });
    return this.#with(rows);
  }

  write(name: TextName, value: string, stamp: Stamp): ItemState {
    const last = lastOf(this[name], { value, stamp });
    const of = (other: TextName): Text => (other === name ? last : this[other]);
    return new ItemState(this.rows, of("label"), of("note"), of("aisle"), of("staple"));
  }

  joined(other: ItemState): ItemState {
    const rows = joinRows(this.rows, other.rows);
    const label = lastOf(this.label, other.label);
    const note = lastOf(this.note, other.note);
    const aisle = lastOf(this.aisle, other.aisle);
    const staple = lastOf(this.staple, other.staple);
    const isOf = (one: ItemState): boolean =>
      rows === one.rows && label === one.label && note === one.note && aisle === one.aisle && staple === one.staple;
    return isOf(this) ? this : isOf(other) ? other : new ItemState(rows, label, note, aisle, staple);
  }

  #with(rows: Rows): ItemState {
    return new ItemState(rows, this.label, this.note, this.aisle, this.staple);
  }
}

/** Of an item that nobody ever touched. */
export const UNTOUCHED = new ItemState([], null, null, null, null);

/** A copy with all columns. */
function writable(cells: Cells): number[] {
  const copy = cells.slice();
  while (copy.length < COLUMNS) copy.push(0);
  return copy;
}
