import fc from "fast-check";
import { AWORSet } from "../../src/crdt/aworset.js";
import { encodeContext, encodeListText } from "../../src/crdt/codec.js";
import type { Dot } from "../../src/crdt/dot.js";
import { DotContext } from "../../src/crdt/dot-context.js";
import { GCounter } from "../../src/crdt/gcounter.js";
import { History, type Operation } from "../../src/crdt/history.js";
import { ItemCounter } from "../../src/crdt/item-counter.js";
import { compareText } from "../../src/crdt/lattice.js";
import { LwwRegister } from "../../src/crdt/lww-register.js";
import { PNCounter } from "../../src/crdt/pncounter.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { VersionVector } from "../../src/crdt/version-vector.js";
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
const counterForm = (counter: PNCounter): string => vectorForm(counter.increments) + vectorForm(counter.decrements);
const dot: fc.Arbitrary<Dot> = fc.record({ replica, counter: small });

const newVector: Make<VersionVector> = () => new VersionVector();
obeysLatticeLaws("VersionVector", {
  triples: triplesOf(dot, newVector, (vector, { replica, counter }) => vector.raise(replica, counter)),
  bottom: newVector,
  canonical: vectorForm,
});

const newGCounter: Make<GCounter> = () => new GCounter();
obeysLatticeLaws<VersionVector>("GCounter", {
  triples: triplesOf(dot, newGCounter, (counter, { replica, counter: by }) => counter.increment(replica, by)),
  bottom: newGCounter,
  canonical: vectorForm,
});

const change = fc.tuple(replica, fc.integer({ min: -5, max: 5 }));
const newPNCounter: Make<PNCounter> = () => new PNCounter();
obeysLatticeLaws("PNCounter", {
  triples: triplesOf(change, newPNCounter, (counter, [replica, by]) => counter.add(replica, by)),
  bottom: newPNCounter,
  canonical: counterForm,
});

const newItemCounter: Make<ItemCounter> = () => new ItemCounter();
obeysLatticeLaws("ItemCounter", {
  triples: triplesOf(fc.option(change), newItemCounter, (counter, deed) => {
    if (deed === null) counter.cancel();
    else counter.add(...deed);
  }),
  bottom: newItemCounter,
  canonical: (counter) => counterForm(counter.counted) + counterForm(counter.cancelled),
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

const newSet: Make<AWORSet<string>> = () => new AWORSet<string>();
obeysLatticeLaws("AWORSet", {
  triples: triplesOf(fc.tuple(fc.boolean(), fc.constantFrom("m", "n"), dot), newSet, (set, [remove, element, one]) => {
    if (remove) set.remove(element, one);
    else set.add(element, one);
  }),
  bottom: newSet,
  canonical: (set) =>
    JSON.stringify(
      [...set.entries()]
        .sort(([a], [b]) => compareText(a, b))
        .map(([element, presence]) => [element, vectorForm(presence.touched), vectorForm(presence.removed)]),
    ),
});

// Enough operations that the history overflows and has to drop the same ones on every replica.
const operation = fc.record({ replica, counter: fc.integer({ min: 1, max: 150 }) }).map((dot): Operation => ({
  dot,
  time: dot.counter,
  at: 0,
  id: `${dot.replica}${dot.counter}`,
  kind: "add",
  key: "m",
  needed: 1,
  acquired: 0,
  text: null,
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
