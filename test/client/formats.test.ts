import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { exportList, EXPORT_FORMATS, guessFormat, readImport, type ExportFormat } from "../../src/client/formats.js";
import { apply, type Intent } from "../../src/client/intent.js";
import { addIntent } from "../../src/client/item-entry.js";
import { LocalList } from "../../src/client/local-list.js";
import { sortedItems } from "../../src/client/views.js";
import { itemKey } from "../../src/crdt/item-key.js";

let ids = 0;
const author = () => ({ replica: "a", id: `o${++ids}`, at: 1_700_000_000_000 });
const newList = (): LocalList => LocalList.create("5b1d78f4-9dd9-4e9a-9f93-421541b5729c", "device", "a");

function put(list: LocalList, intent: Intent): void {
  apply(intent, list.shown, author());
}

/** Imports what was exported into a list of its own. */
function roundTrip(list: LocalList, format: ExportFormat): LocalList {
  const { items, order, staples } = readImport(exportList(list, format), format);
  const copy = newList();
  for (const { entry, acquired } of items) {
    const add = addIntent(entry);
    put(copy, add);
    if (acquired > 0) put(copy, { type: "acquire", key: itemKey(add.name, add.unit), amount: acquired });
  }
  for (const { key, rule } of staples) put(copy, { type: "staple", key, rule });
  if (order.length > 0) put(copy, { type: "order", aisles: order });
  return copy;
}

/** Words that a format could take for something else. */
const word = fc.constantFrom(
  ..."milk 2 x3 2kg x (A) @dairy +home a:b qty:3 - [x] # \" ' , 1,5 =cmd 2026-11-21 %20 got) (2 of 50% naïve 牛乳 🥛".split(
    " ",
  ),
);
const text = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join(" "));
const arbitraryItem = fc.record({
  name: text,
  unit: fc.constantFrom(null, "g", "ml", "bottle", "st.", "fl_oz", "half-pint", "किलो"),
  needed: fc.integer({ min: 0, max: 9_999 }),
  acquired: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 12_000 })),
  note: fc.option(text),
  aisle: fc.option(text.map((aisle) => aisle.replaceAll(",", ";").slice(0, 100))),
});

function listOf(items: readonly (typeof arbitraryItem extends fc.Arbitrary<infer T> ? T : never)[]): LocalList {
  const list = newList();
  put(list, { type: "rename", name: "Groceries" });
  for (const { name, unit, needed, acquired, note, aisle } of items) {
    put(list, { type: "add", name, unit, amount: needed, note, aisle });
    if (acquired > 0) put(list, { type: "acquire", key: itemKey(name, unit), amount: acquired });
  }
  return list;
}

describe.each(EXPORT_FORMATS.map((format) => [format]))("export and import as %s", (format) => {
  it("lose nothing of an item, whatever its texts look like", () => {
    fc.assert(
      fc.property(fc.array(arbitraryItem, { maxLength: 4 }), (items) => {
        const list = listOf(items);
        expect(sortedItems(roundTrip(list, format).shown)).toEqual(sortedItems(list.shown));
      }),
      { numRuns: 300 },
    );
  });
});

describe("what is piped in", () => {
  it.each([
    ["json", '{\n  "items": [\n'],
    ["json", '[{"name":"milk"}'],
    ["json", "[]"],
    ["txt", "[ ] milk\n[x] eggs"],
    ["txt", "[organic] milk"],
    ["csv", "name,needed\nmilk,2"],
    ["tsv", "name\tneeded"],
  ])("is %s by its looks, damaged or not", (format, text) => {
    expect(guessFormat(text)).toBe(format);
  });
});

describe("JSON", () => {
  it("carries the order of the aisles and the staples as well", () => {
    const list = listOf([]);
    put(list, { type: "add", name: "Milk", unit: "ml", amount: 1_000_000, note: null, aisle: "dairy" });
    put(list, { type: "staple", key: "milk\tml", rule: "2026-11-21 P1W 1000000" });
    put(list, { type: "order", aisles: ["dairy", "bakery"] });
    const { shown } = roundTrip(list, "json");
    expect(shown.order.get()).toBe("dairy\nbakery");
    expect(shown.item("milk\tml")).toMatchObject({ staple: "2026-11-21 P1W 1000000" });
  });
});

describe("Markdown", () => {
  it("is what one would paste in a chat", () => {
    const list = listOf([]);
    put(list, { type: "add", name: "Milk", unit: "ml", amount: 2_000_000, note: "fresh", aisle: "dairy" });
    put(list, { type: "add", name: "Eggs", unit: null, amount: 6_000, note: null, aisle: null });
    put(list, { type: "acquire", key: "eggs", amount: 2_000 });
    put(list, { type: "add", name: "Bread", unit: null, amount: 1_000, note: null, aisle: null });
    put(list, { type: "acquire", key: "bread", amount: 1_000 });
    expect(exportList(list, "md")).toBe(
      "# Groceries\n\n- [x] Bread\n- [ ] Eggs x6 (2 got)\n\n## dairy\n\n- [ ] Milk x2l, fresh",
    );
  });
});

describe("todo.txt", () => {
  it("is read as its own tools write it", () => {
    const text =
      "(A) 2026-11-01 Milk @dairy +household due:2026-11-22\nx 2026-11-02 2026-11-01 Bread\nEggs qty:6 got:2\n";
    const items = readImport(text, "todo").items.map(({ entry, acquired }) => [
      entry.name,
      entry.quantity.thousandths,
      entry.aisle,
      acquired,
    ]);
    expect(items).toEqual([
      ["Milk", 1_000, "dairy", 0],
      ["Bread", 1_000, null, 1_000],
      ["Eggs", 6_000, null, 2_000],
    ]);
  });
});
