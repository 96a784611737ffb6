import fc from "fast-check";
import { ShoppingList, type Author } from "../../src/crdt/shopping-list.js";
import { itemKey } from "../../src/crdt/item-key.js";

/** The items and replicas of random runs: few, so that concurrent changes to one item are the rule. */
export const NAMES = ["milk", "eggs", "bread"] as const;
export const REPLICAS = ["a", "b", "c"] as const;

/** One step of a random run. Deltas are delivered by index and in any order, repeatedly or never. */
export type Step =
  | {
      readonly type: "add" | "need" | "acquire";
      readonly replica: number;
      readonly name: number;
      readonly amount: number;
    }
  | { readonly type: "remove"; readonly replica: number; readonly name: number }
  | { readonly type: "describe"; readonly replica: number; readonly name: number; readonly text: string }
  | { readonly type: "rename"; readonly replica: number; readonly text: string }
  | { readonly type: "deliver"; readonly replica: number; readonly delta: number }
  | { readonly type: "pull"; readonly replica: number; readonly from: number };

const replica = fc.nat(REPLICAS.length - 1);
const name = fc.nat(NAMES.length - 1);
const text = fc.constantFrom("", "ripe", "the blue one");

const arbitraryStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("add"), replica, name, amount: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("need"), replica, name, amount: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("acquire"), replica, name, amount: fc.integer({ min: -4, max: 9 }) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("remove"), replica, name }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("describe"), replica, name, text }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("rename"), replica, text }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("deliver"), replica, delta: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("pull"), replica, from: replica }) },
);

export const arbitraryScript = fc.array(arbitraryStep, { minLength: 1, maxLength: 60 });

let nextId = 0;

/** A new operation by this replica; the wall clock stands still. */
export function author(replica: string): Author {
  return { replica, id: `op${++nextId}`, at: 1_700_000_000_000 };
}

export type Change = Exclude<Step, { type: "deliver" | "pull" }>;

/** Makes the change on `list` as `replica`. */
export function change(list: ShoppingList, replica: string, step: Change): ShoppingList {
  const by = author(replica);
  if (step.type === "rename") return list.rename(by, step.text);
  const name = NAMES[step.name] ?? "";
  const key = itemKey(name, null);
  switch (step.type) {
    case "add":
      return list.add(by, name, null, step.amount);
    case "need":
      return list.need(by, key, step.amount);
    case "acquire":
      return list.acquire(by, key, step.amount);
    case "remove":
      return list.remove(by, key);
    case "describe":
      return list.annotate(by, key, step.text);
  }
}

/** Plays a script on production lists; returns them and every delta in the order of making. */
export function playScript(script: readonly Step[]): { lists: ShoppingList[]; deltas: ShoppingList[] } {
  const lists = REPLICAS.map(() => new ShoppingList());
  const deltas: ShoppingList[] = [];
  const at = (index: number): ShoppingList => {
    const list = lists[index];
    if (list === undefined) throw new Error("no such replica");
    return list;
  };
  for (const step of script) {
    if (step.type === "pull") at(step.replica).join(at(step.from).lacking(at(step.replica).seen));
    else if (step.type === "deliver") {
      const delta = deltas[step.delta % Math.max(1, deltas.length)];
      if (delta !== undefined) at(step.replica).join(delta);
    } else deltas.push(change(at(step.replica), REPLICAS[step.replica] ?? "", step));
  }
  return { lists, deltas };
}
