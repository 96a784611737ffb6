/**
 * Ways to get a shared list wrong, each of which some real system has shipped. They exist so that the property tests can
 * be seen to fail: a test that never caught anything proves nothing.
 */
import { decodeList, encodeList } from "../../src/crdt/codec.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import type { Subject, Totals, View } from "./oracle.js";
import { change, isOfList, NAMES, REPLICAS, type Change, type ListChange } from "./scripts.js";

/** The production list as a subject; the variants below override one decision of it. */
export class RealSubject implements Subject<ShoppingList> {
  readonly list = new ShoppingList();

  constructor(readonly replica: string) {}

  change(step: Change): ShoppingList {
    return change(this.list, this.replica, step);
  }

  receive(delta: ShoppingList): void {
    this.list.join(delta);
  }

  pullFrom(other: Subject<ShoppingList>): void {
    if (!(other instanceof RealSubject)) throw new Error("subjects of one kind");
    this.receive(other.list.lacking(this.list.seen));
  }

  view(): View {
    const view = new Map<string, Totals>();
    for (const item of this.list.visibleItems()) view.set(item.key, { needed: item.needed, acquired: item.acquired });
    return view;
  }
}

/** `seen` as a bare version vector: a dot that arrives early makes the gap before it look known. */
export class NoCloudSubject extends RealSubject {
  override receive(delta: ShoppingList): void {
    super.receive(delta);
    for (const { replica, to } of delta.seen.cloud()) this.list.seen.addRange({ replica, from: 1, to });
  }
}

/** A delta that carries the author's own row of the item and not what the author knew from others. */
export class ChangedCellSubject extends RealSubject {
  override change(step: Change): ShoppingList {
    const encoded = structuredClone(encodeList(super.change(step))) as unknown[];
    const replicas = encoded[1] as string[];
    const own = replicas.indexOf(this.replica);
    const items = encoded[7] as unknown[][];
    const withoutOthers = items.map((item) => [
      ...item.slice(0, 4).map((cell, index) => (index > 0 && Array.isArray(cell) && cell[1] !== own ? 0 : cell)),
      ...item.slice(4).filter((row) => (row as number[])[0] === own),
    ]);
    const reindexed = JSON.parse(
      JSON.stringify([encoded[0], [this.replica], ...encoded.slice(2, 7), withoutOthers, encoded[8]]),
    ) as unknown[];
    return decodeList(toOnlyReplica(reindexed, own));
  }
}

/** Every index of a replica in the encoded list becomes 0, since only one is left in the table. */
function toOnlyReplica(encoded: unknown[], own: number): unknown[] {
  const [format, replicas, prefixes, cloud, newest, name, deleted, items, history] = encoded as [
    number,
    string[],
    number[],
    number[][],
    [number, number, string][],
    0 | [number, number, string],
    0 | [number, number, boolean],
    [string, ...(0 | number[])[]][],
    unknown[][],
  ];
  const own0 = (register: 0 | [number, number, unknown]): unknown =>
    register === 0 ? 0 : [register[0], 0, register[2]];
  return [
    format,
    replicas,
    prefixes.length > own ? [prefixes[own]] : [],
    cloud.map(([, ...counters]) => [0, ...counters]),
    newest.map(([, counter, id]) => [0, counter, id]),
    own0(name),
    own0(deleted),
    items.map(([key, ...cells]) => [
      key,
      ...cells.slice(0, 3).map((register) => own0(register as 0 | [number, number, unknown])),
      ...cells.slice(3).map((row) => [0, ...(row as number[]).slice(1)]),
    ]),
    history.map((operation) => [0, ...operation.slice(1, 10)]),
  ];
}

/** Two devices that write under one replica id, as after copying a data folder. */
export class SharedIdSubject extends RealSubject {
  constructor(replica: string) {
    super(replica === REPLICAS[1] ? REPLICAS[0] : replica);
  }
}

type Plain = Map<string, Totals>;

function nameOf(step: Exclude<Change, ListChange>): string {
  return NAMES[step.name] ?? "";
}

function amountsAfter(step: Change, before: Totals): Totals {
  if (step.type === "add") return { ...before, needed: before.needed + step.amount };
  if (step.type === "need") return { ...before, needed: step.amount };
  if (step.type === "acquire") return { ...before, acquired: before.acquired + step.amount };
  return before;
}

/** Each quantity one shared integer, merged by maximum. */
export class MaxIntegerSubject implements Subject<Plain> {
  readonly #totals: Plain = new Map();

  change(step: Change): Plain {
    if (isOfList(step)) return new Map();
    const name = nameOf(step);
    if (step.type === "remove") this.#totals.delete(name);
    else this.#totals.set(name, amountsAfter(step, this.#totals.get(name) ?? { needed: 0, acquired: 0 }));
    return new Map(this.#totals);
  }

  receive(delta: Plain): void {
    for (const [name, theirs] of delta) {
      const ours = this.#totals.get(name) ?? theirs;
      const max = { needed: Math.max(ours.needed, theirs.needed), acquired: Math.max(ours.acquired, theirs.acquired) };
      this.#totals.set(name, max);
    }
  }

  pullFrom(other: Subject<Plain>): void {
    this.receive(new Map(other.view()));
  }

  view(): View {
    return this.#totals;
  }
}

/** What an observed-remove map keeps of one key: the dots that hold it up, and each replica's total under its last dot. */
interface Embedded {
  readonly totalsByDot: ReadonlyMap<string, Totals>;
}

interface MapState {
  readonly context: ReadonlySet<string>;
  readonly entries: ReadonlyMap<string, Embedded>;
}

/**
 * An observed-remove map with one dot context for all items, and in each item a counter whose state a remove resets, as in
 * riak_dt. A change replaces the author's dot by a new one that carries its running total. With `slices`, a replica pulls
 * only the items whose dots it has not seen, with the whole context: what makes a shared context wrong.
 */
export class EmbeddedCounterSubject implements Subject<MapState> {
  #state: MapState = { context: new Set(), entries: new Map() };
  #counter = 0;

  constructor(
    readonly replica: string,
    readonly slices: boolean,
  ) {}

  change(step: Change): MapState {
    if (isOfList(step)) return { context: new Set(), entries: new Map() };
    const name = nameOf(step);
    const entries = new Map(this.#state.entries);
    const context = new Set(this.#state.context);
    if (step.type === "remove") entries.delete(name);
    else {
      const dot = `${this.replica}:${++this.#counter}`;
      const totalsByDot = new Map(entries.get(name)?.totalsByDot);
      const previous = [...totalsByDot.keys()].find((held) => held.startsWith(`${this.replica}:`));
      const own = (previous === undefined ? undefined : totalsByDot.get(previous)) ?? { needed: 0, acquired: 0 };
      if (previous !== undefined) totalsByDot.delete(previous);
      const seen = this.view().get(name)?.needed ?? 0;
      const after =
        step.type === "need" ? { ...own, needed: own.needed + step.amount - seen } : amountsAfter(step, own);
      context.add(dot);
      entries.set(name, { totalsByDot: totalsByDot.set(dot, after) });
    }
    this.#state = { context, entries };
    return this.#state;
  }

  receive(delta: MapState): void {
    const entries = new Map<string, Embedded>();
    for (const name of new Set([...this.#state.entries.keys(), ...delta.entries.keys()])) {
      const [ours, theirs] = [this.#state.entries.get(name)?.totalsByDot, delta.entries.get(name)?.totalsByDot];
      const kept = new Map<string, Totals>();
      for (const [dot, totals] of ours ?? [])
        if (theirs?.has(dot) === true || !delta.context.has(dot)) kept.set(dot, totals);
      for (const [dot, totals] of theirs ?? []) if (!this.#state.context.has(dot)) kept.set(dot, totals);
      if (kept.size > 0) entries.set(name, { totalsByDot: kept });
    }
    this.#state = { context: new Set([...this.#state.context, ...delta.context]), entries };
  }

  pullFrom(other: Subject<MapState>): void {
    if (!(other instanceof EmbeddedCounterSubject)) throw new Error("subjects of one kind");
    const { context, entries } = other.#state;
    const isNew = ([, { totalsByDot }]: [string, Embedded]): boolean =>
      [...totalsByDot.keys()].some((dot) => !this.#state.context.has(dot));
    this.receive({ context, entries: this.slices ? new Map([...entries].filter(isNew)) : entries });
  }

  view(): View {
    const view = new Map<string, Totals>();
    for (const [name, { totalsByDot }] of this.#state.entries) {
      const sum = (part: keyof Totals): number =>
        [...totalsByDot.values()].reduce((total, one) => total + one[part], 0);
      view.set(name, { needed: sum("needed"), acquired: sum("acquired") });
    }
    return view;
  }
}
