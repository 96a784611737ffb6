import { GCounter } from "./gcounter.js";
import type { Rows } from "./rows.js";

/** How many columns it takes. */
export const PNCOUNTER_COLUMNS = 2;

/** A counter that goes both ways: two grow-only counters and their difference (Shapiro et al. 2011, specification 7). */
export class PNCounter {
  readonly increments: GCounter;
  readonly decrements: GCounter;

  /** @param column the first of its two */
  constructor(rows: Rows, column: number) {
    this.increments = new GCounter(rows, column);
    this.decrements = new GCounter(rows, column + 1);
  }

  value(): number {
    return this.increments.value() - this.decrements.value();
  }
}

/** Adds `change`, which may be negative, to one replica's cells. */
export function count(cells: number[], column: number, change: number): void {
  const at = change < 0 ? column + 1 : column;
  cells[at] = (cells[at] ?? 0) + Math.abs(change);
}
