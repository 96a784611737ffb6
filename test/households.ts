import { Document } from "../src/crdt/document.js";
import { itemKey } from "../src/crdt/item-key.js";
import { ShoppingList } from "../src/crdt/shopping-list.js";
import type { ListId } from "../src/protocol/ids.js";

/** What a household keeps on one list. */
export interface HouseholdList {
  readonly listId: ListId;
  readonly document: Document;
  readonly items: number;
}

/** The mean number of items; a list's length is drawn after Zipf, so that a few are very long. */
const MEAN_ITEMS = 20;
const LONGEST = 1_000;

const NAMES = [
  "milk",
  "bread",
  "eggs",
  "flour",
  "apples",
  "coffee",
  "rice",
  "tomatoes",
  "cheese",
  "soap",
  "beans",
  "tea",
];
const AISLES = [null, "dairy", "baking", "vegetables", "household"];
const UNITS = [null, null, null, "g", "ml", "bottle"];
const START = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

/** Small and seeded (mulberry32), so that everybody's households are the same. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Lists as households leave them after some months: one to four devices, items added, wanted more of, bought, and some of them
 * taken off again; lengths after Zipf, about twenty items in the mean.
 */
export function* households(lists: number, seed = 1): Iterable<HouseholdList> {
  for (let index = 0; index < lists; index++) yield household(seed, index);
}

/** One of them, by its place. */
export function household(seed: number, index: number): HouseholdList {
  const random = generator(Math.imul(seed, 1_000_003) + index);
  const below = (bound: number): number => Math.floor(random() * bound);
  const listId = idOf(random);
  const list = new ShoppingList();
  const devices = Array.from({ length: 1 + below(4) }, (_, device) => `r${index.toString(36)}${device}`);
  let at = START + below(300) * 24 * HOUR_MS;
  let count = 0;
  const author = (): { replica: string; id: string; at: number } => ({
    replica: devices[below(devices.length)] ?? "",
    id: `${index.toString(36)}-${(count++).toString(36)}`,
    at: (at += below(HOUR_MS)),
  });
  list.rename(author(), `List ${index}`);
  const items = lengthOf(random());
  for (let item = 0; item < items; item++) {
    const unit = UNITS[below(UNITS.length)] ?? null;
    const name = `${NAMES[below(NAMES.length)] ?? ""} ${item}`;
    const key = itemKey(name, unit);
    list.add(author(), name, unit, 1_000 * (1 + below(6)));
    const aisle = AISLES[below(AISLES.length)] ?? null;
    if (aisle !== null) list.fileUnder(author(), key, aisle);
    const fate = random();
    if (fate < 0.3) list.acquire(author(), key, 1_000);
    if (fate < 0.1) list.remove(author(), key);
  }
  return { listId, document: new Document(list), items };
}

/** Zipf with an exponent of about two, by the inverse of its distribution. */
function lengthOf(uniform: number): number {
  return Math.min(LONGEST, Math.ceil(MEAN_ITEMS / 4 / (1 - uniform * (1 - MEAN_ITEMS / 4 / LONGEST))));
}

function idOf(random: () => number): ListId {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16));
  hex[12] = "4";
  hex[16] = "8";
  return [8, 12, 16, 20, 32].map((end, part) => hex.slice([0, 8, 12, 16, 20][part], end).join("")).join("-");
}
