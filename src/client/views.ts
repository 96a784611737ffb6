import { digestOf } from "../crdt/codec.js";
import { compareText } from "../crdt/lattice.js";
import type { Role } from "../crdt/access-record.js";
import type { Item, ShoppingList } from "../crdt/shopping-list.js";
import type { ListId } from "../protocol/ids.js";
import type { LocalList } from "./local-list.js";
import { toNumber } from "./quantity.js";
import { linesOf } from "./undo.js";

/** An item in JSON, as scripts rely on it: base units (g, ml) as plain numbers, absent text null. */
export interface ItemView {
  readonly name: string;
  readonly needed: number;
  readonly acquired: number;
  readonly unit: string | null;
  readonly note: string | null;
  readonly aisle: string | null;
}

/** A list in JSON, as `show` prints it. */
export interface ListView {
  readonly id: ListId;
  readonly name: string;
  readonly items: readonly ItemView[];
  readonly pending: number;
  readonly digest: string;
}

/** A list in JSON, as `lists` prints it. */
export interface ListSummary {
  readonly id: ListId;
  readonly name: string;
  readonly items: number;
  readonly remaining: number;
  readonly pending: number;
  readonly role: string;
  /** 0 before the cluster has said. */
  readonly members: number;
  readonly current: boolean;
}

/** Of an item what one sees. */
export type ShownItem = Pick<Item, "name" | "needed" | "acquired" | "unit" | "note" | "aisle">;

/**
 * What a list looks like, kept at the head of its file: looking at a list takes a fraction of what knowing all about it takes,
 * and most commands only look, at most lists.
 */
export interface Glance {
  readonly id: ListId;
  readonly name: string;
  readonly isDeleted: boolean;
  readonly role: Role;
  /** How many share it; 0 before the cluster has said. */
  readonly members: number;
  /** How many changes wait to be sent. */
  readonly pending: number;
  /** As one walks. */
  readonly items: readonly ShownItem[];
}

export function glanceAt(list: LocalList): Glance {
  return {
    id: list.id,
    name: nameOf(list),
    isDeleted: list.isDeleted,
    role: list.rights.standing.role,
    members: list.rights.standing.members ?? 0,
    pending: list.outbox.length,
    items: walkedItems(list.shown),
  };
}

export function itemView({ name, needed, acquired, unit, note, aisle }: Item): ItemView {
  return { name, needed: toNumber(needed), acquired: toNumber(acquired), unit, note, aisle };
}

/** The list's aisles as one walks: those that somebody has put in order, then the others by name. */
export function walkingOrder(list: ShoppingList): readonly string[] {
  return orderOf(list, sortedItems(list));
}

/** The items as one walks past them: those without an aisle first. */
export function walkedItems(list: ShoppingList): readonly Item[] {
  const items = sortedItems(list);
  if (list.order.get() === null) return items;
  const rank = new Map(orderOf(list, items).map((aisle, index) => [aisle, index + 1]));
  const rankOf = ({ aisle }: Item): number => (aisle === null ? 0 : (rank.get(aisle) ?? 0));
  return [...items].sort((a, b) => rankOf(a) - rankOf(b));
}

/** @param items by aisle */
function orderOf(list: ShoppingList, items: readonly Item[]): readonly string[] {
  return [...new Set([...linesOf(list.order.get()), ...items.flatMap(({ aisle }) => aisle ?? [])])];
}

/** By aisle, then by name whatever its case: the same on every machine, whatever its locale. */
export function sortedItems(list: ShoppingList): readonly Item[] {
  return [...list.visibleItems()].sort(
    (a, b) => compareText(a.aisle ?? "", b.aisle ?? "") || compareText(a.key, b.key) || compareText(a.name, b.name),
  );
}

export function nameOf(list: LocalList): string {
  return list.shown.name.get() ?? list.id;
}

export function isDone(item: Pick<Item, "needed" | "acquired">): boolean {
  return item.acquired >= item.needed;
}

export function listView(list: LocalList): ListView {
  return {
    id: list.id,
    name: nameOf(list),
    items: sortedItems(list.shown).map(itemView),
    pending: list.outbox.length,
    digest: digestOf(list.shown),
  };
}

export function listSummary({ id, name, items, pending, role, members }: Glance, current: ListId | null): ListSummary {
  const remaining = items.filter((item) => !isDone(item)).length;
  return { id, name, items: items.length, remaining, pending, role, members, current: id === current };
}

/** As clocks here show it; Swedes write dates the way that sorts. */
export function localTime(at: number | string): string {
  return new Date(at).toLocaleString("sv", { dateStyle: "short", timeStyle: "short" });
}
