import { parse as parseCsv } from "csv-parse/sync";
import { foldedNameOf, itemKey, unitOf, type ItemKey } from "../crdt/item-key.js";
import { readStaple } from "../crdt/staple.js";
import type { Item } from "../crdt/shopping-list.js";
import { AisleError, usageError } from "./errors.js";
import { literalEntry, parseEntry } from "./item-entry.js";
import type { LocalList } from "./local-list.js";
import { amountText, parseQuantity, quantityOf, UNIT, type Quantity } from "./quantity.js";
import { acceptText, displayable, jsonText } from "./text.js";
import { readTodoLine, todoLine, type ImportedItem } from "./todo-txt.js";
import { linesOf } from "./undo.js";
import { isDone, itemView, listView, nameOf, sortedItems } from "./views.js";
import { t } from "./messages.js";

export const EXPORT_FORMATS = ["md", "txt", "todo", "csv", "json"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export const IMPORT_FORMATS = ["md", "txt", "todo", "csv", "tsv", "json"] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** What a file brings to a list. */
export interface Import {
  readonly items: readonly ImportedItem[];
  /** The order of the aisles; empty where it says nothing of it. */
  readonly order: readonly string[];
  readonly staples: readonly { readonly key: ItemKey; readonly rule: string }[];
}

const COLUMNS = ["name", "needed", "acquired", "unit", "note", "aisle"] as const;

export function exportList(list: LocalList, format: ExportFormat): string {
  const items = sortedItems(list.shown);
  switch (format) {
    case "json":
      return jsonText({ ...listView(list), ...beyondItems(list) }, 2);
    case "csv":
      return [COLUMNS.join(","), ...items.map((item) => csvRow(item))].join("\n");
    case "txt":
      return items.map((item) => entryText(item)).join("\n");
    case "todo":
      return items.map((item) => todoLine(item)).join("\n");
    case "md":
      return markdown(list, items);
  }
}

/** What a list has beside its items: the order of its aisles, and what comes back by itself. */
function beyondItems({ shown }: LocalList): Readonly<Record<string, unknown>> {
  const staples = [...shown.items.entries()].flatMap(([key, item]) => {
    const rule = item.text("staple") ?? "";
    return rule === "" ? [] : [{ name: item.text("label") ?? foldedNameOf(key), unit: unitOf(key), rule }];
  });
  return { aisles: linesOf(shown.order.get()), staples };
}

function markdown(list: LocalList, items: readonly Item[]): string {
  const lines = [`# ${displayable(nameOf(list))}`, ""];
  let aisle: string | null = null;
  for (const item of items) {
    if (item.aisle !== aisle) lines.push(...(lines.length > 2 ? [""] : []), `## ${displayable(item.aisle ?? "")}`, "");
    aisle = item.aisle;
    lines.push(`- [${isDone(item) ? "x" : " "}] ${entryText({ ...item, aisle: null }, isDone(item))}`);
  }
  return lines.join("\n");
}

/**
 * An item as one would type it, its name in quotes where it would be read as something else; what is in the basket after it.
 * @param isTicked whether a mark says already that all of it is
 */
function entryText(item: Item, isTicked = false): string {
  const { needed, acquired, unit } = item;
  const isTold = acquired <= 0 || (isTicked && acquired === needed);
  const got = isTold ? "" : ` (${amountText(acquired, unit)} got)`;
  const amount = unit === null && needed === 1_000 ? "" : ` x${amountText(needed, unit).replace(" ", "")}`;
  const written = (quotesName: boolean, quotesRest: boolean): string => {
    const [name, note, aisle] = [item.name, item.note, item.aisle].map((text, index) => {
      if (text === null) return null;
      return (index === 0 ? quotesName : quotesRest) ? quoted(text) : displayable(text);
    });
    return `${name ?? ""}${amount}${isBlank(note) ? "" : `, ${note}`}${isBlank(aisle) ? "" : ` @${aisle}`}${got}`;
  };
  const [plain, ...others] = [written(false, false), written(true, false), written(false, true)];
  return [plain, ...others].find((text) => readsBack(text, item)) ?? written(true, true);
}

function isBlank(text: string | null | undefined): boolean {
  return (text ?? "") === "";
}

function quoted(text: string): string {
  return `"${displayable(text).replace(/["\\]/g, "\\$&")}"`;
}

function readsBack(text: string, { name, needed, acquired, unit, note, aisle }: Item): boolean {
  try {
    const [first] = importLines(text);
    const entry = first?.entry;
    const isSameAmount = entry?.quantity.thousandths === Math.max(0, needed) && entry.quantity.unit === unit;
    const isGot = first?.acquired === Math.max(0, acquired) || !GOT.test(text);
    return isSameAmount && isGot && entry.name === name && entry.note === note && entry.aisle === aisle;
  } catch (error) {
    if (error instanceof AisleError) return false;
    throw error;
  }
}

function csvRow(item: Item): string {
  const view = itemView(item);
  return COLUMNS.map((column) => csvCell(view[column])).join(",");
}

function csvCell(value: string | number | null): string {
  const text = typeof value === "string" ? displayable(value) : `${value ?? ""}`;
  return /[",\n]|^[=+@-]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @throws AisleError naming the line that could not be read */
export function readImport(text: string, format: ImportFormat): Import {
  const body = text.replace(/^\u{feff}/u, "");
  if (format === "json") return importJson(body);
  return { items: importItems(body, format), order: [], staples: [] };
}

/** What is piped in says what it is only by its looks. */
export function guessFormat(text: string): ImportFormat {
  const body = text.replace(/^\u{feff}/u, "").trimStart();
  const [first = ""] = body.split(/[\r\n]/, 1);
  // Also where it is damaged: nobody wants its lines as items.
  if (JSON_BEGINNING.test(body) && !CHECKBOX.test(first)) return "json";
  const isHeader = (delimiter: string): boolean => {
    const cells = first.split(delimiter).map((cell) => cell.replace(/^\s*"?|"?\s*$/g, "").toLowerCase());
    return cells.length > 1 && cells.includes("name") && cells.some((cell) => cell !== "name" && isColumn(cell));
  };
  return isHeader(",") ? "csv" : isHeader("\t") ? "tsv" : "txt";
}

function isColumn(name: string): boolean {
  return COLUMNS.some((column) => column === name);
}

function importItems(body: string, format: Exclude<ImportFormat, "json">): readonly ImportedItem[] {
  switch (format) {
    case "txt":
    case "md":
      return importLines(body);
    case "todo":
      return linesIn(body, (line) => [readTodoLine(line)]);
    case "csv":
      return importTable(body, ",");
    case "tsv":
      return importTable(body, "\t");
  }
}

const JSON_BEGINNING = /^(\{|\[\s*(["[{\]]|$))/;

const CHECKBOX = /^\s*(?:(?:[-*+]|[0-9]{1,4}[.)])\s+)?\[([ xX])\]\s+(.*)$/;
const BULLET = /^\s*(?:[-*+]|[0-9]{1,4}[.)])\s+(.*)$/;
const HEADING = /^\s*(#{1,6})\s+(.*)$/;

/** What is in the basket, after everything else on the line. */
const GOT = new RegExp(`\\s\\(([0-9.,]+)\\s?(${UNIT})?\\sgot\\)$`, "u");

function linesIn(text: string, read: (line: string) => readonly ImportedItem[]): readonly ImportedItem[] {
  return text
    .split(/\r\n|\n|\r/)
    .flatMap((line, index) => (line.trim() === "" ? [] : atLine(index + 1, () => read(line))));
}

function importLines(text: string): readonly ImportedItem[] {
  let aisle: string | null = null;
  return linesIn(text, (line) => {
    const heading = HEADING.exec(line);
    if (heading !== null) {
      // The first level is the list's title; below it stand the aisles.
      aisle = heading[1] === "#" ? null : acceptText("aisle", heading[2] ?? "");
      return [];
    }
    const [, tick, checked] = CHECKBOX.exec(line) ?? [];
    const typed = (checked ?? BULLET.exec(line)?.[1] ?? line).trim();
    const got = GOT.exec(typed);
    const entry = parseEntry(got === null ? typed : typed.slice(0, got.index));
    const inBasket = got === null ? null : parseQuantity(got[1] ?? "", got[2] ?? entry.quantity.unit);
    const ticked = (tick ?? " ") === " " ? 0 : entry.quantity.thousandths;
    const placed = entry.aisle === null && aisle !== null ? { ...entry, aisle } : entry;
    return [{ entry: placed, acquired: inBasket?.thousandths ?? ticked }];
  });
}

function importTable(text: string, delimiter: string): readonly ImportedItem[] {
  let rows: string[][];
  try {
    rows = parseCsv(text, {
      delimiter,
      relaxColumnCount: true,
      skipEmptyLines: true,
      quote: delimiter === "\t" ? null : '"',
    });
  } catch (error) {
    throw usageError(t`this is no CSV: ${error instanceof Error ? error.message : String(error)}`);
  }
  const [first = []] = rows;
  const header = first.map((cell) => cell.trim().toLowerCase());
  const hasHeader = header.includes("name");
  // Without a header, the columns are the name and the aisle.
  const columns = hasHeader ? header : ["name", "aisle"];
  return rows.slice(hasHeader ? 1 : 0).flatMap((row, index) =>
    atLine(index + (hasHeader ? 2 : 1), () => {
      const cell = (name: string): string => row[columns.indexOf(name)]?.trim() ?? "";
      return cell("name") === "" ? [] : [itemOf(cell("name"), cell)];
    }),
  );
}

function itemOf(name: string, field: (name: string) => string): ImportedItem {
  const unit = field("unit") === "" ? null : field("unit");
  // Concurrent changes can leave less than nothing, which an export tells as it is; on a new list that is nothing.
  const amount = (text: string): Quantity => parseQuantity(text.startsWith("-") ? "0" : text, unit);
  const quantity = amount(field("needed") || field("quantity") || "1");
  const acquired = amount(field("acquired") || "0").thousandths;
  const note = field("note") === "" ? null : acceptText("note", field("note"));
  const aisle = field("aisle") === "" ? null : acceptText("aisle", field("aisle"));
  return { entry: { ...literalEntry(name), quantity, note, aisle }, acquired };
}

function importJson(text: string): Import {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw usageError(t("this is no JSON"), t("give what `aisle export --format json` writes, or an array of items"));
  }
  const items = Array.isArray(value)
    ? (value as unknown[])
    : isRecord(value) && Array.isArray(value.items)
      ? (value.items as unknown[])
      : null;
  if (items === null)
    throw usageError(
      t("this JSON has no items"),
      t("give what `aisle export --format json` writes, or an array of items"),
    );
  const record = isRecord(value) ? value : {};
  return { items: readItems(items), order: textsIn(record.aisles), staples: staplesIn(record.staples) };
}

/** Items in the form in which they are exported as JSON, or typed. @throws AisleError naming the one that could not be read */
export function readItems(items: readonly unknown[]): readonly ImportedItem[] {
  return items.map((item, index) =>
    atLine(
      index + 1,
      () => {
        if (typeof item === "string") return { entry: parseEntry(item), acquired: 0 };
        if (!isRecord(item) || typeof item.name !== "string") throw usageError(t("an item needs a name"));
        return jsonItem(item.name, item);
      },
      "item",
    ),
  );
}

function textsIn(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((one) => typeof one === "string").map((one) => acceptText("aisle", one));
}

function staplesIn(value: unknown): Import["staples"] {
  if (!Array.isArray(value)) return [];
  return (value as unknown[]).flatMap((one) => {
    if (!isRecord(one) || typeof one.name !== "string" || typeof one.rule !== "string") return [];
    if (readStaple(one.rule) === null)
      throw usageError(t`${displayable(one.name)}: "${displayable(one.rule)}" is no rule`);
    const unit = typeof one.unit === "string" ? quantityOf(1, one.unit).unit : null;
    return [{ key: itemKey(acceptText("name", one.name), unit), rule: one.rule }];
  });
}

function jsonItem(name: string, item: Readonly<Record<string, unknown>>): ImportedItem {
  const text = (field: string): string => (typeof item[field] === "string" ? item[field] : "");
  const amount = (field: string, fallback: number): number => {
    const value = item[field] ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value)) throw usageError(t`${field} is not an amount`);
    return Math.max(0, value);
  };
  const unit = text("unit") === "" ? null : text("unit");
  return {
    entry: {
      ...literalEntry(name),
      quantity: quantityOf(amount("needed", 1), unit),
      note: text("note") === "" ? null : acceptText("note", text("note")),
      aisle: text("aisle") === "" ? null : acceptText("aisle", text("aisle")),
    },
    acquired: quantityOf(amount("acquired", 0), unit).thousandths,
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function atLine<T>(number: number, read: () => T, what = "line"): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AisleError)) throw error;
    throw new AisleError(error.exitCode, error.code, `${what} ${number}: ${error.message}`, error.hint);
  }
}
