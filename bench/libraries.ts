/** A list as Aisle, Yjs, Loro and Automerge have it: each counts in the way that loses no concurrent increment. */
import * as Automerge from "@automerge/automerge";
import { LoroDoc, LoroMap, LoroCounter } from "loro-crdt";
import * as Y from "yjs";
import { decodeList, encodeListText } from "../src/crdt/codec.js";
import { itemKey } from "../src/crdt/item-key.js";
import { ShoppingList } from "../src/crdt/shopping-list.js";

/** One replica of a list, as the benchmark needs it. */
export interface Copy {
  add(name: string): void;
  change(name: string, by: number): void;
  remove(name: string): void;
  names(): readonly string[];
  amountOf(name: string): number;
  pull(other: this): void;
  save(): Uint8Array;
}

export interface Library {
  readonly name: string;
  make(replica: number): Copy;
  load(saved: Uint8Array, replica: number): Copy;
}

export function mergeAll(copies: readonly Copy[]): void {
  for (const to of copies) for (const from of copies) if (to !== from) to.pull(from);
}

export class Ours implements Copy {
  readonly #id: string;
  #operations = 0;

  constructor(
    readonly replica: number,
    readonly list = new ShoppingList(),
  ) {
    this.#id = `replica-${replica}`;
  }

  #author() {
    return { replica: this.#id, id: `${this.replica}-${++this.#operations}`, at: this.#operations };
  }

  add(name: string): void {
    this.list.add(this.#author(), name, null, 1_000);
  }

  change(name: string, by: number): void {
    this.list.acquire(this.#author(), itemKey(name, null), by);
  }

  remove(name: string): void {
    this.list.remove(this.#author(), itemKey(name, null));
  }

  names(): readonly string[] {
    return [...this.list.visibleItems()].map((item) => item.name);
  }

  amountOf(name: string): number {
    return this.list.item(itemKey(name, null))?.acquired ?? 0;
  }

  pull(other: Ours): void {
    this.list.join(other.list.lacking(this.list.seen));
  }

  save(): Uint8Array {
    return new TextEncoder().encode(encodeListText(this.list));
  }
}

class WithYjs implements Copy {
  readonly #items: Y.Map<Y.Map<number>>;

  constructor(
    readonly replica: number,
    readonly doc = new Y.Doc(),
  ) {
    this.#items = doc.getMap("items");
  }

  add(name: string): void {
    if (!this.#items.has(name)) this.#items.set(name, new Y.Map<number>());
    this.#count(name, "needed", 1_000);
  }

  change(name: string, by: number): void {
    this.#count(name, "acquired", by);
  }

  /** Yjs has no counter: a register for each replica, and their sum. */
  #count(name: string, what: string, by: number): void {
    const item = this.#items.get(name);
    const key = `${what}-${this.replica}`;
    item?.set(key, (item.get(key) ?? 0) + by);
  }

  remove(name: string): void {
    this.#items.delete(name);
  }

  names(): readonly string[] {
    return [...this.#items.keys()];
  }

  amountOf(name: string): number {
    const entries = [...(this.#items.get(name)?.entries() ?? [])];
    return entries.filter(([key]) => key.startsWith("acquired")).reduce((sum, [, value]) => sum + value, 0);
  }

  pull(other: WithYjs): void {
    Y.applyUpdate(this.doc, Y.encodeStateAsUpdate(other.doc, Y.encodeStateVector(this.doc)));
  }

  save(): Uint8Array {
    return Y.encodeStateAsUpdate(this.doc);
  }
}

class WithLoro implements Copy {
  constructor(
    replica: number,
    readonly doc = new LoroDoc(),
  ) {
    doc.setPeerId(`${replica + 1}`);
  }

  #item(name: string): LoroMap | undefined {
    const item = this.doc.getMap("items").get(name);
    return item instanceof LoroMap ? item : undefined;
  }

  add(name: string): void {
    const item = this.doc.getMap("items").ensureMergeableMap(name);
    item.ensureMergeableCounter("needed").increment(1_000);
    this.doc.commit();
  }

  change(name: string, by: number): void {
    this.#item(name)?.ensureMergeableCounter("acquired").increment(by);
    this.doc.commit();
  }

  remove(name: string): void {
    this.doc.getMap("items").delete(name);
    this.doc.commit();
  }

  names(): readonly string[] {
    return this.doc.getMap("items").keys() as string[];
  }

  amountOf(name: string): number {
    const counter = this.#item(name)?.get("acquired");
    return counter instanceof LoroCounter ? counter.value : 0;
  }

  pull(other: WithLoro): void {
    this.doc.import(other.doc.export({ mode: "update", from: this.doc.version() }));
  }

  save(): Uint8Array {
    return this.doc.export({ mode: "snapshot" });
  }
}

interface Shared {
  items: Record<string, { needed: Automerge.Counter; acquired: Automerge.Counter }>;
}

/** One beginning for all, or each would have made an `items` of its own. */
const BEGINNING = Automerge.save(Automerge.from({ items: {} }, { actor: "00" }));

class WithAutomerge implements Copy {
  #doc: Automerge.Doc<Shared>;

  constructor(replica: number, saved: Uint8Array = BEGINNING) {
    this.#doc = Automerge.load<Shared>(saved, { actor: `0${replica + 1}` });
  }

  add(name: string): void {
    this.#doc = Automerge.change(this.#doc, ({ items }) => {
      items[name] ??= { needed: new Automerge.Counter(0), acquired: new Automerge.Counter(0) };
      items[name].needed.increment(1_000);
    });
  }

  change(name: string, by: number): void {
    this.#doc = Automerge.change(this.#doc, ({ items }) => {
      items[name]?.acquired.increment(by);
    });
  }

  remove(name: string): void {
    this.#doc = Automerge.change(this.#doc, ({ items }) => {
      Reflect.deleteProperty(items, name);
    });
  }

  names(): readonly string[] {
    return Object.keys(this.#doc.items);
  }

  amountOf(name: string): number {
    return this.#doc.items[name]?.acquired.value ?? 0;
  }

  pull(other: WithAutomerge): void {
    this.#doc = Automerge.merge(this.#doc, other.#doc);
  }

  save(): Uint8Array {
    return Automerge.save(this.#doc);
  }
}

export const LIBRARIES: readonly Library[] = [
  {
    name: "Aisle",
    make: (replica) => new Ours(replica),
    load: (saved, replica) => new Ours(replica, decodeList(JSON.parse(new TextDecoder().decode(saved)))),
  },
  {
    name: "Yjs",
    make: (replica) => new WithYjs(replica),
    load: (saved, replica) => {
      const doc = new Y.Doc();
      Y.applyUpdate(doc, saved);
      return new WithYjs(replica, doc);
    },
  },
  {
    name: "Loro",
    make: (replica) => new WithLoro(replica),
    load: (saved, replica) => new WithLoro(replica, LoroDoc.fromSnapshot(saved)),
  },
  {
    name: "Automerge",
    make: (replica) => new WithAutomerge(replica),
    load: (saved, replica) => new WithAutomerge(replica, saved),
  },
];
