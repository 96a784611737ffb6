import { PNCounter, PNCOUNTER_COLUMNS } from "./pncounter.js";
import type { Rows } from "./rows.js";

/** How many columns it takes. */
export const ITEM_COUNTER_COLUMNS = 2 * PNCOUNTER_COLUMNS;

/**
 * A counter inside an observed-remove map that a remove cancels exactly as far as it saw it. The embedded counters of
 * riak_dt forget or resurrect concurrent increments (Almeida, Baquero, Lerche, "The problem with embedded CRDT counters",
 * PaPoC 2016); here nothing is reset. A remove raises `cancelled` to the `counted` it knows, and the value is their
 * difference, so an increment the remover had not seen survives whole.
 */
export class ItemCounter {
  readonly counted: PNCounter;
  readonly cancelled: PNCounter;

  /** @param column the first of its four */
  constructor(rows: Rows, column: number) {
    this.counted = new PNCounter(rows, column);
    this.cancelled = new PNCounter(rows, column + PNCOUNTER_COLUMNS);
  }

  value(): number {
    return this.counted.value() - this.cancelled.value();
  }
}

/** Raises what of one replica's counting is cancelled to all of it. */
export function cancel(cells: number[], column: number): void {
  for (let at = column; at < column + PNCOUNTER_COLUMNS; at++) cells[at + PNCOUNTER_COLUMNS] = cells[at] ?? 0;
}

/** Where what was counted stands, and where what of it is cancelled. */
export function takenOffOf(column: number): readonly [counted: number, cancelled: number][] {
  return [column, column + 1].map((at) => [at, at + PNCOUNTER_COLUMNS]);
}
