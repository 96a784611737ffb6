import { foldedNameOf, foldName, unitOf, type ItemKey } from "../../crdt/item-key.js";
import type { Item } from "../../crdt/shopping-list.js";
import { ambiguous, notFound } from "../errors.js";
import type { LocalList } from "../local-list.js";
import { t } from "../messages.js";
import { nearest } from "../nearest.js";
import { normaliseUnit } from "../quantity.js";
import { displayable } from "../text.js";
import { nameOf } from "../views.js";

const MOST_NAMED = 8;

/** The item on the list that the words name, in any case. */
export function findItem(list: LocalList, name: string, unit?: string): Item {
  const folded = foldName(name);
  const wanted = unit === undefined ? undefined : normaliseUnit(unit).unit;
  const items = [...list.shown.visibleItems()];
  const named = items.filter((item) => foldedNameOf(item.key) === folded);
  const [only, ...others] = named.filter((item) => wanted === undefined || unitOf(item.key) === wanted);
  if (only !== undefined && others.length === 0) return only;
  const quoted = `"${displayable(name.slice(0, 80))}"`;
  if (named.length > 0) {
    const [units, hint] = [named.map((item) => item.unit ?? t("piece")).join(", "), t("say which with --unit")];
    if (named.length > 1 && (unit === undefined || only !== undefined))
      throw ambiguous(t`${quoted} is on the list in several units: ${units}`, hint);
    throw notFound(t`${quoted} is on ${displayable(nameOf(list))} in another unit: ${units}`, hint);
  }
  const near = nearest(
    name,
    items.map((item) => item.name),
  );
  const names = items.slice(0, MOST_NAMED).map((item) => displayable(item.name));
  const there = `${names.join(", ")}${items.length > MOST_NAMED ? ", …" : ""}`;
  const hint =
    near.length > 0
      ? t`did you mean: ${near.map(displayable).join(", ")}`
      : items.length === 0
        ? t("nothing is on it: `aisle add` puts something there")
        : t`there is: ${there}`;
  throw notFound(t`${quoted} is not on ${displayable(nameOf(list))}`, hint);
}

/** The same for every item that ever was on the list. */
export function findKey(list: LocalList, name: string, unit?: string): ItemKey {
  const folded = foldName(name);
  const wanted = unit === undefined ? undefined : normaliseUnit(unit).unit;
  const named = [...list.shown.items.entries().keys()].filter(
    (key) => foldedNameOf(key) === folded && (wanted === undefined || unitOf(key) === wanted),
  );
  const shown = named.filter((key) => list.shown.item(key) !== null);
  const [only, ...others] = shown.length > 0 ? shown : named;
  // Where none is there, what is said about a name that is not known is said here, too.
  if (only === undefined) return findItem(list, name, unit).key;
  if (others.length === 0) return only;
  const units = [only, ...others].map((key) => unitOf(key) ?? t("piece")).join(", ");
  throw ambiguous(
    t`"${displayable(name.slice(0, 80))}" was on the list in several units: ${units}`,
    t("say which with --unit"),
  );
}
