import truncated from "fast-string-truncated-width";
import type { ItemKey } from "../crdt/item-key.js";
import type { Item } from "../crdt/shopping-list.js";
import { filtered, selected, type BoardState } from "./board.js";
import type { Stored } from "./local-list-file.js";
import { formatAmount } from "./quantity.js";
import { renderItem, type Style } from "./render.js";
import { displayable } from "./text.js";
import { isDone } from "./views.js";

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

const HELP = [
  ["arrows", "move; j and k too"],
  ["space", "tick off, or not"],
  ["a", "add items: 2 milk; 500g flour, organic @baking"],
  ["+ - =", "want more, less, so much"],
  ["b", "so much is in the basket"],
  ["n", "write a note"],
  ["d  c", "take off the list: this one, all that is bought"],
  ["u", "undo"],
  ["/", "filter; Esc shows all again"],
  ["l  s  q", "another list, sync now, leave"],
] as const;

/** What stands before what is typed; empty where nothing is. */
function promptOf({ mode, cursor }: BoardState, items: readonly Item[]): string {
  const item = items.find(({ key }) => key === cursor);
  const now = (amount: number): string => (item === undefined ? "" : ` (now ${formatAmount(amount, item.unit)})`);
  switch (mode) {
    case "add":
      return "add: ";
    case "filter":
      return "filter: ";
    case "note":
      return "note: ";
    case "need":
      return `want in all${now(item?.needed ?? 0)}: `;
    case "basket":
      return `in the basket${now(item?.acquired ?? 0)}: `;
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
      ? HELP.map(([keys, what]) => `  ${keys.padEnd(9)} ${what}`)
      : itemLines(state, facts, room, style);
  const prompt = promptOf(state, facts.items);
  const isTyping = prompt !== "";
  const hint =
    state.mode === "help"
      ? "any key goes back"
      : "space tick  a add  + - quantity  n note  u undo  / filter  ? more  q leave";
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
  const counts = items.length === 0 ? "nothing on it yet: press a to add" : `${left} of ${items.length} to get`;
  const narrowed = filter === "" ? "" : style.warn(`  only: ${displayable(filter)}`);
  return `${style.bold(displayable(name))}  ${counts}${narrowed}`;
}

/** The items around the cursor, with the aisles they stand in. */
function itemLines(state: BoardState, { items, marks }: BoardFacts, room: number, style: Style): readonly string[] {
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
      by === undefined ? "" : style.good(style.words ? `  (new from ${displayable(by)})` : `  ◂ ${displayable(by)}`);
    lines.push(`${isAt ? style.good(">") : " "} ${renderItem(item, style)}${mark}`);
  }
  const first = Math.min(Math.max(0, cursorAt - Math.floor(room / 2)), Math.max(0, lines.length - room));
  return lines.slice(first, first + room);
}

function answerTo({ mode }: BoardState, completions: readonly string[], style: Style): string {
  if (mode !== "add") return style.dim("Enter: done  Esc: never mind");
  const offered = completions.length === 0 ? "" : `Tab: ${completions.map((one) => displayable(one)).join("  ")}   `;
  return style.dim(`${offered}Enter: add  Esc: done`);
}

/** Whether others see what one does, always in sight. */
function syncLine({ isOnline, waiting, stored }: BoardFacts, style: Style): string {
  const where = isOnline === null ? style.dim("connecting") : isOnline ? style.good("online") : style.warn("offline");
  const left = waiting === 0 ? "" : style.warn(`  ${waiting} waiting`);
  const what = waiting === 0 ? "stored" : "the rest stored";
  const copies =
    stored === null ? "" : style.dim(`  ${what} on ${stored.servers} of ${Math.max(stored.servers, stored.replicas)}`);
  return `${where}${left}${copies}`;
}

/** As much of the line as there is room for, by the columns that a terminal gives each character. */
function cut(line: string, width: number): string {
  const { truncated: isCut, index } = truncated(line, { limit: width, ellipsis: "…", ellipsisWidth: 1 });
  if (!isCut) return line;
  // Where it says to cut is too far by a character after some scripts and symbols.
  let end = index;
  while (end > 0 && truncated(line.slice(0, end), {}).width >= width) end--;
  // Whatever colour was on where it was cut has to go off.
  return `${line.slice(0, end)}…${line.includes("\u001b") ? "\u001b[0m" : ""}`;
}
