import { compareDots, type Dot, type ReplicaId } from "./dot.js";
import { DotContext, type DotRange } from "./dot-context.js";
import { compareOperations, HISTORY_LENGTH, MOST_AFTER, OPERATION_KINDS, type Operation } from "./history.js";
import type { ItemKey } from "./item-key.js";
import { FORMAT, LIMITS, READABLE } from "./limits.js";
import { COLUMN, ItemState } from "./item-state.js";
import { LwwRegister, type Written } from "./lww-register.js";
import { array, boolean, identifier, integer, natural, positive, require, requireAscending, text } from "./shape.js";
import { COLUMNS, madeRows, type Rows } from "./rows.js";
import { ShoppingList } from "./shopping-list.js";

export { MalformedStateError } from "./shape.js";

/**
 * The list whose canonical form `encoded` is; see `encodeList`.
 * @throws MalformedStateError for any other value: encoding what is accepted gives back the same bytes.
 */
export function decodeList(encoded: unknown): ShoppingList {
  const [format, replicaTable, prefixes, cloud, newest, name, deleted, items, history, ...extras] = array(encoded, 9);
  require(format === FORMAT, `format ${String(format).slice(0, 20)} is not one this version reads`);
  const list = new ShoppingList();
  const replicas = decodeReplicas(replicaTable);
  const isUsed = replicas.map(() => false);
  const replicaAt = (encodedIndex: unknown): ReplicaId => {
    const index = natural(encodedIndex, READABLE.replicas);
    const replica = replicas[index];
    require(replica !== undefined, "index outside the table of replicas");
    isUsed[index] = true;
    return replica;
  };
  decodePrefixes(list.seen, prefixes, replicas);
  decodeCloud(list.seen, cloud, replicaAt);
  decodeNewest(list, newest, replicaAt);
  decodeRegister(list.name, name, replicaAt, listText);
  decodeRegister(list.deleted, deleted, replicaAt, boolean);
  decodeItems(list, items, replicaAt);
  decodeHistory(list, history, replicaAt);
  decodeExtras(list, extras, replicaAt);
  require(replicas.every(
    (replica, index) => isUsed[index] === true || list.seen.vector.get(replica) > 0,
  ), "a replica that nothing refers to");
  return list;
}

/** Only what is seen, of a list whose canonical form `encoded` is known to be. @throws MalformedStateError */
export function decodeSeen(encoded: unknown): DotContext {
  const [, replicaTable, prefixes, cloud] = array(encoded, 9);
  const seen = new DotContext();
  const replicas = decodeReplicas(replicaTable);
  decodePrefixes(seen, prefixes, replicas);
  decodeCloud(seen, cloud, (index) => replicas[natural(index, READABLE.replicas)] ?? "");
  return seen;
}

/** The context whose form `encoded` is; see `encodeContext`. @throws MalformedStateError */
export function decodeContext(encoded: unknown): DotContext {
  const context = new DotContext();
  let previous = "";
  let ranges = 0;
  const rows = array(encoded);
  require(rows.length <= READABLE.replicas, "too many replicas");
  for (const row of rows) {
    const [id, prefix, ...ahead] = array(row, 2);
    const replica = identifier(id, LIMITS.replicaIdLength);
    require(replica > previous, "replicas out of order");
    previous = replica;
    const covered = natural(prefix);
    require(covered > 0 || ahead.length > 0, "empty entry");
    ranges += ahead.length / 2;
    require(ranges <= READABLE.cloud, "too many ranges of dots");
    if (covered > 0) context.vector.raise(replica, covered);
    addAhead(context, replica, ahead);
  }
  return context;
}

type ReplicaAt = (index: unknown) => ReplicaId;

function decodeReplicas(encoded: unknown): readonly ReplicaId[] {
  const replicas = array(encoded).map((id) => identifier(id, LIMITS.replicaIdLength));
  require(replicas.length <= READABLE.replicas, "too many replicas");
  requireAscending(replicas, "replicas");
  return replicas;
}

function decodePrefixes(seen: DotContext, encoded: unknown, replicas: readonly ReplicaId[]): void {
  const prefixes = array(encoded);
  require(prefixes.length <= replicas.length, "more counters than replicas");
  require(prefixes.at(-1) !== 0, "trailing zero");
  prefixes.forEach((prefix, index) => seen.vector.raise(replicas[index] ?? "", natural(prefix)));
}

function decodeCloud(seen: DotContext, encoded: unknown, replicaAt: ReplicaAt): void {
  let previous = -1;
  let ranges = 0;
  for (const row of array(encoded)) {
    const [index, ...ahead] = array(row, 3);
    require(natural(index) > previous, "cloud out of order");
    previous = natural(index);
    ranges += ahead.length / 2;
    require(ranges <= READABLE.cloud, "too many ranges of dots");
    addAhead(seen, replicaAt(index), ahead);
  }
}

/** @param bounds from, to, from, to... in order, apart from each other and from the prefix */
function addAhead(context: DotContext, replica: ReplicaId, bounds: readonly unknown[]): void {
  require(bounds.length % 2 === 0 && bounds.length <= 2 * READABLE.cloud, "odd or too many ranges of dots");
  let previous = context.vector.get(replica);
  const ranges: DotRange[] = [];
  for (let index = 0; index < bounds.length; index += 2) {
    const [from, to] = [natural(bounds[index]), natural(bounds[index + 1])];
    require(from > previous + 1 && to >= from, "ranges of dots out of order or not apart");
    previous = to;
    ranges.push({ replica, from, to });
  }
  context.addRanges(replica, ranges);
}

function decodeNewest(list: ShoppingList, encoded: unknown, replicaAt: ReplicaAt): void {
  let previous = -1;
  for (const row of array(encoded)) {
    const [index, counter, id, ...rest] = array(row, 3);
    require(natural(index) > previous && rest.length === 0, "newest operations out of order");
    previous = natural(index);
    const replica = replicaAt(index);
    const stamp = { time: positive(counter), replica };
    list.newest.set(replica, { stamp, value: identifier(id, LIMITS.operationIdLength) });
  }
}

/** Where the rows begin in what is encoded of an item. */
const ROWS_AT = 4;

function decodeItems(list: ShoppingList, encoded: unknown, replicaAt: ReplicaAt): void {
  const items = array(encoded);
  require(items.length <= READABLE.items, `more than ${READABLE.items} items`);
  let previous: ItemKey | null = null;
  for (const one of items) {
    // Not taken apart by a pattern, here and below, which takes as long as all the rest.
    const item = array(one, ROWS_AT + 1);
    const key = itemKey(item[0]);
    require(previous === null || key > previous, "items out of order");
    previous = key;
    const textAt = (at: number): Written<string> | null => decodeWritten(item[at], replicaAt, listText);
    list.items.put(key, new ItemState(decodeRows(item, replicaAt), textAt(1), textAt(2), textAt(3), null));
  }
}

function decodeRows(item: readonly unknown[], replicaAt: ReplicaAt): Rows {
  let previous = -1;
  const replicas: ReplicaId[] = [];
  const cells: number[] = [];
  for (let at = ROWS_AT; at < item.length; at++) {
    const row = array(item[at], 2);
    require(row.length <= 1 + COLUMNS && row.at(-1) !== 0, "row of an item is too long or padded");
    const index = natural(row[0]);
    require(index > previous, "rows of an item out of order");
    previous = index;
    replicas.push(replicaAt(index));
    const from = cells.length;
    for (let column = 1; column <= COLUMNS; column++) cells.push(column < row.length ? natural(row[column]) : 0);
    requirePresence(cells, from);
    requireCounter(cells, from + COLUMN.needed);
    requireCounter(cells, from + COLUMN.acquired);
  }
  return madeRows(replicas, cells);
}

/** @param at where the row begins */
function requirePresence(cells: readonly number[], at: number): void {
  const touched = positive(cells[at + COLUMN.touched]);
  require(natural(cells[at + COLUMN.removed]) <= touched, "removed beyond what was touched");
}

/** @param at where the counter begins */
function requireCounter(cells: readonly number[], at: number): void {
  const cell = (index: number): number => natural(cells[at + index], LIMITS.counterTotal);
  require(cell(2) <= cell(0) && cell(3) <= cell(1), "cancelled beyond what was counted");
}

function decodeHistory(list: ShoppingList, encoded: unknown, replicaAt: ReplicaAt): void {
  const rows = array(encoded);
  require(rows.length <= HISTORY_LENGTH, "history is too long");
  let previous: Operation | null = null;
  for (const row of rows) {
    const [index, counter, time, at, id, code, key, needed, acquired, note, ...who] = array(row, 10);
    const kind = OPERATION_KINDS[natural(code)];
    const [by = null, ...after] = who;
    require(kind !== undefined && (who.length !== 1 || by !== null), "unknown operation");
    const operation: Operation = {
      dot: { replica: replicaAt(index), counter: positive(counter) },
      time: positive(time),
      at: natural(at),
      id: identifier(id, LIMITS.operationIdLength),
      kind,
      key: key === null ? null : text(LIMITS.keyLength)(key),
      needed: integer(needed),
      acquired: integer(acquired),
      text: note === null ? null : text(LIMITS.textLength)(note),
      by: by === null ? null : text(LIMITS.authorLength)(by),
      after: decodeAfter(after, replicaAt),
    };
    require(previous === null || compareOperations(operation, previous) > 0, "history out of order");
    previous = operation;
    list.history.record(operation);
  }
}

/** @param encoded replica, counter, replica, counter..., in order */
function decodeAfter(encoded: readonly unknown[], replicaAt: ReplicaAt): readonly Dot[] {
  require(encoded.length % 2 === 0 && encoded.length <= 2 * MOST_AFTER, "odd or too many operations before it");
  const dots: Dot[] = [];
  for (let index = 0; index < encoded.length; index += 2) {
    const dot = { replica: replicaAt(encoded[index]), counter: positive(encoded[index + 1]) };
    const previous = dots.at(-1);
    require(previous === undefined || compareDots(previous, dot) < 0, "operations before it out of order");
    dots.push(dot);
  }
  return dots;
}

function decodeExtras(list: ShoppingList, extras: readonly unknown[], replicaAt: ReplicaAt): void {
  if (extras.length === 0) return;
  const [order, staples, ...rest] = extras;
  require(rest.length === 0 && (extras.length === 2 || order !== 0), "unknown part after the history");
  decodeRegister(list.order, order, replicaAt, listText);
  if (extras.length === 1) return;
  const rows = array(staples, 1);
  let previous: ItemKey | null = null;
  for (const row of rows) {
    const [key, staple, ...more] = array(row, 2);
    const item = typeof key === "string" ? list.items.get(key) : undefined;
    require(item !== undefined && more.length === 0 && staple !== 0, "a staple that is no item");
    require(previous === null || (key as ItemKey) > previous, "staples out of order");
    previous = key as ItemKey;
    const { label, note, aisle } = item;
    const written = decodeWritten(staple, replicaAt, listText);
    list.items.put(previous, new ItemState(item, label, note, aisle, written));
  }
}

const listText = text(LIMITS.textLength);
const itemKey = text(LIMITS.keyLength);

function decodeRegister<T extends string | boolean>(
  register: LwwRegister<T>,
  encoded: unknown,
  replicaAt: ReplicaAt,
  decodeValue: (value: unknown) => T,
): void {
  const written = decodeWritten(encoded, replicaAt, decodeValue);
  if (written !== null) register.write(written.value, written.stamp);
}

function decodeWritten<T extends string | boolean>(
  encoded: unknown,
  replicaAt: ReplicaAt,
  decodeValue: (value: unknown) => T,
): Written<T> | null {
  if (encoded === 0) return null;
  const register = array(encoded, 3);
  require(register.length === 3, "register is too long");
  return { value: decodeValue(register[2]), stamp: { time: positive(register[0]), replica: replicaAt(register[1]) } };
}
