import { createHash } from "node:crypto";
import { replicasOf } from "./capacity.js";
import { DotContext } from "./dot-context.js";
import type { ReplicaId } from "./dot.js";
import { OPERATION_KINDS, type Operation } from "./history.js";
import type { ItemKey } from "./item-key.js";
import type { ItemState } from "./item-state.js";
import { compareText } from "./lattice.js";
import type { Written } from "./lww-register.js";
import { FORMAT } from "./limits.js";
import { COLUMNS } from "./rows.js";
import type { ShoppingList } from "./shopping-list.js";

export { decodeContext, decodeList, decodeSeen, MalformedStateError } from "./decode.js";

/** The empty value of a register, and of any optional cell. */
type Encoded = number | string | boolean | null | readonly Encoded[];

/**
 * The canonical form of a list as a JSON value (specified in docs/crdt.md): arrays alone, keys and replicas in code-unit
 * order, trailing zeros left out. Equal states have equal forms, so equal bytes.
 */
export function encodeList(list: ShoppingList): Encoded {
  const replicas = [...replicasOf(list)].sort(compareText);
  const indexOf = new Map(replicas.map((replica, index) => [replica, index]));
  const at = (replica: ReplicaId): number => {
    const index = indexOf.get(replica);
    if (index === undefined) throw new Error(`invariant: replica ${replica} is not in the table`);
    return index;
  };
  const keys = [...list.items.entries().keys()].sort(compareText);
  return [
    FORMAT,
    replicas,
    prefixesOf(list.seen, replicas),
    cloudRows(list.seen, at),
    newestRows(list, at),
    encodeWritten(list.name.written(), at),
    encodeWritten(list.deleted.written(), at),
    keys.map((key) => encodeItem(key, list.items.get(key), at)),
    list.history.operations().map((operation) => encodeOperation(operation, at)),
    ...encodeExtras(list, keys, at),
  ];
}

/** The walking order and the staples, which most lists have none of; left out then. */
function encodeExtras(list: ShoppingList, keys: readonly ItemKey[], at: IndexOf): readonly Encoded[] {
  const staples = keys.flatMap((key): Encoded[] => {
    const staple = encodeWritten(list.items.get(key)?.staple ?? null, at);
    return staple === 0 ? [] : [[key, staple]];
  });
  const order = encodeWritten(list.order.written(), at);
  return staples.length > 0 ? [order, staples] : order === 0 ? [] : [order];
}

/** The canonical bytes, as text. */
export function encodeListText(list: ShoppingList): string {
  return JSON.stringify(encodeList(list));
}

/** SHA-256 of the canonical bytes, in hexadecimal: equal exactly for equal states. */
export function digestOf(list: ShoppingList): string {
  return createHash("sha256").update(encodeListText(list)).digest("hex");
}

/** A context as `[[replica, prefix, from, to, ...], ...]`, in order of replicas. */
export function encodeContext(context: DotContext): Encoded {
  const cloudOf = cloudByReplica(context);
  const replicas = new Set([...context.vector.replicas(), ...cloudOf.keys()]);
  return [...replicas]
    .sort(compareText)
    .map((replica) => [replica, context.vector.get(replica), ...(cloudOf.get(replica) ?? [])]);
}

type IndexOf = (replica: ReplicaId) => number;

/** Of each replica in turn, without the zeros at the end. */
function prefixesOf({ vector }: DotContext, replicas: readonly ReplicaId[]): Encoded {
  const prefixes = replicas.map((replica) => vector.get(replica));
  return prefixes.slice(0, prefixes.findLastIndex((prefix) => prefix > 0) + 1);
}

/** For each replica with dots ahead of its prefix: from, to, from, to... */
function cloudByReplica(context: DotContext): Map<ReplicaId, number[]> {
  const byReplica = new Map<ReplicaId, number[]>();
  for (const { replica, from, to } of context.cloud()) {
    const bounds = byReplica.get(replica);
    if (bounds === undefined) byReplica.set(replica, [from, to]);
    else bounds.push(from, to);
  }
  return byReplica;
}

function cloudRows(context: DotContext, at: IndexOf): Encoded {
  return [...cloudByReplica(context)]
    .map(([replica, bounds]): [number, ...number[]] => [at(replica), ...bounds])
    .sort(byFirst);
}

function newestRows(list: ShoppingList, at: IndexOf): Encoded {
  const rows: [number, number, string][] = [];
  for (const [replica, { stamp, value }] of list.newest) rows.push([at(replica), stamp.time, value]);
  return rows.sort(byFirst);
}

function byFirst(a: readonly [number, ...unknown[]], b: readonly [number, ...unknown[]]): number {
  return a[0] - b[0];
}

function encodeWritten(written: Written<string | boolean> | null, at: IndexOf): Encoded {
  return written === null ? 0 : [written.stamp.time, at(written.stamp.replica), written.value];
}

function encodeItem(key: ItemKey, item: ItemState | undefined, at: IndexOf): Encoded {
  if (item === undefined) throw new Error("invariant: an encoded item is known");
  const { replicas, cells } = item;
  const encoded: Encoded[] = [
    key,
    encodeWritten(item.label, at),
    encodeWritten(item.note, at),
    encodeWritten(item.aisle, at),
  ];
  // In order of replicas, and so of their places in the table.
  let from = 0;
  for (const replica of replicas) {
    const row = [at(replica)];
    let end = from + COLUMNS;
    while (end > from && cells[end - 1] === 0) end--;
    for (let cell = from; cell < end; cell++) row.push(cells[cell] ?? 0);
    encoded.push(row);
    from += COLUMNS;
  }
  return encoded;
}

function encodeOperation(operation: Operation, at: IndexOf): Encoded {
  return [
    at(operation.dot.replica),
    operation.dot.counter,
    operation.time,
    operation.at,
    operation.id,
    OPERATION_KINDS.indexOf(operation.kind),
    operation.key,
    operation.needed,
    operation.acquired,
    operation.text,
    ...(operation.by === null && operation.after.length === 0 ? [] : [operation.by]),
    ...operation.after.flatMap(({ replica, counter }) => [at(replica), counter]),
  ];
}
