/**
 * The lattice beside Yjs, Loro and Automerge: three replicas, 10,000 operations on a list of 1,000 items (60 % a quantity, 25 % an
 * addition, 15 % a removal), merged every 500; then what is saved, how long it takes to load, and to merge two replicas that
 * have diverged by 1,000 operations each. Each library counts in the way that loses no concurrent increment.
 */
import { encodeListText } from "../src/crdt/codec.js";
import { itemKey } from "../src/crdt/item-key.js";
import { ShoppingList } from "../src/crdt/shopping-list.js";
import { generator } from "../test/households.js";
import { LIBRARIES, Ours, type Copy, type Library } from "./libraries.js";
import { median, report } from "./table.js";

const REPLICAS = 3;
const ITEMS = 1_000;
const OPERATIONS = 10_000;
const MERGE_EVERY = 500;
const DIVERGED = 1_000;
const ROUNDS = 5;
const LOADS = 7;
const GROWTH_OPERATIONS = 20_000;
const TOLD = 2_000;

interface Outcome {
  readonly operations: number;
  readonly bytes: number;
  readonly loadMs: number;
  readonly mergeMs: number;
}

/** The same steps for every library; all replicas have to end equal. */
function run(library: Library): Outcome {
  const random = generator(11);
  const below = (bound: number): number => Math.floor(random() * bound);
  const copies = Array.from({ length: REPLICAS }, (_, replica) => library.make(replica));
  for (let item = 0; item < ITEMS; item++) copies[0]?.add(`item ${item}`);
  mergeAll(copies);
  const operate = (copy: Copy): void => {
    const name = `item ${below(ITEMS)}`;
    const kind = random();
    if (kind < 0.6) copy.change(name, 1);
    else if (kind < 0.85) copy.add(name);
    else copy.remove(name);
  };
  const began = performance.now();
  for (let at = 1; at <= OPERATIONS; at++) {
    operate(copies[below(REPLICAS)] ?? library.make(9));
    if (at % MERGE_EVERY === 0) mergeAll(copies);
  }
  const operations = OPERATIONS / ((performance.now() - began) / 1_000);
  requireEqual(library, copies);
  const [first, second] = copies;
  if (first === undefined || second === undefined) throw new Error("there should be three");
  const saved = first.save();
  const loadMs = median(Array.from({ length: LOADS }, () => timed(() => library.load(saved, 7).names())));
  for (let at = 0; at < DIVERGED; at++) for (const copy of [first, second]) operate(copy);
  const mergeMs = timed(() => {
    first.pull(second);
  });
  return { operations, bytes: saved.byteLength, loadMs, mergeMs };
}

function mergeAll(copies: readonly Copy[]): void {
  for (const to of copies) for (const from of copies) if (to !== from) to.pull(from);
}

function requireEqual({ name }: Library, copies: readonly Copy[]): void {
  const told = copies.map((copy) => JSON.stringify([...copy.names()].sort().map((one) => [one, copy.amountOf(one)])));
  if (new Set(told).size !== 1) throw new Error(`the replicas of ${name} differ`);
}

function timed(work: () => unknown): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

const outcomes = new Map(LIBRARIES.map((library) => [library, [] as Outcome[]]));
for (let round = 0; round < ROUNDS; round++) for (const library of LIBRARIES) outcomes.get(library)?.push(run(library));

interface Target {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** The last row is Aisle beside the best of the others. */
function compare(
  title: string,
  unit: string,
  pick: (outcome: Outcome) => number,
  digits: number,
  target: Target,
): void {
  const figures = LIBRARIES.map((library) => ({
    name: library.name,
    value: median((outcomes.get(library) ?? []).map(pick)),
  }));
  const [ours = 1, ...others] = figures.map(({ value }) => value);
  const best = target.atLeast === undefined ? Math.min(...others) : Math.max(...others);
  report(title, [
    ...figures.map(({ name, value }) => ({
      name,
      figure: `${value.toLocaleString("en", { maximumFractionDigits: digits })} ${unit}`,
      ratio: value / best,
    })),
    { name: "Aisle to the best of the others", figure: "", ratio: ours / best, ...target },
  ]);
}

/** Nanoseconds that one operation takes of Aisle, and bytes of the delta it comes to, on a list of so many items by so many devices. */
function growth(items: number, devices: number): { readonly ns: number; readonly bytes: number } {
  const copies = Array.from({ length: devices }, (_, replica) => new Ours(replica));
  const [first] = copies;
  if (first === undefined) throw new Error("there should be one");
  for (let item = 0; item < items; item++) first.add(`item ${item}`);
  for (const copy of copies.slice(1)) {
    // Each device has touched each hundredth item.
    copy.pull(first);
    for (let item = copy.replica % 100; item < Math.min(items, 10_000); item += 100) copy.change(`item ${item}`, 1);
    first.pull(copy);
  }
  const random = generator(13);
  const once = (): void => first.change(`item ${Math.floor(random() * items)}`, 1);
  for (let at = 0; at < GROWTH_OPERATIONS; at++) once();
  const ms = timed(() => {
    for (let at = 0; at < GROWTH_OPERATIONS; at++) once();
  });
  const author = { replica: "replica-0", id: "0-last", at: 0 };
  const delta = first.list.acquire(author, itemKey("item 0", null), 1);
  return { ns: (ms * 1e6) / GROWTH_OPERATIONS, bytes: encodeListText(delta).length };
}

function showGrowth(title: string, sizes: readonly (readonly [items: number, devices: number])[], by: 0 | 1): void {
  const found = sizes.map((size) => ({ size, ...growth(...size) }));
  const reference = found[0]?.ns ?? 1;
  const [what, last] = [by === 0 ? "items" : "devices", sizes.length - 1];
  report(
    title,
    found.map(({ size, ns, bytes }, index) => ({
      name: `${size[by].toLocaleString("en")} ${what}`,
      figure: `${(ns / 1_000).toFixed(2)} µs, delta of ${bytes} bytes`,
      ratio: ns / reference,
      ...(by === 0 && index === last ? { atMost: 1.5 } : {}),
    })),
  );
}

/** Nanoseconds that it takes to tell a reader who has everything but one operation what it lacks, and the reader to join that. */
function telling(items: number): number {
  const [writer, reader] = [new Ours(0), new Ours(1)];
  for (let item = 0; item < items; item++) writer.add(`item ${item}`);
  reader.pull(writer);
  const random = generator(17);
  const tell = (): number => {
    let ms = 0;
    for (let at = 0; at < TOLD; at++) {
      writer.change(`item ${Math.floor(random() * items)}`, 1);
      ms += timed(() => reader.pull(writer));
    }
    return (ms * 1e6) / TOLD;
  };
  tell();
  return tell();
}

function showTelling(sizes: readonly number[]): void {
  const found = sizes.map((items) => ({ items, ns: telling(items) }));
  const reference = found[0]?.ns ?? 1;
  report(
    "what a reader lacks after one operation, found and joined, by the size of the list",
    found.map(({ items, ns }) => ({
      name: `${items.toLocaleString("en")} items`,
      figure: `${(ns / 1_000).toFixed(2)} µs`,
      ratio: ns / reference,
    })),
  );
}

/** What each kind of operation comes to on the wire and in the journal, on an item that three replicas have touched. */
function deltaBytes(): void {
  const copies = [0, 1, 2].map((replica) => new Ours(replica));
  for (const copy of copies) copy.add("milk");
  mergeAll(copies);
  const list = copies[0]?.list ?? new ShoppingList();
  const author = { replica: "replica-0", id: "abcdefghijk", at: 1_790_000_000_000 };
  const key = itemKey("milk", null);
  const deltas = {
    add: list.add(author, "milk", null, 1_000),
    got: list.acquire(author, key, 1_000),
    note: list.annotate(author, key, "semi-skimmed"),
    remove: list.remove(author, key),
    rename: list.rename(author, "Groceries"),
  };
  const sizes = Object.entries(deltas).map(([name, delta]) => ({ name, bytes: encodeListText(delta).length }));
  const reference = sizes[0]?.bytes ?? 1;
  report(
    "bytes of a delta by kind of operation, three replicas",
    sizes.map(({ name, bytes }) => ({ name, figure: `${bytes} bytes`, ratio: bytes / reference })),
  );
}

compare("operations a second, merges included", "/s", ({ operations }) => operations, 0, { atLeast: 10 });
compare("saved state", "bytes", ({ bytes }) => bytes, 0, { atMost: 0.5 });
compare("loading it", "ms", ({ loadMs }) => loadMs, 2, { atMost: 0.1 });
compare("merging two replicas that have diverged by 1,000 operations each", "ms", ({ mergeMs }) => mergeMs, 2, {
  atMost: 0.4,
});
deltaBytes();
showGrowth(
  "an operation by the size of the list",
  [10, 1_000, 100_000].map((items) => [items, 2] as const),
  0,
);
showTelling([10, 1_000, 100_000]);
showGrowth(
  "an operation by the number of devices",
  [2, 20, 200].map((devices) => [1_000, devices] as const),
  1,
);
