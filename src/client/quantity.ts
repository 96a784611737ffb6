import { usageError } from "./errors.js";
import { displayable } from "./text.js";
import { t } from "./messages.js";

/** An amount as the list keeps it: integer thousandths of a base unit, and the unit's name, null for things counted. */
export interface Quantity {
  readonly thousandths: number;
  readonly unit: string | null;
}

/** The largest amount one change may name, in base units: ten tonnes, or ten million pieces. */
const LARGEST_AMOUNT = 10_000_000;

const SCALES: ReadonlyMap<string, { readonly unit: string; readonly scale: number }> = new Map([
  ["mg", { unit: "g", scale: 0.001 }],
  ["g", { unit: "g", scale: 1 }],
  ["kg", { unit: "g", scale: 1_000 }],
  ["ml", { unit: "ml", scale: 1 }],
  ["cl", { unit: "ml", scale: 10 }],
  ["dl", { unit: "ml", scale: 100 }],
  ["l", { unit: "ml", scale: 1_000 }],
]);

/** Units that are understood without `--unit`, besides mass and volume. Plurals fold to the singular. */
const CONTAINERS =
  "bag bar bottle box bunch can carton crate dozen jar loaf pack packet piece roll slice tin tub tube".split(" ");
const WORDS: ReadonlyMap<string, string> = new Map(
  CONTAINERS.flatMap((word) => [
    [word, word],
    [word === "loaf" ? "loaves" : /(x|sh|ch)$/.test(word) ? `${word}es` : `${word}s`, word],
  ]),
);

/** What a unit may look like, for patterns with Unicode's letters. */
export const UNIT = "\\p{L}[\\p{L}\\p{M}._-]{0,29}";

const PIECES = new Set(["piece", "pc", "pcs", "x"]);

export function isKnownUnit(word: string): boolean {
  const folded = word.toLowerCase();
  return SCALES.has(folded) || WORDS.has(folded);
}

/** A unit of mass or volume, by which nothing is called. */
export function isMeasure(word: string): boolean {
  return SCALES.has(word.toLowerCase());
}

/** A thousand to some and one to others: nobody should have to find out by buying. */
export function isAmbiguous(text: string): boolean {
  return /^[1-9][0-9]{0,2}(,[0-9]{3})+$/.test(text);
}

/** A number as people write it, `1.5` or `1,5`, or null. */
export function parseNumber(text: string): number | null {
  if (isAmbiguous(text)) return null;
  return /^[0-9]{1,15}([.,][0-9]{1,9})?$/.test(text) ? Number(text.replace(",", ".")) : null;
}

/**
 * @param amount a number as typed
 * @param unit a unit as typed, or null
 * @throws AisleError where the number is none, negative, too precise or too large
 */
export function parseQuantity(amount: string, unit: string | null): Quantity {
  const number = parseNumber(amount.trim());
  if (number === null)
    throw usageError(
      isAmbiguous(amount.trim())
        ? t`${quoted(amount)} may be thousands, or a fraction`
        : t`${quoted(amount)} is not an amount`,
      t("write a number such as 2, 0.5 or 1,5"),
    );
  return quantityOf(number, unit);
}

export function quantityOf(amount: number, unit: string | null): Quantity {
  const { unit: base, scale } = normaliseUnit(unit);
  const thousandths = Math.round(amount * scale * 1_000);
  if (thousandths > LARGEST_AMOUNT * 1_000) {
    throw usageError(
      t`that is more than ${LARGEST_AMOUNT} ${base ?? t("pieces")} at once`,
      t("split it into several changes"),
    );
  }
  if (thousandths === 0 && amount !== 0)
    throw usageError(t("that is less than a thousandth of the unit"), t("use a smaller unit"));
  return { thousandths, unit: base };
}

/**
 * An amount for an item that is counted in `unit` already: a plain number is in that unit, `1.5kg` is converted.
 * @returns thousandths
 * @throws AisleError also where the unit measures something else
 */
export function parseAmountIn(text: string, unit: string | null): number {
  const match = new RegExp(`^([0-9.,]+)\\s*(${UNIT})?$`, "u").exec(text.trim());
  const typed = match?.[2] ?? "";
  if (match === null || typed === "") return parseQuantity(text, unit).thousandths;
  const quantity = parseQuantity(match[1] ?? "", typed);
  if (quantity.unit === unit) return quantity.thousandths;
  throw usageError(
    t`the item is counted in ${unit ?? t("pieces")}, not ${typed}`,
    t("give a number in that unit, or use `aisle unit`"),
  );
}

/** The unit's base and how many of it one is: kg is 1000 g; an unknown word is a unit of its own. */
export function normaliseUnit(unit: string | null): { readonly unit: string | null; readonly scale: number } {
  const folded = unit?.normalize("NFKC").trim().toLowerCase() ?? "";
  const word = WORDS.get(folded) ?? folded;
  if (word === "" || PIECES.has(word)) return { unit: null, scale: 1 };
  const scaled = SCALES.get(folded);
  if (scaled !== undefined) return scaled;
  if (!new RegExp(`^${UNIT}$`, "u").test(folded)) {
    throw usageError(
      t`${quoted(unit ?? "")} is not a unit`,
      t("a unit is a word of up to 30 letters, such as g, l or bottle"),
    );
  }
  return { unit: word, scale: 1 };
}

/** Thousandths as a plain number of base units. */
export function toNumber(thousandths: number): number {
  return thousandths / 1_000;
}

/** An amount for people: 1500 g is `1.5 kg`, with the decimal sign of where they are; less than nothing shows as 0. */
export function formatAmount(thousandths: number, unit: string | null): string {
  return amountText(thousandths, unit, (amount) =>
    Number.isInteger(amount) ? `${amount}` : amount.toLocaleString(undefined, LOCAL),
  );
}

const LOCAL = { maximumFractionDigits: 6, useGrouping: false } as const;

/** The same wherever it is written, for files. */
export function amountText(
  thousandths: number,
  unit: string | null,
  written: (amount: number) => string = (amount) => `${amount}`,
): string {
  const amount = toNumber(Math.max(0, thousandths));
  if (unit === null) return written(amount);
  if (unit === "g" && amount >= 1_000) return `${written(amount / 1_000)} kg`;
  if (unit === "ml" && amount >= 1_000) return `${written(amount / 1_000)} l`;
  return `${written(amount)} ${displayable(unit)}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
