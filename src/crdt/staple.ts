import { createHash } from "node:crypto";
import type { ReplicaId } from "./dot.js";
import type { Operation } from "./history.js";
import type { ItemKey } from "./item-key.js";
import { LIMITS } from "./limits.js";
import { ItemState, UNTOUCHED } from "./item-state.js";
import { joinRows, rowOf } from "./rows.js";
import { ShoppingList, type Author } from "./shopping-list.js";

/**
 * An item that comes back by itself once a period. Nobody hands out the returns: the one of a period is a *derived
 * operation*, whose dot, id and effect follow from the rule and the period alone. Devices that make it without talking make
 * the same one, and the join counts it once.
 */
export interface Staple {
  /** The first day of period 0, `2026-11-21`. Days begin at midnight UTC, the same for everyone. */
  readonly start: string;
  readonly every: number;
  readonly period: "D" | "W" | "M";
  /** Wanted at each return, in thousandths. */
  readonly amount: number;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
/** As far as dates go, in milliseconds since 1970. */
const LATEST = 8_640_000_000_000_000;
const RULE = /^(\d{4}-\d{2}-\d{2}) P([1-9]\d{0,2})([DWM]) ([1-9]\d{0,12})$/;

/** How a rule is written in its register: start, ISO 8601 duration, thousandths. */
export function stapleRule({ start, every, period, amount }: Staple): string {
  return `${start} P${every}${period} ${amount}`;
}

/** The rule that a register holds, or null where it holds none. */
export function readStaple(rule: string | null): Staple | null {
  const [, start = "", every, period, amount] = RULE.exec(rule ?? "") ?? [];
  if (Number.isNaN(Date.parse(start))) return null;
  return { start, every: Number(every), period: period as Staple["period"], amount: Number(amount) };
}

/** Which period a moment falls in: 0 is the one that begins with the rule, less than 0 before it. */
export function periodOf({ start, every, period }: Staple, at: number): number {
  const from = new Date(start);
  if (period !== "M") return Math.floor((at - from.getTime()) / (every * (period === "W" ? 7 : 1) * DAY_MS));
  const to = new Date(at);
  const months = (to.getUTCFullYear() - from.getUTCFullYear()) * 12 + to.getUTCMonth() - from.getUTCMonth();
  const isBefore = to.getTime() < inMonth(from, months);
  return Math.floor((isBefore ? months - 1 : months) / every);
}

/** When a period begins, in milliseconds since 1970. */
function beginOf({ start, every, period }: Staple, index: number): number {
  const from = new Date(start);
  if (period === "M") return inMonth(from, index * every);
  return from.getTime() + index * every * (period === "W" ? 7 : 1) * DAY_MS;
}

/** The same day so many months later; what began on the 31st goes on on the last day of a shorter month. */
function inMonth(from: Date, months: number): number {
  const [year, month] = [from.getUTCFullYear(), from.getUTCMonth() + months];
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  return Date.UTC(year, month, Math.min(from.getUTCDate(), lastDay));
}

/**
 * When an item that is got comes back, in milliseconds since 1970; null for one that never does. Later than people expect where a device whose
 * clock was ahead has brought it back already, for times to come: every device counts that return.
 */
export function nextReturn(list: ShoppingList, key: ItemKey, now: number): number | null {
  const staple = readStaple(list.items.get(key)?.text("staple") ?? null);
  if (staple === null) return null;
  const at = beginOf(staple, Math.max(0, periodOf(staple, now), list.seen.newest(authorOf(key, staple))) + 1);
  return at <= LATEST ? at : LATEST;
}

/** What brings an item back. */
export interface DueReturn {
  readonly rule: string;
  readonly period: number;
  /** What was got in earlier periods is taken off first, by an operation like any other: a return knows of nobody's. */
  readonly clearing: Omit<Author, "replica"> | null;
}

/**
 * The return that is due: the item was got or taken off in an earlier period, and is not to get now. Null where none is, and where
 * too much has happened in this period to tell: what was due as it began, the first device to look has brought back then.
 */
export function dueReturn(list: ShoppingList, key: ItemKey, now: number, replica: ReplicaId): DueReturn | null {
  const rule = list.items.get(key)?.text("staple") ?? null;
  // Most items are none, and every command looks at all of them.
  const staple = rule === null ? null : readStaple(rule);
  if (rule === null || staple === null) return null;
  const period = periodOf(staple, now);
  const item = list.item(key);
  if (period < 1 || (item !== null && item.acquired < item.needed)) return null;
  if (list.seen.newest(authorOf(key, staple)) >= period) return null;
  const isNow = ({ at }: Operation): boolean => periodOf(staple, at) >= period;
  const { oldest, isWhole } = list.history;
  if (!isWhole && oldest !== null && isNow(oldest)) return null;
  const touches = list.history.operationsOn(key).filter(({ kind }) => kind !== "staple");
  if (touches.some(isNow)) return null;
  // The same whenever the device looks, until it is written down.
  const id = idOf(`clearing ${replica} ${key}\n${rule} ${period}`);
  return { rule, period, clearing: item === null ? null : { id, at: beginOf(staple, period) } };
}

/**
 * Brings the item back in this period of the rule; changes nothing where the rule is none. What earlier returns wanted and
 * nobody got is not wanted twice, so that a list left alone for a month asks for one helping.
 * @returns the delta
 */
export function comeBack(list: ShoppingList, key: ItemKey, rule: string, period: number): ShoppingList {
  const staple = readStaple(rule);
  if (staple === null || period < 1 || staple.amount * period > LIMITS.counterTotal) return new ShoppingList();
  const replica = authorOf(key, staple);
  // Some room is left for devices.
  if (list.newest.size >= LIMITS.replicas / 2 && !list.newest.has(replica)) return new ShoppingList();
  const row = rowOf(replica, [period, 0, staple.amount * period, 0, staple.amount * (period - 1)]);
  const known = list.items.get(key) ?? UNTOUCHED;
  const { label, note, aisle, staple: written } = known;
  const back = joinRows(known, row);
  const delta = new ShoppingList();
  delta.items.put(key, new ItemState(back, label, note, aisle, written));
  // The periods that nobody saw had no effect; and no return is in the history, where those that only some have seen would differ.
  delta.seen.addRange({ replica, from: 1, to: period });
  delta.newest.set(replica, { stamp: { time: period, replica }, value: idOf(`return ${replica} ${period}`) });
  list.join(delta);
  return delta;
}

/** Who makes the returns of a rule: nobody's device, and the same on all of them. */
function authorOf(key: ItemKey, staple: Staple): ReplicaId {
  return idOf(`staple ${key}\n${stapleRule(staple)}`);
}

function idOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
