import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../runtime/errno.js";
import type { Translation } from "./messages.js";

const LARGEST_BYTES = 1024 * 1024;

/**
 * The language that a person reads, as POSIX names it: `de_AT.UTF-8`.
 * @returns what to look for, the most particular first; nothing where that is this source's English
 */
export function languagesOf({ LC_ALL, LC_MESSAGES, LANG }: NodeJS.ProcessEnv): readonly string[] {
  const locale = [LC_ALL, LC_MESSAGES, LANG].find((value) => value !== undefined && value !== "") ?? "";
  const [, language = "en", region] = /^([a-z]{2,3})(?:[_-]([A-Za-z]{2}|[0-9]{3}))?(?:[.@]|$)/.exec(locale) ?? [];
  if (language === "en") return [];
  return [...(region === undefined ? [] : [`${language}-${region.toUpperCase()}`]), language];
}

/**
 * What is said in that language.
 * @param folders where catalogues may lie as `LANGUAGE.json`, those of the person first
 * @returns null where there is none
 * @throws Error for a catalogue that cannot be used, with its path
 */
export async function readTranslation(
  languages: readonly string[],
  folders: readonly string[],
): Promise<Translation | null> {
  for (const language of languages) {
    for (const folder of folders) {
      const path = join(folder, `${language}.json`);
      const catalogue = await readCatalogue(path);
      if (catalogue !== null) return await translationOf(language, catalogue);
    }
  }
  return null;
}

async function readCatalogue(path: string): Promise<Readonly<Record<string, string>> | null> {
  let text: string;
  try {
    if (statSync(path).size > LARGEST_BYTES) throw new Error("it is too long");
    text = readFileSync(path, "utf8");
    const v = await import("valibot");
    return v.parse(v.record(v.string(), v.string()), JSON.parse(text));
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return null;
    throw new Error(`${path} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function translationOf(language: string, catalogue: Readonly<Record<string, string>>): Promise<Translation> {
  const { createInstance } = await import("i18next");
  const i18n = createInstance();
  await i18n.init({
    lng: language,
    fallbackLng: false,
    resources: { [language]: { translation: catalogue } },
    // Keys are whole sentences, and values are what people wrote.
    keySeparator: false,
    nsSeparator: false,
    interpolation: { escapeValue: false },
    showSupportNotice: false,
  });
  return {
    text: (key, values) => (Object.hasOwn(catalogue, key) ? i18n.t(key, Object.fromEntries(values.entries())) : null),
    counted: (key, count) => {
      const otherwise = catalogue[`${key}_other`];
      return otherwise === undefined ? null : i18n.t(key, { count, defaultValue: otherwise });
    },
  };
}
