/**
 * The identity of an item: its folded name and, where it is not plainly counted, its unit after a tab. A tab cannot
 * occur in a folded name, so two litres and three bottles of milk are two items and `milk` alone is a third.
 */
export type ItemKey = string;

/** Most names that are typed: folding them changes nothing. */
const IS_FOLDED = /^[a-z0-9]+(?: [a-z0-9]+)*$/;

/**
 * Folds a name so that spellings people take for the same are one: compatibility forms, case, white space. Going through
 * upper case first is the closest that ECMAScript has to Unicode's full case folding (ß and SS, final sigma).
 */
export function foldName(name: string): string {
  if (IS_FOLDED.test(name)) return name;
  const folded = name.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
  return folded.trim().replace(/\s+/gu, " ");
}

export function itemKey(name: string, unit: string | null): ItemKey {
  return unit === null ? foldName(name) : `${foldName(name)}\t${unit}`;
}

export function unitOf(key: ItemKey): string | null {
  const tab = key.indexOf("\t");
  return tab < 0 ? null : key.slice(tab + 1);
}

export function foldedNameOf(key: ItemKey): string {
  const tab = key.indexOf("\t");
  return tab < 0 ? key : key.slice(0, tab);
}
