import { parse as parseCsv } from "csv-parse/sync";
import type { Item } from "../crdt/shopping-list.js";
import { AisleError, usageError } from "./errors.js";
import { literalEntry, parseEntry, type ItemEntry } from "./item-entry.js";
import type { LocalList } from "./local-list.js";
import { formatAmount, parseQuantity, quantityOf, type Quantity } from "./quantity.js";
import { acceptText, displayable, jsonText } from "./text.js";
import { isDone, itemView, listView, nameOf, sortedItems } from "./views.js";

export const EXPORT_FORMATS = ["md", "txt", "csv", "json"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export const IMPORT_FORMATS = ["md", "txt", "csv", "tsv", "json"] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** An item to put on a list, and how much of it is in the basket already, in thousandths. */
export interface ImportedItem {
  readonly entry: ItemEntry;
  readonly acquired: number;
}

const COLUMNS = ["name", "needed", "acquired", "unit", "note", "aisle"] as const;

export function exportList(list: LocalList, format: ExportFormat): string {
  const items = sortedItems(list.shown);
  switch (format) {
    case "json":
      return jsonText(listView(list), 2);
    case "csv":
      return [COLUMNS.join(","), ...items.map((item) => csvRow(item))].join("\n");
    case "txt":
      return items.map((item) => entryText(item)).join("\n");
    case "md":
      return markdown(list, items);
  }
}

function markdown(list: LocalList, items: readonly Item[]): string {
  const lines = [`# ${displayable(nameOf(list))}`, ""];
  let aisle: string | null = null;
  for (const item of items) {
    if (item.aisle !== aisle) lines.push(...(lines.length > 2 ? [""] : []), `## ${displayable(item.aisle ?? "")}`, "");
    aisle = item.aisle;
    lines.push(`- [${isDone(item) ? "x" : " "}] ${entryText({ ...item, aisle: null })}`);
  }
  return lines.join("\n");
}

/** An item as one would type it, its name in quotes where it would be read as something else. */
function entryText(item: Item): string {
  const { name, needed, unit, note, aisle } = item;
  const isPlain = unit === null && needed === 1_000;
  const amount = isPlain ? "" : ` x${formatAmount(needed, unit).replace(" ", "")}`;
  const rest = `${amount}${note === null ? "" : `, ${displayable(note)}`}${aisle === null ? "" : ` @${displayable(aisle)}`}`;
  const plain = `${displayable(name)}${rest}`;
  return readsBack(plain, item) ? plain : `"${displayable(name).replace(/["\\]/g, "\\$&")}"${rest}`;
}

function readsBack(text: string, { name, needed, unit, note, aisle }: Item): boolean {
  try {
    const [first] = importLines(text);
    const entry = first?.entry;
    const isSameAmount = entry?.quantity.thousandths === Math.max(0, needed) && entry.quantity.unit === unit;
    return isSameAmount && entry.name === name && entry.note === note && entry.aisle === aisle;
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
export function importItems(text: string, format: ImportFormat): readonly ImportedItem[] {
  const body = text.replace(/^\u{feff}/u, "");
  switch (format) {
    case "txt":
    case "md":
      return importLines(body);
    case "csv":
      return importTable(body, ",");
    case "tsv":
      return importTable(body, "\t");
    case "json":
      return importJson(body);
  }
}

const CHECKBOX = /^\s*(?:[-*+]\s+)?\[([ xX])\]\s+(.*)$/;
const BULLET = /^\s*[-*+]\s+(.*)$/;
const HEADING = /^\s*(#{1,6})\s+(.*)$/;

function importLines(text: string): readonly ImportedItem[] {
  const items: ImportedItem[] = [];
  let aisle: string | null = null;
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (line.trim() === "") continue;
    atLine(index + 1, () => {
      const heading = HEADING.exec(line);
      if (heading !== null) {
        // The first level is the list's title; below it stand the aisles.
        aisle = heading[1] === "#" ? null : acceptText("aisle", heading[2] ?? "");
        return;
      }
      const [, tick, checked] = CHECKBOX.exec(line) ?? [];
      const entry = parseEntry((checked ?? BULLET.exec(line)?.[1] ?? line).trim());
      const placed = entry.aisle === null && aisle !== null ? { ...entry, aisle } : entry;
      items.push({ entry: placed, acquired: (tick ?? " ") === " " ? 0 : entry.quantity.thousandths });
    });
  }
  return items;
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
    throw usageError(`this is no CSV: ${error instanceof Error ? error.message : String(error)}`);
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

function importJson(text: string): readonly ImportedItem[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw usageError("this is no JSON", "give what `aisle export --format json` writes, or an array of items");
  }
  const items = Array.isArray(value)
    ? (value as unknown[])
    : isRecord(value) && Array.isArray(value.items)
      ? (value.items as unknown[])
      : null;
  if (items === null)
    throw usageError("this JSON has no items", "give what `aisle export --format json` writes, or an array of items");
  return items.map((item, index) =>
    atLine(
      index + 1,
      () => {
        if (typeof item === "string") return { entry: parseEntry(item), acquired: 0 };
        if (!isRecord(item) || typeof item.name !== "string") throw usageError("an item needs a name");
        return jsonItem(item.name, item);
      },
      "item",
    ),
  );
}

function jsonItem(name: string, item: Readonly<Record<string, unknown>>): ImportedItem {
  const text = (field: string): string => (typeof item[field] === "string" ? item[field] : "");
  const amount = (field: string, fallback: number): number => {
    const value = item[field] ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value)) throw usageError(`${field} is not an amount`);
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
