import { usageError } from "./errors.js";
import type { Intent } from "./intent.js";
import { isAmbiguous, isKnownUnit, isMeasure, parseNumber, quantityOf, UNIT, type Quantity } from "./quantity.js";
import { acceptText } from "./text.js";
import { t } from "./messages.js";

/** One line of typing, understood: `2kg flour, organic @baking`. */
export interface ItemEntry {
  readonly name: string;
  readonly quantity: Quantity;
  readonly note: string | null;
  readonly aisle: string | null;
}

/** What putting it on the list is. */
export function addIntent({ name, quantity, note, aisle }: ItemEntry): Intent & { readonly type: "add" } {
  return { type: "add", name, unit: quantity.unit, amount: quantity.thousandths, note, aisle };
}

/** In UTF-16 code units: a name, a note and an aisle, with room for the amount. */
const LONGEST_ENTRY = 2_000;

const ONE: Quantity = { thousandths: 1_000, unit: null };

const NUMBER = "[0-9]{1,15}(?:[.,][0-9]{1,9})?";
/** Nothing in it could be an amount, a note or an aisle: what most lines are. */
const PLAIN = /^[A-Za-z][A-Za-z '-]*$/;
const HAS_DIGIT = /[0-9]/;

interface Amounts {
  /** `2kg flour`, `2 kg flour`, `2 milk`, `2x milk`, `2 bottles of milk`. */
  readonly leading: RegExp;
  /** `milk x2`, `flour x 2kg`. */
  readonly trailing: RegExp;
  /** After a name in quotes. */
  readonly afterQuotes: RegExp;
  /** A number, or an amount in a known unit. */
  readonly lone: RegExp;
}

let made: Amounts | null = null;

/** With Unicode's letters, which take a while: made for the first line that has a digit. */
function amounts(): Amounts {
  made ??= {
    leading: new RegExp(`^(${NUMBER})\\s*(?:([x×])|(\\p{L}+))?\\s+(?:of\\s+)?(\\S.*)$`, "u"),
    trailing: new RegExp(`^(.*\\S)\\s+[x×]\\s*(${NUMBER})\\s*(\\p{L}+)?$`, "u"),
    afterQuotes: new RegExp(`^(?:[x×]\\s*(${NUMBER})\\s*(${UNIT})?)?$`, "u"),
    lone: new RegExp(`^${NUMBER}(\\p{L}*)$`, "u"),
  };
  return made;
}

/** `"2 milk" x3`: a name as it is, and then an amount, a note, an aisle. */
const QUOTED = /^"((?:[^"\\]|\\.)*)"(.*)$/su;
/** Up to a comma, so that `flour @baking, organic` reads like `flour, organic @baking`. */
const AISLE = /\s@(?=\S)([^,]*)/u;
/** A note or an aisle in quotes is taken as it is, too: it is put aside before anything else is looked for. */
const HELD = /([,\s]@|,\s*)"((?:[^"\\]|\\.)*)"(?=\s*(?:$|[,@(]))/gu;
/** No text may have it, so it can stand for a text that was put aside. */
const HOLDER = "\u0000";
const HOLDERS = new RegExp(`${HOLDER}(\\d+)${HOLDER}`, "gu");
/** A comma before a digit is a decimal comma. */
const NOTE = /,(?![0-9])(.*)$/su;
/** Numbers that mean something to a machine and nothing on a shopping list. */
const ODD_NUMBER = /^[+-]?[0-9][0-9.,]*(e[+-]?[0-9]+)?$/i;
/** A number that stands by itself before the name. */
const LEADING_COUNT = new RegExp(`^(${NUMBER})\\s+(\\S.*)$`, "u");

/**
 * The item that a line names. An amount before the name or after an `x`, a note after a comma, an aisle after an `@`. A name
 * in double quotes is taken as it is.
 * @throws AisleError
 */
export function parseEntry(line: string): ItemEntry {
  if (line.length > LONGEST_ENTRY)
    throw usageError(t`an item is longer than ${LONGEST_ENTRY} characters`, t("shorten it"));
  const typed = line.trim();
  if (PLAIN.test(typed)) return literalEntry(typed);
  const quoted = QUOTED.exec(typed);
  const held: string[] = [];
  const hold = (text: string): string =>
    text.replace(HELD, (_all, before: string, inside: string) => {
      held.push(unescaped(inside));
      return `${before}${HOLDER}${held.length - 1}${HOLDER}`;
    });
  const parts =
    (quoted === null ? null : parseQuoted(quoted[1] ?? "", hold(quoted[2] ?? ""))) ?? parseUnquoted(hold(typed));
  return entry(parts, (text) => text.replace(HOLDERS, (_all, index: string) => held[Number(index)] ?? ""));
}

interface Parts {
  readonly name: string;
  readonly quantity: Quantity;
  readonly note: string | null;
  readonly aisle: string | null;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gu, "$1");
}

/** A name in quotes is taken as it is; null where what follows it is no amount, and the quotes are part of the name. */
function parseQuoted(name: string, rest: string): Parts | null {
  const [beforeAisle, aisle] = cut(` ${rest}`, AISLE);
  const [amount, note] = cut(beforeAisle, NOTE);
  const match = amounts().afterQuotes.exec(amount.trim());
  if (match === null) return null;
  const [, number, unit] = match;
  const quantity = number === undefined ? ONE : quantityOf(toAmount(number), unit ?? null);
  return { name: unescaped(name), quantity, note, aisle };
}

function parseUnquoted(line: string): Parts {
  const [beforeAisle, aisle] = cut(line, AISLE);
  const [beforeNote, note] = cut(beforeAisle, NOTE);
  const { name, quantity } = parseAmount(beforeNote.trim());
  return { name, quantity, note, aisle };
}

function entry({ name, quantity, note, aisle }: Parts, restored: (text: string) => string): ItemEntry {
  return {
    name: acceptText("name", restored(name)),
    quantity,
    note: note === null ? null : acceptText("note", restored(note)),
    aisle: aisle === null ? null : acceptText("aisle", restored(aisle)),
  };
}

/** The words as they are: no amount, note or aisle is looked for. */
export function literalEntry(text: string): ItemEntry {
  return { name: acceptText("name", text), quantity: ONE, note: null, aisle: null };
}

function refuseOddAmounts(text: string): void {
  const words = text.split(/\s+/);
  const last = words.at(-1) ?? "";
  for (const word of [words[0] ?? "", /^[x×]/u.test(last) ? last.slice(1) : ""]) {
    if (!ODD_NUMBER.test(word) || parseNumber(word) !== null) continue;
    throw oddAmount(word);
  }
}

function oddAmount(word: string): Error {
  const shown = word.slice(0, 40);
  return usageError(
    isAmbiguous(word) ? t`${shown} may be thousands, or a fraction` : t`${shown} is not an amount that can be added`,
    t("write a number such as 2, 0.5 or 1,5"),
  );
}

function parseAmount(text: string): { readonly name: string; readonly quantity: Quantity } {
  if (!HAS_DIGIT.test(text)) return { name: text, quantity: ONE };
  refuseOddAmounts(text);
  const trailing = amounts().trailing.exec(text);
  if (trailing !== null) {
    const [, name = "", amount = "", unit] = trailing;
    if (unit === undefined || isKnownUnit(unit)) return { name, quantity: quantityOf(toAmount(amount), unit ?? null) };
  }
  const leading = amounts().leading.exec(text);
  if (leading !== null) {
    const [, amount = "", times, unit, name = ""] = leading;
    if (times !== undefined) return { name, quantity: quantityOf(toAmount(amount), null) };
    if (unit !== undefined && isKnownUnit(unit)) return { name, quantity: quantityOf(toAmount(amount), unit) };
  }
  const counted = LEADING_COUNT.exec(text);
  if (counted !== null) return { name: counted[2] ?? "", quantity: quantityOf(toAmount(counted[1] ?? ""), null) };
  return { name: text, quantity: ONE };
}

function toAmount(text: string): number {
  const number = parseNumber(text);
  if (number === null) throw oddAmount(text);
  return number;
}

/** Takes the first match out of the text; answers what is left and what the match captured. */
function cut(text: string, pattern: RegExp): [string, string | null] {
  const match = pattern.exec(text);
  if (match === null) return [text, null];
  return [text.slice(0, match.index) + text.slice(match.index + match[0].length), match[1] ?? ""];
}

const LONE_TIMES = new RegExp(`^[x×]\\s*${NUMBER}$|^${NUMBER}[x×]$`, "u");

/**
 * Arguments as typed without quotes: a lone `2` or `x2` belongs to a neighbour. `x2` follows its item; `2` comes before
 * it, as in `2 milk`, unless only the other reading gives every number an item (`milk 2 eggs 6`).
 * @throws AisleError where a number has no item
 */
export function joinLoneNumbers(given: readonly string[]): readonly string[] {
  const words = joinMeasures(given);
  return attach(words, "before") ?? attach(words, "after") ?? unattached(words);
}

const BARE_NUMBER = new RegExp(`^${NUMBER}$`, "u");

/** `2 kg flour` without quotes: nobody buys a kg. */
function joinMeasures(words: readonly string[]): readonly string[] {
  const joined: string[] = [];
  for (const word of words) {
    const last = joined.at(-1) ?? "";
    if (isMeasure(word) && BARE_NUMBER.test(last)) joined[joined.length - 1] = `${last}${word}`;
    else joined.push(word);
  }
  return joined;
}

function isLoneCount(word: string): boolean {
  const unit = HAS_DIGIT.test(word) ? amounts().lone.exec(word)?.[1] : undefined;
  return unit !== undefined && (unit === "" || isKnownUnit(unit));
}

function unattached(words: readonly string[]): never {
  const number = words.find((word) => isLoneCount(word) || LONE_TIMES.test(word)) ?? "";
  throw usageError(t`${number} belongs to no item`, t('put an amount and its item in quotes: "2 milk"'));
}

function attach(words: readonly string[], side: "before" | "after"): readonly string[] | null {
  const entries: string[] = [];
  let lead: string | null = null;
  /** Whether the last entry may still take an amount. */
  let open = false;
  for (const word of words) {
    const isTimes = LONE_TIMES.test(word) && !word.endsWith("x") && !word.endsWith("×");
    const isNumber = isLoneCount(word) || LONE_TIMES.test(word);
    if (!isNumber) {
      entries.push(lead === null ? word : `${lead} ${word}`);
      open = lead === null;
      lead = null;
    } else if (isTimes || side === "after") {
      const last = entries.pop();
      if (last === undefined || !open || lead !== null) return null;
      entries.push(isTimes ? `${last} ${word}` : `${last} x${word.replace(/[x×]$/u, "")}`);
      open = false;
    } else {
      if (lead !== null) return null;
      lead = word;
    }
  }
  return lead === null ? entries : null;
}
