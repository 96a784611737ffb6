/** What is said to people in another language than this source's. */
export interface Translation {
  /** @param key the English text with {{0}}, {{1}}… in the place of `values`; null where the catalogue has no such text */
  readonly text: (key: string, values: readonly unknown[]) => string | null;
  /** @param key the English text for several, with {{count}} in the place of the number */
  readonly counted: (key: string, count: number) => string | null;
}

let translation: Translation | null = null;

/** From now on people read this; English where it is null. To be called before the first text is made. */
export function useTranslation(next: Translation | null): void {
  translation = next;
}

/**
 * A text for a person, in their language: t("the list is empty"), or as a tag, t`there is no ${name}`. What is written here is
 * English and the key of the catalogue in one, so a text that is not translated is read in English.
 * Never for what programs read. `npm run messages` collects every text into messages/en.json.
 */
export function t(text: string | TemplateStringsArray, ...values: readonly unknown[]): string {
  if (typeof text === "string") return translation?.text(text, []) ?? text;
  if (translation !== null) {
    const told = translation.text(keyOf(text), values);
    if (told !== null) return told;
  }
  return String.raw({ raw: text }, ...values);
}

/**
 * A number of things, as the person's language counts: counted(n, "{{count}} item", "{{count}} items"). In English `one` is for
 * exactly one; the catalogue knows the text under `several`.
 */
export function counted(count: number, one: string, several: string): string {
  return translation?.counted(several, count) ?? (count === 1 ? one : several).replace("{{count}}", `${count}`);
}

/** The catalogue's key for what a tag is given. */
export function keyOf(parts: readonly string[]): string {
  return parts.map((part, at) => (at === 0 ? part : `{{${at - 1}}}${part}`)).join("");
}
