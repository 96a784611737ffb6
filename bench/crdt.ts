/**
 * The lattice beside Yjs, Loro and Automerge: three replicas, 10,000 operations on a list of 1,000 items (60 % a quantity, 25 % an
 * addition, 15 % a removal), merged every 500; then what is saved, how long it takes to load, and to merge two replicas that
 * have diverged by 1,000 operations each. Each library counts in the way that loses no concurrent increment.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { encodeListText } from "../src/crdt/codec.js";
import { itemKey } from "../src/crdt/item-key.js";
import { ShoppingList } from "../src/crdt/shopping-list.js";
import { generator } from "../test/households.js";
import type { Outcome } from "./crdt-round.js";
import { LIBRARIES, mergeAll, Ours } from "./libraries.js";
import { median, report, timed } from "./table.js";

const ROUNDS = 5;
const GROWTH_OPERATIONS = 20_000;
const TOLD = 2_000;

function round(name: string): Outcome {
  const script = fileURLToPath(new URL("crdt-round.ts", import.meta.url));
  const { stdout, status } = spawnSync(process.execPath, [...process.execArgv, script, name], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`a round of ${name} failed`);
  return JSON.parse(stdout) as Outcome;
}

/** Of each library in turn, again and again. */
const outcomes = new Map<string, readonly Outcome[]>();
for (let at = 0; at < ROUNDS; at++)
  for (const { name } of LIBRARIES) outcomes.set(name, [...(outcomes.get(name) ?? []), round(name)]);

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
  const figures = [...outcomes].map(([name, found]) => ({ name, value: median(found.map(pick)) }));
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
