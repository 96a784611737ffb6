import fc from "fast-check";
import { ShoppingList, type Author } from "../../src/crdt/shopping-list.js";
import { comeBack } from "../../src/crdt/staple.js";
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
  | {
      readonly type: "return";
      readonly replica: number;
      readonly name: number;
      readonly rule: number;
      readonly period: number;
    }
  | { readonly type: "compensate"; readonly replica: number; readonly name: number; readonly amount: number }
  | { readonly type: "remove" | "staple"; readonly replica: number; readonly name: number }
  | { readonly type: "describe"; readonly replica: number; readonly name: number; readonly text: string }
  | { readonly type: "rename" | "arrange"; readonly replica: number; readonly text: string }
  | { readonly type: "deliver"; readonly replica: number; readonly delta: number }
  | { readonly type: "pull"; readonly replica: number; readonly from: number };

const replica = fc.nat(REPLICAS.length - 1);
const name = fc.nat(NAMES.length - 1);
/** Two rules, so that items come back by the one and by the other. */
export const RULES = ["2026-11-21 P1W 2", "2026-11-22 P3D 5"] as const;

const text = fc.constantFrom("", "ripe", "the blue one");

/** What every kind of shared list has. */
const coreSteps: fc.MaybeWeightedArbitrary<Step>[] = [
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
];

const ownSteps: fc.MaybeWeightedArbitrary<Step>[] = [
  { weight: 1, arbitrary: fc.record({ type: fc.constant("arrange"), replica, text }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("staple"), replica, name }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("return"),
      replica,
      name,
      rule: fc.nat(RULES.length - 1),
      period: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("compensate"), replica, name, amount: fc.integer({ min: -5, max: 5 }) }),
  },
];

const scriptOf = (steps: fc.MaybeWeightedArbitrary<Step>[]): fc.Arbitrary<Step[]> =>
  fc.array(fc.oneof(...steps), { minLength: 1, maxLength: 60 });

export const coreScript = scriptOf(coreSteps);
export const arbitraryScript = scriptOf([...coreSteps, ...ownSteps]);

let nextId = 0;

/** A new operation by this replica; the wall clock stands still. */
export function author(replica: string): Author {
  return { replica, id: `op${++nextId}`, at: 1_700_000_000_000 };
}

export type Change = Exclude<Step, { type: "deliver" | "pull" }>;

/** A change to the list as a whole. */
export type ListChange = Extract<Change, { readonly type: "rename" | "arrange" }>;

export function isOfList(step: Step): step is ListChange {
  return step.type === "rename" || step.type === "arrange";
}

/** Makes the change on `list` as `replica`. */
export function change(list: ShoppingList, replica: string, step: Change): ShoppingList {
  const by = author(replica);
  if (isOfList(step)) return step.type === "rename" ? list.rename(by, step.text) : list.arrange(by, step.text);
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
    case "staple":
      return list.setStaple(by, key, RULES[0]);
    case "return":
      return comeBack(list, key, RULES[step.rule] ?? "", step.period);
    case "compensate":
      return list.compensate(by, key, step.amount, -step.amount, name);
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
