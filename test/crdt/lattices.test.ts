import { expect, it } from "@jest/globals";
import fc from "fast-check";
import { AWORSet } from "../../src/crdt/aworset.js";
import { encodeContext, encodeListText } from "../../src/crdt/codec.js";
import { compareDots, type Dot } from "../../src/crdt/dot.js";
import { DotContext } from "../../src/crdt/dot-context.js";
import { History, type Operation } from "../../src/crdt/history.js";
import { ITEM_COUNTER_COLUMNS } from "../../src/crdt/item-counter.js";
import { COLUMN, ItemState, UNTOUCHED } from "../../src/crdt/item-state.js";
import { compareText, type Lattice } from "../../src/crdt/lattice.js";
import { LwwRegister } from "../../src/crdt/lww-register.js";
import { count, PNCounter } from "../../src/crdt/pncounter.js";
import { changed, COLUMNS, joinRows, NO_ROWS, rowOf, type Rows } from "../../src/crdt/rows.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { VersionVector } from "../../src/crdt/version-vector.js";
import { generator } from "../households.js";
import { obeysLatticeLaws, type Make } from "./laws.js";
import { arbitraryScript, playScript } from "./scripts.js";

const replica = fc.constantFrom("a", "b", "c");
const small = fc.integer({ min: 1, max: 6 });

/** Triples of values, each built by doing some of the given things to bottom. */
function triplesOf<T, R>(deed: fc.Arbitrary<R>, bottom: Make<T>, perform: (value: T, deed: R) => void) {
  const make = (deeds: readonly R[]) => () => {
    const value = bottom();
    for (const one of deeds) perform(value, one);
    return value;
  };
  const deeds = fc.array(deed, { maxLength: 12 });
  return fc.tuple(deeds, deeds, deeds).map(([a, b, c]) => [make(a), make(b), make(c)] as const);
}

const vectorForm = (vector: VersionVector): string =>
  JSON.stringify([...vector.entries()].sort(([a], [b]) => compareText(a, b)));
const dot: fc.Arbitrary<Dot> = fc.record({ replica, counter: small });

const newVector: Make<VersionVector> = () => new VersionVector();
obeysLatticeLaws("VersionVector", {
  triples: triplesOf(dot, newVector, (vector, { replica, counter }) => vector.raise(replica, counter)),
  bottom: newVector,
  canonical: vectorForm,
});

/** A value that never changes, where the laws want one that does. */
class Variable<T> implements Lattice<Variable<T>> {
  constructor(
    public value: T,
    readonly joined: (a: T, b: T) => T,
  ) {}

  join({ value }: Variable<T>): void {
    this.value = this.joined(this.value, value);
  }
}

const newRows: Make<Variable<Rows>> = () => new Variable(NO_ROWS, joinRows);
const row = fc.tuple(replica, fc.array(fc.nat(3), { maxLength: 4 }));
obeysLatticeLaws("Rows", {
  triples: triplesOf(row, newRows, (rows, [replica, cells]) => {
    rows.join(new Variable(rowOf(replica, cells), joinRows));
  }),
  bottom: newRows,
  canonical: (rows) => JSON.stringify(rows.value),
});

// What a counter is of: rows, in which each replica counts for itself.
const change = fc.tuple(replica, fc.integer({ min: -5, max: 5 }));
obeysLatticeLaws("PNCounter", {
  triples: triplesOf(change, newRows, (rows, [replica, by]) => {
    rows.value = changed(rows.value, replica, (cells, at) => count(cells, at, by));
  }),
  bottom: newRows,
  canonical: (rows) => JSON.stringify([rows.value, new PNCounter(rows.value, 0).value()]),
});

it("a PNCounter is the sum of what everybody counted", () => {
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      let rows = NO_ROWS;
      for (const [replica, by] of changes) rows = changed(rows, replica, (cells, at) => count(cells, at, by));
      expect(new PNCounter(rows, 0).value()).toBe(changes.reduce((sum, [, by]) => sum + by, 0));
    }),
  );
});

const newItem: Make<Variable<ItemState>> = () => new Variable(UNTOUCHED, (a, b) => a.joined(b));
const deed = fc.oneof(
  fc.record({ type: fc.constant("touch" as const), replica, by: fc.integer({ min: -5, max: 5 }) }),
  fc.record({ type: fc.constant("remove" as const), replica }),
  fc.record({ type: fc.constant("write" as const), replica, text: fc.constantFrom("x", "y"), time: small }),
);
type Deed = typeof deed extends fc.Arbitrary<infer D> ? D : never;

function perform(item: ItemState, deed: Deed): ItemState {
  const { replica } = deed;
  const next = { replica, counter: item.touchedBy(replica) + 1 };
  if (deed.type === "touch") return item.touch(next, deed.by, 0);
  return deed.type === "remove" ? item.remove(next) : item.write("note", deed.text, { time: deed.time, replica });
}

obeysLatticeLaws("ItemState", {
  triples: triplesOf(deed, newItem, (item, one) => (item.value = perform(item.value, one))),
  bottom: newItem,
  canonical: ({ value: { replicas, cells, note } }) => JSON.stringify([replicas, cells, note]),
});

it("an operation comes later than the texts of its item, whoever remembers how they came about", () => {
  const list = new ShoppingList();
  list.items.put(
    "milk",
    UNTOUCHED.touch({ replica: "a", counter: 1 }).write("label", "Milk", { time: 7, replica: "a" }),
  );
  const delta = list.acquire({ replica: "b", id: "b1", at: 0 }, "milk", 1_000);
  expect(delta.history.newestTime()).toBe(8);
});

it("a row has room for all that is kept of an item", () => {
  expect(COLUMN.acquired + ITEM_COUNTER_COLUMNS).toBe(COLUMNS);
});

it("an ItemState that a remove saw all of is not present, and counts nothing", () => {
  fc.assert(
    fc.property(fc.array(deed), (deeds) => {
      const item = deeds.reduce(perform, UNTOUCHED).remove({ replica: "a", counter: 100 });
      expect([item.isPresent, item.needed.value(), item.acquired.value()]).toEqual([false, 0, 0]);
      const again = item.touch({ replica: "b", counter: 100 }, 3, 1);
      expect([again.isPresent, again.needed.value(), again.acquired.value()]).toEqual([true, 3, 1]);
    }),
  );
});

const newContext: Make<DotContext> = () => new DotContext();
obeysLatticeLaws("DotContext", {
  triples: triplesOf(dot, newContext, (context, one) => context.add(one)),
  bottom: newContext,
  canonical: (context) => JSON.stringify(encodeContext(context)),
});

const write = fc.tuple(fc.constantFrom("x", "y"), fc.record({ time: small, replica }));
const newRegister: Make<LwwRegister<string>> = () => new LwwRegister<string>();
obeysLatticeLaws("LwwRegister", {
  triples: triplesOf(write, newRegister, (register, [value, stamp]) => register.write(value, stamp)),
  bottom: newRegister,
  canonical: (register) => JSON.stringify(register.written()),
});

const newSet: Make<AWORSet<string, ItemState>> = () => new AWORSet<string, ItemState>();
obeysLatticeLaws("AWORSet", {
  triples: triplesOf(fc.tuple(fc.boolean(), fc.constantFrom("m", "n"), dot), newSet, (set, [remove, element, one]) => {
    const state = set.get(element) ?? UNTOUCHED;
    set.put(element, state.joined(remove ? state.remove(one) : UNTOUCHED.touch(one)));
  }),
  bottom: newSet,
  canonical: (set) =>
    JSON.stringify(
      [...set.entries()]
        .sort(([a], [b]) => compareText(a, b))
        .map(([element, { replicas, cells }]) => [element, replicas, cells]),
    ),
});

// Enough operations that the history overflows and has to drop the same ones on every replica.
// Two folders that are copies of one can give one name to two of them, and a forger to as many as he likes.
const anyDot = fc.record({ replica, counter: fc.integer({ min: 1, max: 150 }) });
const operation = fc.tuple(anyDot, fc.constantFrom(null, "x")).map(([dot, text]): Operation => ({
  dot,
  time: dot.counter,
  at: 0,
  id: `${dot.replica}${dot.counter}`,
  kind: "add",
  key: "m",
  needed: 1,
  acquired: 0,
  text,
  by: null,
  after: [],
}));
const newHistory: Make<History> = () => new History();
obeysLatticeLaws("History", {
  triples: triplesOf(fc.array(operation, { maxLength: 60 }), newHistory, (history, operations) => {
    for (const one of operations) history.record(one);
  }),
  bottom: newHistory,
  canonical: (history) => JSON.stringify(history.operations()),
});

// Three sub-sets of the deltas of one random run: the values that replicas of one list can hold at the same time.
const newList: Make<ShoppingList> = () => new ShoppingList();
const listTriples = fc
  .tuple(arbitraryScript, fc.array(fc.nat(7), { minLength: 1, maxLength: 60 }))
  .map(([script, masks]) => {
    const { deltas } = playScript(script);
    const pick = (bit: number) => () => {
      const list = newList();
      deltas.forEach((delta, index) => {
        if (((masks[index % masks.length] ?? 0) & bit) !== 0) list.join(delta);
      });
      return list;
    };
    return [pick(1), pick(2), pick(4)] as const;
  });
obeysLatticeLaws("ShoppingList", { triples: listTriples, bottom: newList, canonical: encodeListText });

it("an operation names the newest ones on its item that its author knew, however many others there were since", () => {
  const random = generator(23);
  const below = (bound: number): number => Math.floor(random() * bound);
  const copies = ["a", "b", "c"].map((replica) => ({ replica, list: new ShoppingList() }));
  const pick = () => copies[below(copies.length)] ?? { replica: "a", list: new ShoppingList() };
  let [named, unnamed] = [0, 0];
  for (let step = 0; step < 3_000; step++) {
    const { replica, list } = pick();
    if (random() < 0.05) list.join(pick().list);
    // Some items are seldom touched, so that what is known of them is often older than the history.
    const name = `item ${Math.floor(200 * random() ** 3)}`;
    const known = list.history.operations().filter(({ key }) => key === name);
    const told = known.flatMap(({ dot, after }) => [
      ...(dot.replica === replica ? [dot] : [{ ...dot, counter: dot.counter - 1 }]),
      ...after,
    ]);
    const isKnownToAnother = (dot: Dot): boolean =>
      told.some((one) => one.replica === dot.replica && one.counter >= dot.counter);
    const heads = known.map(({ dot }) => dot).filter((dot) => !isKnownToAnother(dot));
    list.add({ replica, id: `${replica}${step}`, at: 0 }, name, null, 1_000);
    expect(list.history.operations().at(-1)?.after).toEqual(heads.sort(compareDots));
    if (heads.length > 0) named++;
    else unnamed++;
  }
  expect(Math.min(named, unnamed)).toBeGreaterThan(500);
});
