import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { overflowOf } from "../../src/crdt/capacity.js";
import {
  decodeContext,
  decodeList,
  digestOf,
  encodeContext,
  encodeList,
  encodeListText,
  MalformedStateError,
} from "../../src/crdt/codec.js";
import { DotContext } from "../../src/crdt/dot-context.js";
import { HISTORY_LENGTH } from "../../src/crdt/history.js";
import { itemKey } from "../../src/crdt/item-key.js";
import { LIMITS, LimitExceededError } from "../../src/crdt/limits.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { comeBack } from "../../src/crdt/staple.js";
import { arbitraryScript, author, playScript } from "./scripts.js";

describe("the canonical form", () => {
  it("is this, for a list with one item", () => {
    const list = new ShoppingList();
    list.add({ replica: "a", id: "op-a", at: 7 }, "Milk", null, 2_000);
    expect(encodeListText(list)).toBe(
      '[1,["a"],[1],[],[[0,1,"op-a"]],0,0,[["milk",[1,0,"Milk"],0,0,[0,1,0,2000]]],' +
        '[[0,1,1,7,"op-a",0,"milk",2000,0,null]]]',
    );
  });

  it("keeps names that are also names of object members", () => {
    const list = new ShoppingList();
    for (const name of ["__proto__", "constructor", "toString"]) list.add(author("a"), name, null, 1_000);
    const names = [...decodeList(JSON.parse(encodeListText(list))).visibleItems()].map((item) => item.key);
    expect(names.sort()).toEqual(["__proto__", "constructor", "tostring"]);
  });

  it("is refused after any small change that leaves no state's form", () => {
    const list = new ShoppingList();
    list.add(author("a"), "Milk", null, 2_000);
    list.add(author("b"), "Eggs", null, 6_000, { note: "brown" });
    const good = encodeList(list) as unknown[];
    const altered = (change: (copy: unknown[]) => void): (() => unknown) => {
      const copy = structuredClone(good);
      change(copy);
      return () => decodeList(copy);
    };
    for (const change of [
      (copy: unknown[]) => (copy[0] = 2),
      (copy: unknown[]) => (copy[1] = ["b", "a"]),
      (copy: unknown[]) => (copy[1] = ["a", "b", "c"]),
      (copy: unknown[]) => (copy[2] = [1, 1, 0]),
      (copy: unknown[]) => (copy[2] = [1, -1]),
      (copy: unknown[]) => (copy[2] = [1, 1.5]),
      (copy: unknown[]) => (copy[3] = [[0, 2, 2]]),
      (copy: unknown[]) => (copy[7] = [...(copy[7] as unknown[])].reverse()),
      (copy: unknown[]) => (copy[7] = [["milk", 0, 0, 0, [0, 1, 2]]]),
      (copy: unknown[]) => (copy[7] = [["milk", 0, 0, 0, [0, 1, 0, 5, 0, 6]]]),
      (copy: unknown[]) => (copy[8] = [...(copy[8] as unknown[])].reverse()),
      (copy: unknown[]) => copy.push(0),
      (copy: unknown[]) => copy.pop(),
    ]) {
      expect(altered(change)).toThrow("");
    }
    expect(altered(() => undefined)).not.toThrow();
  });

  it("either decodes to a state of just that form, or is refused with a MalformedStateError", () => {
    const forms = arbitraryScript.map((script) => encodeListText(playScript(script).lists[0] ?? new ShoppingList()));
    fc.assert(
      fc.property(forms, fc.nat(), fc.constantFrom("0", "1", "-", ",", "[", "]", '"', "9"), (form, at, by) => {
        const position = at % form.length;
        const mutated = form.slice(0, position) + by + form.slice(position + 1);
        let parsed: unknown;
        try {
          parsed = JSON.parse(mutated);
        } catch {
          return;
        }
        try {
          expect(encodeListText(decodeList(parsed))).toBe(JSON.stringify(parsed));
        } catch (error) {
          expect((error as Error).name).toBe("MalformedStateError");
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it("refuses what stands for nothing in the place of a number", () => {
    const withRow = (row: unknown): unknown => [1, ["a"], [1], [], [], 0, 0, [["milk", 0, 0, 0, row]], []];
    expect(() => decodeList(withRow([0, 1, 0, 5]))).not.toThrow();
    for (const row of [
      [0, 1, null, 5],
      [0, 1, 0, null, 5],
      [0, 1, 0, 5, null],
      [0, 1, 0, 5, 0, 0, 0, undefined, 1],
      [0, 1, null],
    ])
      expect(() => decodeList(withRow(row))).toThrow(MalformedStateError);
  });

  it("refuses anything that is not a list at all", () => {
    fc.assert(fc.property(fc.anything(), (value) => expect(() => decodeList(value)).toThrow("")));
    fc.assert(fc.property(fc.object(), (value) => expect(() => decodeContext(value)).toThrow("")));
  });

  it("returns a context as it was", () => {
    const dots = fc.array(fc.record({ replica: fc.constantFrom("a", "b"), counter: fc.integer({ min: 1, max: 20 }) }));
    fc.assert(
      fc.property(dots, (some) => {
        const context = new DotContext();
        for (const dot of some) context.add(dot);
        expect(encodeContext(decodeContext(encodeContext(context)))).toEqual(encodeContext(context));
      }),
    );
  });
});

describe("contexts of many ranges", () => {
  it("are joined and compared in time in proportion to their size", () => {
    const contextOf = (count: number, from: number): DotContext => {
      const context = new DotContext();
      const ranges = Array.from({ length: count }, (_, at) => ({
        replica: "a",
        from: 10 * at + from,
        to: 10 * at + from + 1,
      }));
      context.addRanges("a", ranges);
      return context;
    };
    const timeOf = (count: number, times: number): number => {
      const [one, other] = [contextOf(count, 3), contextOf(count, 7)];
      const start = performance.now();
      for (let round = 0; round < times; round++) {
        const joined = new DotContext();
        joined.join(one);
        joined.join(other);
        joined.without(one).without(other);
      }
      return performance.now() - start;
    };
    timeOf(1, 10_000);
    expect(timeOf(LIMITS.cloud, 1)).toBeLessThan(10 * timeOf(1, LIMITS.cloud));
  });
});

describe("decoding", () => {
  it("takes time in proportion to the size: the largest clouds and rows are read at once", () => {
    const ranges = Array.from({ length: LIMITS.cloud }, (_, index) => [3 * index + 3, 3 * index + 3]).flat();
    const replicas = Array.from({ length: LIMITS.replicas }, (_, index) => `r${String(index).padStart(5, "0")}`);
    const rows = replicas.map((_, index) => [index, 1]);
    const encoded = [1, replicas, [], [[0, ...ranges]], [], 0, 0, [["milk", 0, 0, 0, ...rows]], []];
    const small = [1, ["a"], [], [[0, 3, 3]], [], 0, 0, [["milk", 0, 0, 0, [0, 1]]], []];
    const timeOf = (form: unknown, times: number): number => {
      const start = performance.now();
      for (let count = 0; count < times; count++) decodeList(form);
      return performance.now() - start;
    };
    timeOf(small, 10_000);
    // 4096 times the size may take ten times as long per unit, and not 4096 times.
    expect(timeOf(encoded, 1)).toBeLessThan(10 * timeOf(small, LIMITS.cloud));
  });
});

describe("a list", () => {
  it("shows the worked example: two offline shoppers, one list in the end", () => {
    const [a, b] = [new ShoppingList(), new ShoppingList()];
    a.add(author("a"), "Milk", null, 2);
    a.add(author("a"), "Eggs", null, 6);
    b.add(author("b"), "Bread", null, 1);
    b.add(author("b"), "Eggs", null, 12);
    b.acquire(author("b"), itemKey("eggs", null), 6);
    a.join(b.lacking(a.seen));
    b.join(a.lacking(b.seen));
    expect(digestOf(a)).toBe(digestOf(b));
    const amounts = [...a.visibleItems()].map((item) => [item.name, item.needed, item.acquired]);
    expect(amounts.sort()).toEqual([
      ["Bread", 1, 0],
      ["Eggs", 18, 6],
      ["Milk", 2, 0],
    ]);
  });

  it("lets a concurrent increment survive a remove as exactly itself", () => {
    const a = new ShoppingList();
    a.add(author("a"), "Milk", null, 5);
    const b = a.clone();
    a.remove(author("a"), itemKey("milk", null));
    b.add(author("b"), "milk", null, 1);
    a.join(b);
    expect(a.item(itemKey("milk", null))?.needed).toBe(1);
  });

  it("forgets a removed item's note but not its aisle", () => {
    const list = new ShoppingList();
    list.add(author("a"), "Milk", null, 1, { note: "the blue one", aisle: "dairy" });
    list.remove(author("a"), "milk");
    list.add(author("a"), "Milk", null, 1);
    expect(list.item("milk")).toMatchObject({ note: null, aisle: "dairy" });
  });

  it("remembers the newest operations and no more", () => {
    const list = new ShoppingList();
    for (let count = 0; count < 3 * HISTORY_LENGTH; count++) list.add(author("a"), "Milk", null, 1);
    expect(list.history.operations()).toHaveLength(HISTORY_LENGTH);
    expect(list.history.operations().at(-1)?.dot.counter).toBe(3 * HISTORY_LENGTH);
  });

  it("refuses to count beyond what every decoder accepts, and stays as it was", () => {
    const list = new ShoppingList();
    list.add(author("a"), "Milk", null, LIMITS.counterTotal);
    const before = digestOf(list);
    expect(() => list.add(author("a"), "Milk", null, 1)).toThrow(LimitExceededError);
    expect(digestOf(list)).toBe(before);
  });

  it("refuses a name that only folding makes too long, and stays readable", () => {
    const list = new ShoppingList();
    expect(() => list.add(author("a"), "\ufdfa".repeat(100), null, 1)).toThrow(LimitExceededError);
    expect(encodeListText(decodeList(encodeList(list)))).toBe(encodeListText(new ShoppingList()));
  });

  it("refuses to go beyond the last counter and the last Lamport time, whoever brought it there", () => {
    const list = new ShoppingList();
    list.seen.addRange({ replica: "a", from: LIMITS.counter, to: LIMITS.counter });
    expect(() => list.add(author("a"), "Milk", null, 1)).toThrow(LimitExceededError);
    list.name.write("x", { time: LIMITS.counter, replica: "z" });
    expect(() => list.rename(author("b"), "Party")).toThrow(LimitExceededError);
  });

  it("has no room for a delta that leaps ahead, or that has too many items", () => {
    const [list, leap] = [new ShoppingList(), new ShoppingList()];
    leap.seen.add({ replica: "z", counter: LIMITS.counter });
    expect(overflowOf(list, leap)).not.toBeNull();
    const late = new ShoppingList();
    late.name.write("x", { time: LIMITS.counter, replica: "z" });
    expect(overflowOf(list, late)).not.toBeNull();
    expect(overflowOf(list, list.add(author("a"), "Milk", null, 1))).toBeNull();
  });

  it("never takes more bytes than fit into a message, and a full one can still be ticked off", () => {
    const note = "\u6f22".repeat(LIMITS.textLength);
    const [list, other] = [new ShoppingList(), new ShoppingList()];
    const fill = (): void => {
      for (let count = 0; ; count++) list.add(author("a"), `item ${count}`, null, 1, { note });
    };
    expect(fill).toThrow(LimitExceededError);
    expect(encodeListText(list).length).toBeLessThan(LIMITS.bytes);
    expect(Buffer.byteLength(encodeListText(list))).toBeGreaterThan(0.95 * LIMITS.bytes);
    expect(overflowOf(list, list.acquire(author("a"), "item 1", 1))).toBeNull();
    expect(overflowOf(list, other.add(author("b"), "one more", null, 1, { note }))).not.toBeNull();
    // Each of two parts of a cluster took what filled the list.
    list.join(other);
    for (let count = 0; count < 10; count++)
      list.join(new ShoppingList().add(author("c"), `more ${count}`, null, 1, { note }));
    expect(list.items.bytes).toBeGreaterThan(LIMITS.bytes);
    expect(overflowOf(list, list.clone().annotate(author("a"), "item 2", ""))).toBeNull();
  });

  it("that has become too long by a join can still be made shorter", () => {
    const list = new ShoppingList();
    list.add(author("a"), "milk", null, 1);
    const milk = list.items.get("milk");
    if (milk === undefined) throw new Error("it was added");
    for (let count = 0; count <= LIMITS.items; count++) list.items.put(`item ${count}`, milk);
    const other = new ShoppingList();
    expect(overflowOf(list, list.remove(author("a"), "milk"))).toBeNull();
    expect(overflowOf(list, other.add(author("b"), "one more", null, 1))).toContain("items");
  });

  it("with too many gaps can still be filled", () => {
    const list = new ShoppingList();
    const range = (counter: number): ShoppingList => {
      const delta = new ShoppingList();
      delta.seen.addRange({ replica: "a", from: counter, to: counter });
      return delta;
    };
    for (let gap = 1; gap <= LIMITS.cloud; gap++) list.seen.add({ replica: "a", counter: 2 * gap });
    expect(overflowOf(list, range(3))).toBeNull();
    expect(overflowOf(list, range(3 * LIMITS.cloud))).toContain("out of order");
  });

  it("is known to take as many bytes however it came about, and no more than thrice those where all numbers are the largest", () => {
    const plays = fc.property(arbitraryScript, (script) =>
      playScript(script).lists.every(
        (list) => list.items.bytes === decodeList(JSON.parse(encodeListText(list))).items.bytes,
      ),
    );
    fc.assert(plays, { numRuns: 100 });
    const [big, most] = [LIMITS.counterTotal, LIMITS.counter];
    const rows = Array.from({ length: 1_000 }, (_, index) => [
      index,
      most,
      most,
      ...[1, 1, 1, 1, 1, 1, 1, 1].map(() => big),
    ]);
    const replicas = rows.map(([index]) => `replica-${String(index).padStart(4, "0")}`);
    const items = [["milk", 0, 0, 0, ...rows]];
    const hostile = decodeList([1, replicas, [], [], [], 0, 0, items, []]);
    expect(JSON.stringify(items).length).toBeLessThan(3 * hostile.items.bytes);
  });

  it("has so many items that come back by themselves, and room for devices however many returned", () => {
    const list = new ShoppingList();
    const rule = "2026-01-01 P1D 1000";
    const staples = (): void => {
      for (let count = 0; ; count++) list.setStaple(author("a"), `item ${count}`, rule);
    };
    expect(staples).toThrow(LimitExceededError);
    expect(list.items.entries().size).toBe(LIMITS.staples);
    const other = new ShoppingList();
    expect(overflowOf(list, other.setStaple(author("b"), "item 1", rule))).toBeNull();
    expect(overflowOf(list, other.setStaple(author("b"), "one more", rule))).toContain("come back");
    for (let day = 1; day <= 5; day++)
      for (const key of list.items.entries().keys()) comeBack(list, key, `2026-01-0${day} P1D 1000`, 1);
    expect(list.newest.size).toBe(LIMITS.replicas / 2);
    expect(overflowOf(list, new ShoppingList().add(author("b"), "bread", null, 1))).toBeNull();
  });

  it("writes a text later than the one it replaces, even where that one's operation is unknown", () => {
    const list = new ShoppingList();
    list.name.write("Old", { time: 1_000, replica: "z" });
    list.rename(author("a"), "New");
    expect(list.name.get()).toBe("New");
  });

  it("folds spellings of one name into one item and keeps units apart", () => {
    const list = new ShoppingList();
    for (const name of ["Straße", "STRASSE", " strasse ", "ﬁsh", "FISH", "Οδός", "ΟΔΌΣ"])
      list.add(author("a"), name, null, 1);
    list.add(author("a"), "Fish", "g", 500);
    expect([...list.items.values()].sort()).toEqual(["fish", "fish\tg", "strasse", "οδός"]);
  });
});
