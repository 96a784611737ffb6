import { usageError } from "./errors.js";
import { t } from "./messages.js";

/** How long each kind of text may be, in UTF-16 code units; names and notes are also bounded by the list's format. */
const TEXT_LIMITS = { name: 400, note: 1_000, aisle: 100, list: 200 } as const;

export type TextKind = keyof typeof TEXT_LIMITS;

/** Most texts are: what takes Unicode's tables, and so a millisecond or two to make, is made for the others. */
const HARMLESS = /^[ -~]*$/;
const HARMLESS_JSON = /^[\n -~]*$/;

interface Patterns {
  /** Control, bidirectional, invisible and tag characters: what can steer a terminal or hide. */
  readonly harmful: RegExp;
  /** The same but for line feeds, which JSON writes between its parts and never within text. */
  readonly harmfulInJson: RegExp;
  /**
   * Joiners have a place between letters (Persian, Indic scripts) and between emoji (families), variation selectors after what
   * has variants. Anywhere else they only hide.
   */
  readonly inPlace: RegExp;
}

let made: Patterns | null = null;

function patterns(): Patterns {
  if (made !== null) return made;
  const harmful = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\u{fff9}-\u{fffb}]/gu;
  const inPlace = [
    /(?<=[\p{L}\p{M}])[\u{200c}\u{200d}](?=\p{L})/u,
    /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\u{fe0f}])\u{200d}(?=\p{Extended_Pictographic})/u,
    /(?<=\p{Emoji})[\u{fe0e}\u{fe0f}]/u,
    /(?<=\p{Script=Mongolian})[\u{180b}-\u{180d}\u{180f}]/u,
  ].map(({ source }) => source);
  made = {
    harmful,
    harmfulInJson: new RegExp(`(?!\\n)${harmful.source}`, "gu"),
    inPlace: new RegExp(inPlace.join("|"), "gu"),
  };
  return made;
}

const SOFT_HYPHEN = /\u{ad}/gu;

/**
 * Text from this machine's user, tidied: trimmed, white space collapsed, soft hyphens dropped.
 * @throws AisleError where it is empty, too long, or has characters that have no business in it
 */
export function acceptText(kind: TextKind, raw: string): string {
  // Bounded before it is worked on: a text of megabytes should cost nothing.
  if (raw.length > 4 * TEXT_LIMITS[kind]) throw tooLong(kind);
  const text = raw
    .replace(SOFT_HYPHEN, "")
    .replace(/[\t\n\r ]+/g, " ")
    .trim();
  if (text === "" && kind !== "note" && kind !== "aisle") throw usageError(t`the ${called(kind)} is empty`);
  if (text.length > TEXT_LIMITS[kind]) throw tooLong(kind);
  if (HARMLESS.test(text)) return text;
  const { harmful: pattern, inPlace } = patterns();
  const harmful = text.replace(inPlace, "").match(pattern)?.[0];
  if (harmful !== undefined) {
    const code = (harmful.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    throw usageError(
      t`the ${called(kind)} contains the character U+${code}, which cannot be shown safely`,
      t("type it without that character"),
    );
  }
  return text;
}

/** Text from others, made harmless for a terminal: what could steer it or hide is written as \u{...}. */
export function displayable(text: string): string {
  if (HARMLESS.test(text)) return text;
  const { harmful, inPlace } = patterns();
  const kept = new Set([...text.matchAll(inPlace)].map((match) => match.index));
  return text.replace(harmful, (character: string, offset: number) =>
    kept.has(offset) ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/**
 * A value as JSON in which such characters stand as \\u escapes: the same value for a program, harmless for a terminal.
 * @param indent blanks before what is within something, by level
 */
export function jsonText(value: unknown, indent = 0): string {
  const text = JSON.stringify(value, null, indent);
  if (HARMLESS_JSON.test(text)) return text;
  return text.replace(patterns().harmfulInJson, (character) =>
    Array.from({ length: character.length }, (_, at) => escapeOf(character.charCodeAt(at))).join(""),
  );
}

function escapeOf(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}

function called(kind: TextKind): string {
  return { name: t("name"), note: t("note"), aisle: t("aisle"), list: t("list's name") }[kind];
}

function tooLong(kind: TextKind): Error {
  return usageError(t`the ${called(kind)} is longer than ${TEXT_LIMITS[kind]} characters`, t("shorten it"));
}
