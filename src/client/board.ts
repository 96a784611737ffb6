import type { ItemKey } from "../crdt/item-key.js";
import type { Item } from "../crdt/shopping-list.js";
import { keyOf, type Intent } from "./intent.js";
import { addIntent, joinLoneNumbers, parseEntry, type ItemEntry } from "./item-entry.js";
import { foldName } from "../crdt/item-key.js";
import { parseAmountIn } from "./quantity.js";
import { acceptText, displayable } from "./text.js";
import { isDone } from "./views.js";
import { AisleError } from "./errors.js";
import { counted, t } from "./messages.js";

/** What the person is doing: looking, or typing something that the last line shows. */
export type Mode = "browse" | "add" | "filter" | "need" | "basket" | "note" | "help";

/** What of the screen is the person's own doing. */
export interface BoardState {
  readonly mode: Mode;
  readonly cursor: ItemKey | null;
  /** Where the cursor is among the items that are shown: what is there takes its place when its item goes. */
  readonly at: number;
  readonly filter: string;
  /** One line that answers the last key, or is empty. */
  readonly message: string;
}

/** A key, and what is typed on the last line with it. */
export interface Key {
  readonly name: string;
  readonly ctrl: boolean;
  readonly text: string;
}

export type Effect =
  | { readonly type: "change"; readonly intents: readonly Intent[] }
  | { readonly type: "undo" | "sync" | "lists" | "quit" }
  /** The last line is to hold this text. */
  | { readonly type: "type"; readonly text: string };

export interface Step {
  readonly state: BoardState;
  readonly effects: readonly Effect[];
}

export const FIRST_STATE: BoardState = { mode: "browse", cursor: null, at: 0, filter: "", message: "" };

const PAGE = 10;
/** How much one press of + or - is, in thousandths: 100 of what is weighed or poured, 1 of anything else. */
const MEASURED_STEP = 100_000;
const COUNTED_STEP = 1_000;

/** The items that the filter lets through, in the order of `items`. */
export function filtered(items: readonly Item[], filter: string): readonly Item[] {
  const wanted = foldName(filter);
  if (wanted === "") return items;
  return items.filter(({ name, aisle, note }) => foldName(`${name} ${aisle ?? ""} ${note ?? ""}`).includes(wanted));
}

/** The item under the cursor, or where that one is gone the one in its place. */
export function selected({ cursor, at, filter }: BoardState, items: readonly Item[]): Item | null {
  const shown = filtered(items, filter);
  return shown.find(({ key }) => key === cursor) ?? shown[Math.min(at, shown.length - 1)] ?? null;
}

/**
 * What a key does on the screen of a list. Pure: the shell carries out the effects and draws what `state` says.
 * @param completions for what is being added, the best first
 */
export function press(state: BoardState, items: readonly Item[], key: Key, completions: readonly string[]): Step {
  try {
    return placed(pressed({ ...state, message: "" }, items, key, completions), items);
  } catch (error) {
    if (!(error instanceof AisleError)) throw error;
    // What was typed stays, to be mended.
    return { state: { ...state, message: error.message }, effects: [{ type: "type", text: key.text }] };
  }
}

function pressed(state: BoardState, items: readonly Item[], key: Key, completions: readonly string[]): Step {
  if (state.mode === "help") return calm({ ...state, mode: "browse" });
  return state.mode === "browse" ? browse(state, items, key) : typing(state, items, key, completions);
}

/** Remembers where the cursor is. */
function placed({ state, effects }: Step, items: readonly Item[]): Step {
  const at = filtered(items, state.filter).findIndex(({ key }) => key === state.cursor);
  return { state: at < 0 ? state : { ...state, at }, effects };
}

/** Several lines, or words, that were not typed but pasted while one looked at the list: each line is an item. */
export function paste(state: BoardState, text: string): Step {
  try {
    const lines = text.split(/\r\n|\r|\n/).flatMap((line) => segments(line));
    return change(
      { ...state, message: "" },
      lines.map((line) => addIntent(parseEntry(line))),
    );
  } catch (error) {
    if (!(error instanceof AisleError)) throw error;
    return calm({ ...state, message: t`nothing of what was pasted was added: ${error.message}` });
  }
}

function calm(state: BoardState): Step {
  return { state, effects: [] };
}

function browse(state: BoardState, items: readonly Item[], key: Key): Step {
  const moved = movement(key);
  if (moved !== 0) return calm({ ...state, cursor: neighbour(state, items, moved) });
  // What is meant for the terminal is no letter.
  if (key.ctrl) return calm(state);
  const item = selected(state, items);
  const letter = key.name === "" ? key.text : key.name;
  switch (key.text === "" ? letter : key.text) {
    case " ":
    case "space":
    case "return":
    case "enter":
      return item === null ? calm(state) : change(state, [tick(item)]);
    case "a":
      return calm({ ...state, mode: "add" });
    case "/":
      return { state: { ...state, mode: "filter" }, effects: [{ type: "type", text: state.filter }] };
    case "+":
    case "-":
      return item === null ? calm(state) : change(state, more(item, key.text === "+" ? 1 : -1));
    case "=":
      return ask(state, item, "need");
    case "b":
      return ask(state, item, "basket");
    case "n":
      return ask(state, item, "note");
    case "d":
    case "delete":
      if (item === null) return calm(state);
      return change({ ...state, cursor: afterRemoval(state, items, item), message: off(item.name) }, [
        { type: "remove", key: item.key },
      ]);
    case "c":
      return clear(state, items.filter(isDone));
    case "u":
      return { state, effects: [{ type: "undo" }] };
    case "s":
      return { state, effects: [{ type: "sync" }] };
    case "l":
      return { state, effects: [{ type: "lists" }] };
    case "?":
      return calm({ ...state, mode: "help" });
    case "escape":
      return calm({ ...state, cursor: item?.key ?? state.cursor, filter: "" });
    case "q":
      return { state, effects: [{ type: "quit" }] };
    default:
      return calm(state);
  }
}

function clear(state: BoardState, done: readonly Item[]): Step {
  const what = counted(done.length, "{{count}} item", "{{count}} items");
  const message = done.length === 0 ? t("nothing is bought yet") : off(what);
  return change(
    { ...state, message },
    done.map(({ key }) => ({ type: "remove", key })),
  );
}

function off(what: string): string {
  return t`took ${what} off the list; u brings back`;
}

/** How many lines a key moves the cursor. */
function movement({ name, text: typed, ctrl }: Key): number {
  const text = ctrl ? "" : typed;
  if (name === "up" || text === "k" || (ctrl && name === "p")) return -1;
  if (name === "down" || text === "j" || (ctrl && name === "n")) return 1;
  if (name === "pageup") return -PAGE;
  if (name === "pagedown") return PAGE;
  if (name === "home" || text === "g") return -Infinity;
  if (name === "end" || text === "G") return Infinity;
  return 0;
}

function neighbour(state: BoardState, items: readonly Item[], by: number): ItemKey | null {
  const shown = filtered(items, state.filter);
  const at = shown.findIndex(({ key }) => key === selected(state, items)?.key);
  return shown[Math.min(shown.length - 1, Math.max(0, at + by))]?.key ?? null;
}

/** The next item, or the one before the last. */
function afterRemoval(state: BoardState, items: readonly Item[], { key }: Item): ItemKey | null {
  const next = neighbour(state, items, 1);
  return next === key ? neighbour(state, items, -1) : next;
}

/** All that is left goes into the basket; ticking again takes it out. */
function tick(item: Item): Intent {
  return { type: "acquire", key: item.key, amount: isDone(item) ? -item.acquired : item.needed - item.acquired };
}

function more({ key, unit, needed }: Item, sign: 1 | -1): readonly Intent[] {
  const step = unit === "g" || unit === "ml" ? MEASURED_STEP : COUNTED_STEP;
  const total = Math.max(0, needed + sign * step);
  return total === needed ? [] : [{ type: "need", key, total }];
}

function change(state: BoardState, intents: readonly Intent[]): Step {
  return { state, effects: intents.length === 0 ? [] : [{ type: "change", intents }] };
}

function ask(state: BoardState, item: Item | null, mode: "need" | "basket" | "note"): Step {
  if (item === null) return calm(state);
  // A note is mended, an amount is another one.
  const text = mode === "note" ? displayable(item.note ?? "") : "";
  return { state: { ...state, mode, cursor: item.key }, effects: [{ type: "type", text }] };
}

function typing(state: BoardState, items: readonly Item[], key: Key, completions: readonly string[]): Step {
  const { mode } = state;
  if (key.name === "escape") {
    const filter = mode === "filter" ? "" : state.filter;
    return { state: { ...state, mode: "browse", filter }, effects: [{ type: "type", text: "" }] };
  }
  if (key.name === "tab" && mode === "add") return completed(state, key.text, completions);
  if (key.name !== "return" && key.name !== "enter")
    return calm(mode === "filter" ? { ...state, filter: key.text } : state);
  const text = key.text.trim();
  if (mode === "filter")
    return { state: { ...state, mode: "browse", filter: text }, effects: [{ type: "type", text: "" }] };
  if (mode === "add") {
    // Letters typed next would be keys: only Esc ends it.
    const entries = joinLoneNumbers(segments(text)).map((one) => parseEntry(one));
    const intents = entries.map(addIntent);
    const last = intents.at(-1);
    // It is seen where it went, and what became of what was typed.
    const cursor = last === undefined ? state.cursor : keyOf(last);
    return change({ ...state, cursor, message: noted(entries, items) }, intents);
  }
  // What was typed is about the item it was begun for, wherever the cursor would be now.
  const item = items.find(({ key: one }) => one === state.cursor);
  const back: BoardState = { ...state, mode: "browse" };
  if (item === undefined)
    return calm({ ...back, message: t("the item was taken off the list meanwhile: nothing was changed") });
  if (text === "" && mode !== "note") return calm(back);
  return change(back, meant(mode, item, text));
}

/** What became of a comma, where several items may have been meant, or where a note gave way to another. */
function noted(entries: readonly ItemEntry[], items: readonly Item[]): string {
  for (const { name, note } of entries) {
    if (note === null) continue;
    const before = items.find((item) => foldName(item.name) === foldName(name))?.note ?? note;
    if (before !== note) return t`the note of ${name} was: ${before}; u brings it back`;
    if (note.includes(",")) return t`what follows the comma is a note of ${name}; a ; begins another item`;
  }
  return "";
}

function meant(mode: Mode, item: Item, text: string): readonly Intent[] {
  const { key, unit } = item;
  if (mode === "note") return [{ type: "note", key, text: acceptText("note", text) }];
  const amount = parseAmountIn(text, unit);
  if (mode === "need") return amount === item.needed ? [] : [{ type: "need", key, total: amount }];
  return amount === item.acquired ? [] : [{ type: "acquire", key, amount: amount - item.acquired }];
}

/** What is typed, cut at semicolons: several items on one line. */
export function segments(text: string): readonly string[] {
  return text
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** The last item on the line becomes the first that it could be. */
function completed(state: BoardState, text: string, [first]: readonly string[]): Step {
  const before = text.replace(/[^;]*$/, "").replaceAll("\t", "");
  const typed = first === undefined ? text.replaceAll("\t", "") : `${before}${before === "" ? "" : " "}${first}`;
  return { state, effects: [{ type: "type", text: typed }] };
}
