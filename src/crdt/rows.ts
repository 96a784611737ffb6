import type { ReplicaId } from "./dot.js";

/** One replica's row: natural numbers by column, without the zeros at the end. */
export interface Row {
  readonly replica: ReplicaId;
  readonly cells: Cells;
}

export type Cells = readonly number[];

/**
 * A row of natural numbers for each replica, joined cell by cell by the maximum: every column is a version vector, and all of
 * an item's are kept together because they are read, joined and sent together. In order of replicas. Rows never change, so
 * that a list, its copies and its deltas share them.
 */
export type Rows = readonly Row[];

const NONE: Cells = [];

export function cellsOf(rows: Rows, replica: ReplicaId): Cells {
  for (const row of rows) if (row.replica === replica) return row.cells;
  return NONE;
}

/** The rows with one replica's as `cells` says, which are no less than what was there. */
export function withCells(rows: Rows, replica: ReplicaId, cells: Cells): Rows {
  const changed = rows.slice();
  let at = 0;
  for (const row of rows) {
    if (row.replica >= replica) break;
    at++;
  }
  changed.splice(at, rows[at]?.replica === replica ? 1 : 0, { replica, cells: trimmed(cells) });
  return changed;
}

/** The sum of a column. */
export function total(rows: Rows, column: number): number {
  let sum = 0;
  for (const { cells } of rows) sum += cells[column] ?? 0;
  return sum;
}

/** The least rows that are no less than both: one of the two where the other adds nothing to it. */
export function joinRows(a: Rows, b: Rows): Rows {
  if (a === b) return a;
  const joined: Row[] = [];
  let [isA, isB] = [true, true];
  let bt = 0;
  for (const own of a) {
    let other = b[bt];
    for (; other !== undefined && other.replica < own.replica; other = b[++bt]) {
      joined.push(other);
      isA = false;
    }
    const row = other?.replica === own.replica ? joinRow(own, other) : own;
    if (other?.replica === own.replica) bt++;
    isA &&= row === own;
    isB &&= row === other;
    joined.push(row);
  }
  if (bt < b.length) return isB ? b : [...joined, ...b.slice(bt)];
  return isA ? a : isB ? b : joined;
}

/** Of the same replica. */
function joinRow(a: Row, b: Row): Row {
  if (a === b) return a;
  const [more, less] = a.cells.length >= b.cells.length ? [a, b] : [b, a];
  const [cells, others] = [more.cells, less.cells];
  let [isMore, isLess] = [true, cells.length === others.length];
  for (let column = 0; column < others.length; column++) {
    const [own, other] = [cells[column] ?? 0, others[column] ?? 0];
    if (own < other) isMore = false;
    else if (other < own) isLess = false;
  }
  if (isMore) return more;
  if (isLess) return less;
  return { replica: a.replica, cells: cells.map((cell, column) => Math.max(cell, others[column] ?? 0)) };
}

/** Without the zeros at the end. */
export function trimmed(cells: Cells): Cells {
  let { length } = cells;
  while (length > 0 && cells[length - 1] === 0) length--;
  return length === cells.length ? cells : cells.slice(0, length);
}
