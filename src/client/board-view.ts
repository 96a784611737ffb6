import truncated from "fast-string-truncated-width";
import type { ItemKey } from "../crdt/item-key.js";
import type { Item } from "../crdt/shopping-list.js";
import { filtered, selected, type BoardState } from "./board.js";
import type { Stored } from "./local-list-file.js";
import { formatAmount } from "./quantity.js";
import { renderItem, type Style } from "./render.js";
import { displayable } from "./text.js";
import { isDone } from "./views.js";
import { t } from "./messages.js";

/** What of the screen is the list's, and the cluster's. */
export interface BoardFacts {
  readonly name: string;
  /** As one walks. */
  readonly items: readonly Item[];
  readonly waiting: number;
  readonly stored: Stored | null;
  /** Null before the cluster was asked. */
  readonly isOnline: boolean | null;
  /** Items that others have changed since one last looked, and who did. */
  readonly marks: ReadonlyMap<ItemKey, string>;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** The title, a line for what is typed, one for what that answers, one for the state of things, and one to spare. */
const LINES_BESIDE_ITEMS = 5;
const LEAST_ITEM_LINES = 1;

/** On a terminal that is narrower the short hint has to do. */
const HINT_COLUMNS = 77;

/** Less of a name says nothing. */
const SHORTEST_NAME = 8;

/** More of it leaves no room to type. */
const LONGEST_PROMPTED = 24;

const help = (): readonly (readonly [keys: string, what: string])[] => [
  [t("arrows"), t("move; j and k too")],
  [t("space"), t("tick off, or not")],
  ["a", t("add items: 2 milk; 500g flour, organic @baking")],
  ["+ - =", t("want more, less, so much")],
  ["b", t("so much is in the basket")],
  ["n", t("write a note")],
  ["d  c", t("take off the list: this one, all that is bought")],
  ["u", t("undo")],
  ["/", t("filter; Esc shows all again")],
  ["l  s  q", t("another list, sync now, leave")],
];

/** What stands before what is typed; empty where nothing is. */
function promptOf({ mode, cursor }: BoardState, items: readonly Item[]): string {
  const item = items.find(({ key }) => key === cursor);
  const name = item === undefined ? "" : `${cut(displayable(item.name), LONGEST_PROMPTED)}: `;
  const now = (amount: number): string => {
    if (item === undefined) return "";
    const { unit } = item;
    const formatted = formatAmount(amount, unit);
    // What is shown as 1.5 kg is counted in g, and so is a number that is typed.
    return unit === "g" || unit === "ml" ? t` (now ${formatted}; a number alone is ${unit})` : t` (now ${formatted})`;
  };
  switch (mode) {
    case "add":
      return t("add: ");
    case "filter":
      return t("filter: ");
    case "note":
      return `${name}${t("note: ")}`;
    case "need":
      return `${name}${t`want in all${now(item?.needed ?? 0)}: `}`;
    case "basket":
      return `${name}${t`in the basket${now(item?.acquired ?? 0)}: `}`;
    case "browse":
    case "help":
      return "";
  }
}

/**
 * The screen as text, in as many lines and columns as there are.
 * @returns what is above and on the line where one types, and what is below it
 */
export function drawBoard(
  state: BoardState,
  facts: BoardFacts,
  typed: string,
  completions: readonly string[],
  { columns, rows }: Size,
  style: Style,
): readonly [string, string] {
  const width = Math.max(10, columns - 1);
  const fit = (line: string): string => cut(line, width);
  const room = Math.max(LEAST_ITEM_LINES, rows - LINES_BESIDE_ITEMS);
  const body =
    state.mode === "help"
      ? help().map(([keys, what]) => `  ${keys.padEnd(9)} ${what}`)
      : itemLines(state, facts, room, width, style);
  const prompt = promptOf(state, facts.items);
  const isTyping = prompt !== "";
  const hint =
    state.mode === "help"
      ? t("any key goes back")
      : columns < HINT_COLUMNS
        ? t("a add  u undo  ? more  q leave")
        : t("space tick  a add  + - quantity  n note  u undo  / filter  ? more  q leave");
  // What is typed has to stand on its line as it is; where it is longer than that, the terminal wraps it.
  const line = isTyping ? `${prompt}${typed}` : fit(style.dim(hint));
  const answer =
    state.message !== "" ? style.warn(displayable(state.message)) : isTyping ? answerTo(state, completions, style) : "";
  return [
    [fit(title(state, facts, style)), ...body.slice(0, room).map(fit), line].join("\n"),
    [fit(answer), fit(syncLine(facts, style))].join("\n"),
  ];
}

function title({ filter }: BoardState, { name, items }: BoardFacts, style: Style): string {
  const left = items.filter((item) => !isDone(item)).length;
  const counts = items.length === 0 ? t("nothing on it yet: press a to add") : t`${left} of ${items.length} to get`;
  const narrowed = filter === "" ? "" : style.warn(t`  only: ${displayable(filter)}`);
  return `${style.bold(displayable(name))}  ${counts}${narrowed}`;
}

/** The items around the cursor, with the aisles they stand in. */
function itemLines(
  state: BoardState,
  { items, marks }: BoardFacts,
  room: number,
  width: number,
  style: Style,
): readonly string[] {
  const at = selected(state, items);
  const lines: string[] = [];
  let [aisle, cursorAt]: [string | null, number] = [null, 0];
  for (const item of filtered(items, state.filter)) {
    if (item.aisle !== aisle && item.aisle !== null) lines.push(style.dim(displayable(item.aisle)));
    aisle = item.aisle;
    const isAt = item.key === at?.key;
    if (isAt) cursorAt = lines.length;
    const by = marks.get(item.key);
    const mark =
      by === undefined ? "" : style.good(style.words ? t`  (new from ${displayable(by)})` : `  ◂ ${displayable(by)}`);
    lines.push(`${isAt ? style.good(">") : " "} ${renderItem(fitted(item, width - 2, style), style)}${mark}`);
  }
  const first = Math.min(Math.max(0, cursorAt - Math.floor(room / 2)), Math.max(0, lines.length - room));
  return lines.slice(first, first + room);
}

/** The item with so much of its name that how much of it one needs is still on the line, and of its note what then fits. */
function fitted(item: Item, width: number, style: Style): Item {
  const rest = truncated(renderItem({ ...item, name: "", note: null }, style), {}).width;
  const name = cut(displayable(item.name), Math.max(SHORTEST_NAME, width - rest));
  const room = width - rest - truncated(name, {}).width - 2;
  return { ...item, name, note: item.note === null || room < 2 ? null : cut(displayable(item.note), room) };
}

function answerTo({ mode }: BoardState, completions: readonly string[], style: Style): string {
  if (mode !== "add") return style.dim(t("Enter: done  Esc: never mind"));
  const offered = completions.length === 0 ? "" : t`Tab: ${completions.map((one) => displayable(one)).join("  ")}   `;
  return style.dim(t`${offered}Enter: add  Esc: done`);
}

/** Whether others see what one does, always in sight. */
function syncLine({ isOnline, waiting, stored }: BoardFacts, style: Style): string {
  const where =
    isOnline === null ? style.dim(t("connecting")) : isOnline ? style.good(t("online")) : style.warn(t("offline"));
  const left = waiting === 0 ? "" : style.warn(t`  ${waiting} waiting`);
  const what = waiting === 0 ? t("stored") : t("the rest stored");
  const copies =
    stored === null ? "" : style.dim(t`  ${what} on ${stored.servers} of ${Math.max(stored.servers, stored.replicas)}`);
  return `${where}${left}${copies}`;
}

/** As much of the line as there is room for, by the columns that a terminal gives each character. */
function cut(line: string, width: number): string {
  const { truncated: isCut, index } = truncated(line, { limit: width, ellipsis: "…", ellipsisWidth: 1 });
  if (!isCut) return line;
  // Where it says to cut is too far by a character after some scripts and symbols, and before all of the line at some colours.
  let end = index < 0 ? line.length : index;
  while (end > 0 && truncated(line.slice(0, end), {}).width >= width) end--;
  // Whatever colour was on where it was cut has to go off.
  return `${line.slice(0, end)}…${line.includes("\u001b") ? "\u001b[0m" : ""}`;
}
