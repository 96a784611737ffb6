import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { DotContext } from "../../src/crdt/dot-context.js";
import { itemKey } from "../../src/crdt/item-key.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";

/** Enough for touches to be logged. */
const ITEMS = 2_100;
const REPLICAS = ["a", "b", "c"] as const;
const nameOf = (item: number): string => `item ${item}`;

/** The items that a reader lacks something of, by a look at all of them. */
function outside(list: ShoppingList, known: DotContext): readonly string[] {
  if (known.includesAll(list.seen)) return [];
  const items = [...list.items.entries()].filter(([, item]) =>
    item.replicas.some((replica) => !known.covers(replica, item.touchedBy(replica))),
  );
  return items.map(([key]) => key).sort();
}

function requireLacking(list: ShoppingList, known: DotContext): void {
  expect([...list.lacking(known).items.entries().keys()].sort()).toEqual(outside(list, known));
}

function contextOf(dots: readonly (readonly [replica: number, from: number, length: number])[]): DotContext {
  const context = new DotContext();
  for (const [replica, from, length] of dots)
    context.addRange({ replica: REPLICAS[replica] ?? "a", from, to: from + length });
  return context;
}

let operations = 0;
function change(list: ShoppingList, replica: string, item: number, isRemove: boolean): ShoppingList {
  const author = { replica, id: `op-${++operations}`, at: 0 };
  if (isRemove) return list.remove(author, itemKey(nameOf(item), null));
  return list.add(author, nameOf(item), null, 1_000);
}

function longLists(): readonly ShoppingList[] {
  const first = new ShoppingList();
  for (let item = 0; item < ITEMS; item++) change(first, "a", item, false);
  return [first, first.clone(), first.clone()];
}

const replica = fc.nat({ max: REPLICAS.length - 1 });
const steps = fc.array(
  fc.oneof(
    fc.record({
      type: fc.constant("change" as const),
      of: replica,
      item: fc.nat({ max: ITEMS }),
      isRemove: fc.boolean(),
    }),
    fc.record({ type: fc.constant("merge" as const), of: replica, from: replica }),
    // A delta that comes late, or twice, or before those that it follows.
    fc.record({ type: fc.constant("deliver" as const), of: replica, delta: fc.nat() }),
    fc.record({
      type: fc.constant("ask" as const),
      of: replica,
      known: fc.array(fc.tuple(replica, fc.integer({ min: 1, max: ITEMS }), fc.nat({ max: ITEMS })), { maxLength: 5 }),
    }),
  ),
  { minLength: 1, maxLength: 60 },
);

describe("what a reader of a long list lacks", () => {
  it("is the same whether touches were logged or all items are looked at", () => {
    fc.assert(
      fc.property(steps, (run) => {
        const lists = longLists();
        const deltas: ShoppingList[] = [];
        const listOf = (index: number): ShoppingList => lists[index] ?? new ShoppingList();
        for (const step of run) {
          const list = listOf(step.of);
          if (step.type === "change") deltas.push(change(list, REPLICAS[step.of] ?? "a", step.item, step.isRemove));
          else if (step.type === "merge") list.join(listOf(step.from).lacking(list.seen));
          else if (step.type === "deliver") list.join(deltas[step.delta % Math.max(1, deltas.length)] ?? list);
          else requireLacking(list, contextOf(step.known));
          for (const { seen } of lists) requireLacking(list, seen);
        }
      }),
      { numRuns: 100 },
    );
  }, 60_000);

  it("is all of it where changes of one device came in another order than they were made", () => {
    const [author, server, reader] = longLists();
    if (author === undefined || server === undefined || reader === undefined) throw new Error("there should be three");
    requireLacking(server, new DotContext());
    const [first, second, third] = [1, 2, 3].map((item) => change(author, "b", item, false));
    for (const delta of [third, second, first]) if (delta !== undefined) server.join(delta);
    if (first !== undefined) reader.join(first);
    expect([...server.lacking(reader.seen).items.entries().keys()].sort()).toEqual([nameOf(2), nameOf(3)]);
  });

  it("is the same after more touches than are logged", () => {
    const [list, reader] = longLists();
    if (list === undefined || reader === undefined) throw new Error("there should be three");
    for (let at = 0; at < 10_000; at++) {
      change(list, "a", at % ITEMS, false);
      if (at % 1_000 === 999) {
        requireLacking(list, reader.seen);
        if (at % 2_000 === 999) reader.join(list.lacking(reader.seen));
      }
    }
  });
});
