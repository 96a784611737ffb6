import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { itemKey } from "../../src/crdt/item-key.js";
import { DataFolder } from "../../src/client/data-folder.js";
import type { Intent } from "../../src/client/intent.js";
import { LocalList } from "../../src/client/local-list.js";
import { glanceAt } from "../../src/client/views.js";
import { temporaryFolder } from "../e2e/harness.js";

const LIST = "11111111-1111-4111-8111-111111111111";
const path = temporaryFolder();
const folder = DataFolder.open(path);
afterAll(() => rmSync(path, { recursive: true }));

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const name = fc.oneof(
  fc.constantFrom("milk", "eggs", '"', "},"),
  text.filter((one) => one.trim() !== ""),
);
const unit = fc.constantFrom(null, "g", "bottle");
const key = fc.tuple(name, unit).map(([one, its]) => itemKey(one, its));
const amount = fc.integer({ min: 1, max: 5_000 });
const intent: fc.Arbitrary<Intent> = fc.oneof(
  fc.record({ type: fc.constant("add"), name, unit, amount, note: fc.option(text), aisle: fc.option(text) }),
  fc.record({ type: fc.constant("need"), key, total: amount }),
  fc.record({ type: fc.constant("acquire"), key, amount }),
  fc.record({ type: fc.constant("note"), key, text }),
  fc.record({ type: fc.constant("remove"), key }),
  fc.record({ type: fc.constant("rename"), name: text }),
  fc.record({ type: fc.constant("order"), aisles: fc.array(text, { maxLength: 3 }) }),
  fc.record({ type: fc.constant("set-deleted"), deleted: fc.boolean() }),
);

describe("a glance at a list", () => {
  it("shows what the list shows, whatever was done to it", () => {
    fc.assert(
      fc.property(fc.array(intent, { maxLength: 12 }), (intents) => {
        const list = LocalList.create(LIST, "device", "a");
        for (const [at, one] of intents.entries()) list.perform(one, { id: `op-${at}`, at });
        folder.writeList(list);
        const whole = folder.readList(LIST);
        if (whole === null) throw new Error("it was not written");
        const { items, ...rest } = glanceAt(whole);
        const seen = items.map(({ name, needed, acquired, unit, note, aisle }) => ({
          name,
          needed,
          acquired,
          unit,
          note,
          aisle,
        }));
        expect(folder.readGlance(LIST)).toEqual({ ...rest, items: seen });
      }),
    );
  });

  it("is not to be had of a list that changes by itself", () => {
    const list = LocalList.create(LIST, "device", "a");
    list.perform({ type: "add", name: "milk", unit: null, amount: 1_000, note: null, aisle: null }, { id: "1", at: 1 });
    list.perform({ type: "staple", key: itemKey("milk", null), rule: "2026-11-21 P1W 1000" }, { id: "2", at: 2 });
    folder.writeList(list);
    expect(folder.readGlance(LIST)).toBeNull();
  });

  it("is no glance at a file of which any byte is damaged", () => {
    const list = LocalList.create(LIST, "device", "a");
    list.perform({ type: "add", name: "milk", unit: null, amount: 1_000, note: null, aisle: null }, { id: "1", at: 1 });
    folder.writeList(list);
    const [file = ""] = readdirSync(folder.listsPath);
    const whole = readFileSync(join(folder.listsPath, file));
    for (let at = 0; at < whole.byteLength; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(join(folder.listsPath, file), damaged);
      expect(() => folder.readGlance(LIST)).toThrow(/damaged/);
      expect(() => folder.readList(LIST)).toThrow(/damaged/);
    }
  });
});
