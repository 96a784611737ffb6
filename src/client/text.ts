import { usageError } from "./errors.js";
import { t } from "./messages.js";

/** How long each kind of text may be, in UTF-16 code units; names and notes are also bounded by the list's format. */
export const TEXT_LIMITS = { name: 400, note: 1_000, aisle: 100, list: 200 } as const;

export type TextKind = keyof typeof TEXT_LIMITS;

/** Control, bidirectional, invisible and tag characters: what can steer a terminal or hide. */
const HARMFUL = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\u{fff9}-\u{fffb}]/gu;

/** The same but for line feeds, which JSON writes between its parts and never within text. */
const HARMFUL_IN_JSON = new RegExp(`(?!\\n)${HARMFUL.source}`, "gu");

/**
 * Joiners have a place between letters (Persian, Indic scripts) and between emoji (families), variation selectors after what
 * has variants. Anywhere else they only hide.
 */
const IN_PLACE = new RegExp(
  [
    /(?<=[\p{L}\p{M}])[\u{200c}\u{200d}](?=\p{L})/u,
    /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\u{fe0f}])\u{200d}(?=\p{Extended_Pictographic})/u,
    /(?<=\p{Emoji})[\u{fe0e}\u{fe0f}]/u,
    /(?<=\p{Script=Mongolian})[\u{180b}-\u{180d}\u{180f}]/u,
  ]
    .map(({ source }) => source)
    .join("|"),
  "gu",
);

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
  const harmful = text.replace(IN_PLACE, "").match(HARMFUL)?.[0];
  if (harmful !== undefined) {
    const code = (harmful.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    throw usageError(
      t`the ${called(kind)} contains the character U+${code}, which cannot be shown safely`,
      t("type it without that character"),
    );
  }
  return text;
}

/** Most texts are. */
const HARMLESS = /^[ -~]*$/;

/** Text from others, made harmless for a terminal: what could steer it or hide is written as \u{...}. */
export function displayable(text: string): string {
  if (HARMLESS.test(text)) return text;
  const kept = new Set([...text.matchAll(IN_PLACE)].map((match) => match.index));
  return text.replace(HARMFUL, (character: string, offset: number) =>
    kept.has(offset) ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/**
 * A value as JSON in which such characters stand as \\u escapes: the same value for a program, harmless for a terminal.
 * @param indent blanks before what is within something, by level
 */
export function jsonText(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replace(HARMFUL_IN_JSON, (character) =>
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
