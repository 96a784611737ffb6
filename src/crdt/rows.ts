import type { ReplicaId } from "./dot.js";
import { compareText } from "./lattice.js";

/** Columns of a row: what they are for says `item-state.ts`. */
export const COLUMNS = 10;

/**
 * A row of natural numbers for each replica, joined cell by cell by the maximum: every column is a version vector, and all of
 * an item's are kept together because they are read, joined and sent together. Rows never change, so that a list, its copies
 * and its deltas share them.
 */
export interface Rows {
  /** In order. */
  readonly replicas: readonly ReplicaId[];
  /** Row after row, each with all its columns: one array is copied and compared many times as fast as one a row. */
  readonly cells: readonly number[];
}

export const NO_ROWS: Rows = { replicas: [], cells: [] };

const NEW_ROW: readonly number[] = [...new Array<number>(COLUMNS)].map(() => 0);

/** A single row; what is left out of it is 0. */
export function rowOf(replica: ReplicaId, cells: readonly number[]): Rows {
  return { replicas: [replica], cells: NEW_ROW.map((zero, column) => cells[column] ?? zero) };
}

/** One replica's cell, 0 where it has no row. */
export function cellOf({ replicas, cells }: Rows, replica: ReplicaId, column: number): number {
  const row = replicas.indexOf(replica);
  return row < 0 ? 0 : (cells[row * COLUMNS + column] ?? 0);
}

/** The largest of one replica's cells from a column on. */
export function mostOf({ replicas, cells }: Rows, replica: ReplicaId, column: number): number {
  const row = replicas.indexOf(replica);
  let most = 0;
  if (row >= 0)
    for (let at = row * COLUMNS + column; at < (row + 1) * COLUMNS; at++) most = Math.max(most, cells[at] ?? 0);
  return most;
}

/** Which replicas items have rows of: most items of a list have the same few, and one array for all is compared at once. */
const tables = new Map<string, readonly ReplicaId[]>();
const [MOST_TABLES, MOST_SHARED] = [1_000, 8];

function shared(replicas: readonly ReplicaId[]): readonly ReplicaId[] {
  if (replicas.length > MOST_SHARED) return replicas;
  const name = replicas.join();
  const known = tables.get(name);
  if (known !== undefined && isSame(known, replicas)) return known;
  if (tables.size >= MOST_TABLES) tables.clear();
  tables.set(name, replicas);
  return replicas;
}

/** Rows that nobody has seen yet. */
export function madeRows(replicas: readonly ReplicaId[], cells: readonly number[]): Rows {
  return { replicas: shared(replicas), cells };
}

/**
 * Other rows, in which there is one of the replica's.
 * @param change raises what it wants to in a copy of all cells; the replica's row begins at `at`
 */
export function changed(
  { replicas, cells }: Rows,
  replica: ReplicaId,
  change: (cells: number[], at: number) => void,
): Rows {
  const row = replicas.indexOf(replica);
  if (row >= 0) {
    const copy = cells.slice();
    change(copy, row * COLUMNS);
    return { replicas, cells: copy };
  }
  const place = replicas.filter((other) => other < replica).length;
  const copy = cells.toSpliced(place * COLUMNS, 0, ...NEW_ROW);
  change(copy, place * COLUMNS);
  return madeRows(replicas.toSpliced(place, 0, replica), copy);
}

/** The sum of a column. */
export function total({ cells }: Rows, column: number): number {
  let sum = 0;
  for (let at = column; at < cells.length; at += COLUMNS) sum += cells[at] ?? 0;
  return sum;
}

/** The least rows that are no less than both: one of the two where the other adds nothing to it. */
export function joinRows(a: Rows, b: Rows): Rows {
  if (a.cells === b.cells || b.replicas.length === 0) return a;
  if (a.replicas.length === 0) return b;
  if (!isSame(a.replicas, b.replicas)) return mergeRows(a, b);
  const [own, other] = [a.cells, b.cells];
  let [isA, isB] = [true, true];
  for (let at = 0; at < own.length; at++) {
    const [x, y] = [own[at] ?? 0, other[at] ?? 0];
    if (x < y) isA = false;
    else if (y < x) isB = false;
  }
  if (isA) return a;
  if (isB) return b;
  return { replicas: a.replicas, cells: own.map((cell, at) => Math.max(cell, other[at] ?? 0)) };
}

function isSame(a: readonly ReplicaId[], b: readonly ReplicaId[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** Of different replicas. */
function mergeRows(a: Rows, b: Rows): Rows {
  const replicas: ReplicaId[] = [];
  const cells: number[] = [];
  let [isA, isB, at, bt] = [true, true, 0, 0];
  while (at < a.replicas.length || bt < b.replicas.length) {
    const [ofA, ofB] = [a.replicas[at], b.replicas[bt]];
    const order = ofA === undefined ? 1 : ofB === undefined ? -1 : compareText(ofA, ofB);
    replicas.push((order <= 0 ? ofA : ofB) ?? "");
    if (order > 0) isA = false;
    else if (order < 0) isB = false;
    for (let column = 0; column < COLUMNS; column++) {
      const x = order <= 0 ? (a.cells[at * COLUMNS + column] ?? 0) : 0;
      const y = order >= 0 ? (b.cells[bt * COLUMNS + column] ?? 0) : 0;
      if (x < y) isA = false;
      else if (y < x) isB = false;
      cells.push(Math.max(x, y));
    }
    if (order <= 0) at++;
    if (order >= 0) bt++;
  }
  return isA ? a : isB ? b : madeRows(replicas, cells);
}
