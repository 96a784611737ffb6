import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { itemKey } from "../../src/crdt/item-key.js";
import { LIMITS } from "../../src/crdt/limits.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { digestOf } from "../../src/crdt/codec.js";
import { explain } from "../../src/client/explanation.js";
import { apply, type Intent } from "../../src/client/intent.js";
import { LocalList } from "../../src/client/local-list.js";
import { parseEvery } from "../../src/client/staples.js";
import { suggestions } from "../../src/client/suggestions.js";
import { comeBack, nextReturn, periodOf } from "../../src/crdt/staple.js";
import { compensation, stepOf } from "../../src/client/undo.js";

let ids = 0;
const author = (replica: string, at = Date.UTC(2026, 10, 21, 12)) => ({ replica, id: `o${++ids}`, at, by: replica });

const add = (name: string, amount: number, note: string | null = null, aisle: string | null = null): Intent => ({
  type: "add",
  name,
  unit: null,
  amount,
  note,
  aisle,
});

/** What a person sees. */
const seen = (list: ShoppingList): unknown =>
  JSON.stringify([
    [...list.visibleItems()].sort((a, b) => (a.key < b.key ? -1 : 1)).map((item) => ({ ...item, name: item.key })),
    [...list.items.entries()]
      .map(([key, item]) => [key, item.text("staple") ?? ""])
      .filter(([, rule]) => rule !== "")
      .sort(),
    list.name.get() ?? "",
    list.order.get() ?? "",
    list.deleted.get() === true,
  ]);

const name = fc.constantFrom("milk", "eggs");
const text = fc.constantFrom("", "blue", "fresh");
const arbitraryIntent: fc.Arbitrary<Intent> = fc.oneof(
  fc.tuple(name, fc.integer({ min: 1, max: 9 }), fc.option(text), fc.option(text)).map((given) => add(...given)),
  fc.record({ type: fc.constant("need"), key: name, total: fc.nat(9) }),
  fc.record({ type: fc.constant("acquire"), key: name, amount: fc.integer({ min: -9, max: 9 }) }),
  fc.record({ type: fc.constantFrom("note", "aisle"), key: name, text }),
  fc.record({ type: fc.constant("remove"), key: name }),
  fc.record({ type: fc.constant("staple"), key: name, rule: fc.constantFrom("", "2026-11-21 P1W 2000") }),
  // As `restore` does.
  fc.record({
    type: fc.constant("compensate"),
    key: name,
    name,
    needed: fc.integer({ min: 1, max: 5_000 }),
    acquired: fc.constantFrom(0, 1_000),
  }),
  fc.record({ type: fc.constant("rename"), name: fc.constantFrom("Party", "Home") }),
  fc.record({ type: fc.constant("order"), aisles: fc.subarray(["dairy", "bakery"]) }),
  fc.record({ type: fc.constant("set-deleted"), deleted: fc.boolean() }),
);

/** The commands refuse to change what is not on the list, and what is said already. */
const isPossible = (list: ShoppingList, intent: Intent): boolean => {
  if (intent.type === "rename") return list.name.get() !== null;
  if (intent.type === "set-deleted") return (list.deleted.get() === true) !== intent.deleted;
  const isKnown = "key" in intent && list.items.get(intent.key) !== undefined;
  if (intent.type === "staple") return isKnown;
  if (intent.type === "compensate") return isKnown && list.item(intent.key) === null;
  return intent.type === "add" || !("key" in intent) || list.item(intent.key) !== null;
};

describe("taking back", () => {
  it("leaves the list as it looked before, change by change", () => {
    fc.assert(
      fc.property(fc.array(arbitraryIntent, { maxLength: 15 }), (intents) => {
        const list = new ShoppingList();
        list.rename(author("a"), "List");
        const stack: (readonly [ReturnType<typeof stepOf>, unknown])[] = [];
        for (const intent of intents) {
          if (!isPossible(list, intent)) continue;
          stack.push([stepOf(list, intent, "a"), seen(list)]);
          apply(intent, list, author("a"));
        }
        for (const [step, before] of stack.reverse()) {
          for (const intent of compensation(list, step)) apply(intent, list, author("a"));
          expect(seen(list)).toBe(before);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("takes back its own part and leaves what others have added since", () => {
    const list = new ShoppingList();
    const step = stepOf(list, add("Milk", 2_000), "ann");
    apply(step.intent, list, author("ann"));
    apply(add("Milk", 3_000), list, author("ben"));
    for (const intent of compensation(list, step)) apply(intent, list, author("ann"));
    expect(list.item("milk")).toMatchObject({ needed: 3_000 });
  });

  it("leaves what others want of an item that they took off and put back since", () => {
    const list = new ShoppingList();
    apply(add("Milk", 2_000), list, author("ann"));
    const step = stepOf(list, add("Milk", 3_000), "ann");
    apply(step.intent, list, author("ann"));
    apply({ type: "remove", key: "milk" }, list, author("ben"));
    apply(add("Milk", 4_000), list, author("ben"));
    expect(compensation(list, step)).toEqual([]);
  });

  it("does not put back a text that somebody has replaced since", () => {
    const list = new ShoppingList();
    apply(add("Milk", 1_000), list, author("ann"));
    const step = stepOf(list, { type: "note", key: "milk", text: "blue" }, "ann");
    apply(step.intent, list, author("ann"));
    apply({ type: "note", key: "milk", text: "red" }, list, author("ben"));
    expect(compensation(list, step)).toEqual([]);
  });
});

describe("explaining", () => {
  it("tells what was done at the same time from what was known, and which removal took what", () => {
    const [ann, ben] = [new ShoppingList(), new ShoppingList()];
    ann.add(author("ann"), "Eggs", null, 6_000);
    ben.join(ann);
    ben.add(author("ben"), "Eggs", null, 12_000);
    ann.remove(author("ann"), "eggs");
    ann.join(ben);
    const { events, earlier } = explain(ann, "eggs");
    const told = events.map(({ operation, concurrent, cancelledBy }) => [
      operation.by,
      operation.kind,
      concurrent,
      cancelledBy,
    ]);
    expect(told).toEqual([
      ["ann", "add", [], 1],
      ["ann", "remove", [2], null],
      ["ben", "add", [1], null],
    ]);
    expect(earlier).toEqual({ needed: 0, acquired: 0 });
  });

  it("knows what reached an author through somebody else", () => {
    const [ann, ben, cat] = [new ShoppingList(), new ShoppingList(), new ShoppingList()];
    ann.add(author("ann"), "Eggs", null, 1_000);
    ben.join(ann);
    ben.add(author("ben"), "Eggs", null, 1_000);
    cat.join(ben);
    cat.add(author("cat"), "Eggs", null, 1_000);
    expect(explain(cat, "eggs").events.map(({ concurrent }) => concurrent)).toEqual([[], [], []]);
  });

  it("adds up to the amounts, whatever the history has dropped", () => {
    const list = new ShoppingList();
    for (let index = 0; index < 300; index++) list.add(author("ann"), "Eggs", null, 1_000);
    const { events, earlier } = explain(list, "eggs");
    expect(earlier.needed + events.reduce((sum, { operation }) => sum + operation.needed, 0)).toBe(300_000);
  });
});

describe("a staple", () => {
  const DAY = 24 * 60 * 60 * 1_000;
  const monday = Date.UTC(2026, 10, 23, 9);
  const device = (name: string): LocalList => LocalList.create("5b1d78f4-9dd9-4e9a-9f93-421541b5729c", name, name);
  const copy = (list: LocalList): ShoppingList => list.shown.clone();

  /** Milk that comes back every week, and was got and cleared on the first day. */
  function shopped(): ShoppingList {
    const ann = device("ann");
    const by = (): { id: string; at: number } => ({ id: `s${++ids}`, at: monday });
    ann.perform(add("Milk", 2_000), by());
    ann.perform({ type: "staple", key: "milk", rule: "2026-11-23 P1W 2000" }, by());
    ann.perform({ type: "acquire", key: "milk", amount: 2_000 }, by());
    ann.perform({ type: "remove", key: "milk" }, by());
    return copy(ann);
  }

  function deviceWith(name: string, list: ShoppingList, now: number): LocalList {
    const one = device(name);
    one.shown.join(list);
    one.bringBack(now);
    return one;
  }

  it("comes back in the next period and not before, on every device, once", () => {
    const list = shopped();
    expect(deviceWith("ann", list, monday + 6 * DAY).shown.item("milk")).toBeNull();
    const [ann, ben] = ["ann", "ben"].map((name) => copy(deviceWith(name, list, monday + 8 * DAY)));
    if (ann === undefined || ben === undefined) throw new Error("there are two");
    expect(digestOf(ann)).toBe(digestOf(ben));
    ann.join(ben);
    expect(ann.item("milk")).toMatchObject({ needed: 2_000, acquired: 0 });
  });

  it("asks for one helping after a month of absence, and stays off once it was got", () => {
    const late = copy(deviceWith("ann", shopped(), monday + 29 * DAY));
    expect(late.item("milk")).toMatchObject({ needed: 2_000 });
    late.acquire(author("ann", monday + 29 * DAY), "milk", 2_000);
    late.remove(author("ann", monday + 29 * DAY), "milk");
    expect(deviceWith("ben", late, monday + 30 * DAY).shown.item("milk")).toBeNull();
    expect(deviceWith("ben", late, monday + 36 * DAY).shown.item("milk")).toMatchObject({ needed: 2_000 });
  });

  it("is not brought back by a device whose clock is behind once it was got", () => {
    const list = copy(deviceWith("ann", shopped(), monday + 8 * DAY));
    list.remove(author("ann", monday + 8 * DAY), "milk");
    const [behind, ahead] = [deviceWith("ben", list, monday + DAY), deviceWith("cat", list, monday + 9 * DAY)];
    expect([behind.shown.item("milk"), ahead.shown.item("milk")]).toEqual([null, null]);
  });

  it("does not come back where so much was done since that nobody can tell when it was got", () => {
    const ann = device("ann");
    const by = (at: number): { id: string; at: number } => ({ id: `s${++ids}`, at });
    ann.perform(add("Milk", 2_000), by(monday));
    ann.perform({ type: "staple", key: "milk", rule: "2026-11-23 P1W 2000" }, by(monday));
    ann.perform({ type: "acquire", key: "milk", amount: 2_000 }, by(monday + 8 * DAY));
    for (let count = 0; count < 200; count++) ann.perform(add(`item ${count}`, 1_000), by(monday + 8 * DAY));
    expect(deviceWith("ben", copy(ann), monday + 9 * DAY).shown.item("milk")).toMatchObject({ needed: 2_000 });
    expect(deviceWith("ben", copy(ann), monday + 15 * DAY).shown.item("milk")).toMatchObject({
      needed: 2_000,
      acquired: 0,
    });
  });

  it("comes back each time after it was got, also where nobody clears the list and everybody's device brings it back", () => {
    const by = (at: number): { id: string; at: number } => ({ id: `s${++ids}`, at });
    const devices = ["ann", "ben"].map((name) => device(name));
    const [ann, ben] = devices;
    if (ann === undefined || ben === undefined) throw new Error("there are two");
    ann.perform(add("Milk", 2_000), by(monday));
    ann.perform({ type: "note", key: "milk", text: "oat" }, by(monday));
    ann.perform({ type: "staple", key: "milk", rule: "2026-11-23 P1W 2000" }, by(monday));
    for (let week = 0; week < 5; week++) {
      for (const one of devices) one.bringBack(monday + week * 7 * DAY);
      ann.shown.join(ben.shown);
      expect(ann.shown.item("milk")).toMatchObject({ needed: 2_000, acquired: 0, note: "oat" });
      ann.perform({ type: "acquire", key: "milk", amount: 2_000 }, by(monday + week * 7 * DAY));
      ben.shown.join(ann.shown);
      ann.bringBack(monday + (week * 7 + 5) * DAY);
      expect(ann.shown.item("milk")).toMatchObject({ needed: 2_000, acquired: 2_000 });
    }
  });

  it("is taken off and brought back by the same operations whenever a device looks, until it is written down", () => {
    const list = copy(device("ann"));
    list.add(author("ann", monday), "Milk", null, 2_000);
    list.setStaple(author("ann", monday), "milk", "2026-11-23 P1W 2000");
    list.acquire(author("ann", monday), "milk", 2_000);
    const looks = [8, 9, 13].map((days) => deviceWith("ann", list, monday + days * DAY));
    expect(new Set(looks.map(({ shown }) => digestOf(shown))).size).toBe(1);
    expect(looks.map(({ isUnwritten }) => isUnwritten)).toEqual([true, true, true]);
    expect(deviceWith("ann", list, monday + 5 * DAY).isUnwritten).toBe(false);
  });

  it("says when, also where a clock that was ahead has brought it back for times to come", () => {
    const list = shopped();
    const [now, start] = [monday + 3 * DAY, Date.parse("2026-11-23")];
    expect(nextReturn(list, "milk", now)).toBe(start + 7 * DAY);
    expect(nextReturn(list, "bread", now)).toBeNull();
    const ahead = copy(deviceWith("ann", list, monday + 700 * DAY));
    expect(nextReturn(ahead, "milk", now)).toBe(start + 707 * DAY);
    // Nobody reads a date beyond those that there are.
    const rule = list.items.get("milk")?.text("staple") ?? "";
    comeBack(list, "milk", rule, 4_000_000);
    expect(nextReturn(list, "milk", now)).toBe(start + 7 * 4_000_001 * DAY);
    list.seen.addRange({ replica: [...list.seen.vector.replicas()].at(-1) ?? "", from: 1, to: LIMITS.counter });
    expect(new Date(nextReturn(list, "milk", now) ?? 0).getUTCFullYear()).toBe(275_760);
  });

  it("comes back once a month, on the last day of those that are too short", () => {
    const rule = { start: "2026-01-31", every: 1, period: "M", amount: 1_000 } as const;
    const begins = ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"].map((day) => Date.parse(day));
    expect(begins.map((at) => [periodOf(rule, at - 1), periodOf(rule, at)])).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
  });

  it("has a period of days, weeks or months", () => {
    expect(["day", "every week", "2 weeks", "3days", "Month"].map((period) => parseEvery(period))).toEqual([
      { every: 1, period: "D" },
      { every: 1, period: "W" },
      { every: 2, period: "W" },
      { every: 3, period: "D" },
      { every: 1, period: "M" },
    ]);
    for (const wrong of ["", "0 weeks", "fortnight", "every"]) expect(() => parseEvery(wrong)).toThrow("is no period");
  });
});

describe("suggestions", () => {
  it("are what was on the list before and is not now, the most usual first, by the beginning of any word", () => {
    const list = new ShoppingList();
    const buy = (label: string): void => {
      list.add(author("ann"), label, null, 1_000);
      list.remove(author("ann"), itemKey(label, null));
    };
    for (const label of ["Brown bread", "Milk", "Milk", "Beer"]) buy(label);
    list.add(author("ann"), "Brown bread", null, 500);
    list.need(author("ann"), "brown bread", 900);
    list.need(author("ann"), "brown bread", 800);
    list.remove(author("ann"), "brown bread");
    list.add(author("ann"), "Butter", null, 1_000);
    expect(suggestions(list, "").map((one) => one.name)).toEqual(["Brown bread", "Milk", "Beer"]);
    expect(suggestions(list, "b").map((one) => one.name)).toEqual(["Brown bread", "Beer"]);
    expect(suggestions(list, "bread")).toEqual([
      { name: "Brown bread", unit: null, aisle: null, times: 2, amount: 800 },
    ]);
  });
});
