import type { Item } from "../crdt/shopping-list.js";
import { literalEntry, type ItemEntry } from "./item-entry.js";
import { parseQuantity, quantityOf, toNumber } from "./quantity.js";
import { acceptText, displayable } from "./text.js";
import { isDone } from "./views.js";

/** An item to put on a list, and how much of it is in the basket already, in thousandths. */
export interface ImportedItem {
  readonly entry: ItemEntry;
  readonly acquired: number;
}

/**
 * One line of todo.txt (github.com/todotxt/todo.txt): `x` before what is done, the aisle as a context, and what that format has
 * no place for as `key:value`: qty, unit, got, note. Values with blanks are percent-encoded, as its tools split at blanks.
 */
export function todoLine(item: Item): string {
  const { name, needed, acquired, unit, note, aisle } = item;
  const words = displayable(name).split(" ");
  const isPlain = words.every((word, index) => !isMarkup(word) && !(index === 0 && isFirstMarkup(word)));
  return [
    ...(isDone(item) ? ["x"] : []),
    ...(isPlain ? words : [`name:${encoded(name)}`]),
    ...(needed === 1_000 && unit === null ? [] : [`qty:${toNumber(needed)}`]),
    ...(unit === null ? [] : [`unit:${encoded(unit)}`]),
    ...(acquired === 0 || (isDone(item) && acquired === needed) ? [] : [`got:${toNumber(acquired)}`]),
    ...(note === null ? [] : [`note:${encoded(note)}`]),
    ...(aisle === null ? [] : [`@${encoded(aisle)}`]),
  ].join(" ");
}

/** @throws AisleError */
export function readTodoLine(line: string): ImportedItem {
  const [, mark, rest = ""] = /^(x\s+)?(?:\([A-Z]\)\s+)?(?:\d{4}-\d{2}-\d{2}\s+){0,2}(.*)$/.exec(line.trim()) ?? [];
  const fields = new Map<string, string>();
  const words: string[] = [];
  for (const word of rest.split(/\s+/)) {
    const [, key = "", value = ""] = KNOWN.exec(word) ?? [];
    if (key !== "") fields.set(key === "@" ? "aisle" : key.slice(0, -1), decoded(value));
    // Projects and what other tools note say nothing to a shopper.
    else if (!isMarkup(word)) words.push(word);
  }
  const text = (key: "note" | "aisle"): string | null => {
    const value = fields.get(key);
    return value === undefined ? null : acceptText(key, value);
  };
  const unit = fields.get("unit") ?? null;
  const quantity =
    fields.has("qty") || unit !== null ? parseQuantity(fields.get("qty") ?? "1", unit) : quantityOf(1, null);
  const got = fields.get("got");
  const acquired =
    got === undefined ? (mark === undefined ? 0 : quantity.thousandths) : parseQuantity(got, unit).thousandths;
  const entry = {
    ...literalEntry(fields.get("name") ?? words.join(" ")),
    quantity,
    note: text("note"),
    aisle: text("aisle"),
  };
  return { entry, acquired };
}

const KNOWN = /^(@|(?:name|qty|unit|got|note):)(.+)$/;

/** Whether tools for todo.txt take the word for something else than text. */
function isMarkup(word: string): boolean {
  return /^[@+]\S|^[A-Za-z]+:\S/.test(word);
}

function isFirstMarkup(word: string): boolean {
  return /^(x|\([A-Z]\)|\d{4}-\d{2}-\d{2})$/.test(word);
}

function encoded(text: string): string {
  return displayable(text).replace(/[\s%]/g, (character) => encodeURIComponent(character));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
