import { digestOf } from "../../src/crdt/codec.js";
import type { Dot } from "../../src/crdt/dot.js";
import { HashRing, partitionOf } from "../../src/protocol/hash-ring.js";
import type { Intent } from "../../src/client/intent.js";
import { SimBroker, SimClient, SimServer } from "./nodes.js";
import { CALM, Network, World } from "./world.js";

const LISTS = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"] as const;
const ITEMS = ["milk", "eggs", "bread"] as const;
const SAFETY_MS = 40_000;
const LIVENESS_MS = 60_000;

export interface Outcome {
  /** What was wrong, or null. */
  readonly problem: string | null;
  readonly traceHash: string;
  readonly virtualMs: number;
}

export interface Variant {
  readonly acknowledgesEarly?: boolean;
}

interface Accepted {
  readonly listId: string;
  readonly item: string;
  readonly dot: Dot;
  readonly needed: number;
  readonly isRemove: boolean;
  /** What its author knew of the item: each replica's last operation on it. */
  readonly saw: ReadonlyMap<string, number>;
}

/**
 * One run: devices change lists while the network, brokers, servers and disks misbehave (safety), then everything heals
 * and has to agree with the oracle of accepted operations in bounded time (liveness).
 */
class Simulation {
  readonly #world: World;
  readonly #network: Network;
  readonly #brokers: readonly SimBroker[];
  readonly #servers: readonly SimServer[];
  readonly #clients: readonly SimClient[];
  readonly #accepted: Accepted[] = [];
  #problem: string | null = null;

  constructor(seed: number, variant: Variant) {
    this.#world = new World(seed);
    this.#network = new Network(this.#world);
    const names = Array.from({ length: 1 + this.#world.below(2) }, (_, index) => `broker-${index + 1}`);
    this.#brokers = names.map((name) => new SimBroker(this.#world, this.#network, name));
    this.#servers = Array.from({ length: 1 + this.#world.below(3) }, (_, index) => {
      return new SimServer(
        this.#world,
        this.#network,
        `server-${index + 1}`,
        names,
        variant.acknowledgesEarly === true,
      );
    });
    this.#clients = ["ann", "ben", "cat"].map((name) => new SimClient(this.#world, this.#network, name, names, LISTS));
  }

  run(): Outcome {
    for (const node of [...this.#brokers, ...this.#servers]) node.start();
    // Ownership is settled before the first change: there is nothing yet that moves lists between servers.
    this.#world.runUntil(1_000);
    this.#network.faults = { drop: 0.05, duplicate: 0.05, longestDelayMs: 100 };
    this.#live();
    this.#misbehave();
    this.#world.runUntil(SAFETY_MS, () => this.#problem !== null);
    if (this.#problem === null) this.#demandConvergence();
    const virtualMs = this.#world.now;
    return { problem: this.#problem, traceHash: this.#world.traceHash(), virtualMs };
  }

  get #isSafetyPhase(): boolean {
    return this.#world.now < SAFETY_MS && this.#problem === null;
  }

  /** Devices change and sync at random moments. */
  #live(): void {
    if (!this.#isSafetyPhase) return;
    const client = this.#world.pick(this.#clients);
    const listId = this.#world.pick(LISTS);
    if (this.#world.chance(0.5)) this.#change(client, listId);
    else client.sync(listId);
    this.#checkAcknowledged();
    this.#world.after(this.#world.below(400), () => this.#live());
  }

  #change(client: SimClient, listId: string): void {
    const item = this.#world.pick(ITEMS);
    const isRemove = this.#world.chance(0.25);
    const amount = 1 + this.#world.below(5);
    const saw = new Map(client.list(listId).shown.items.entries().get(item)?.touched.entries());
    const intent: Intent = isRemove
      ? { type: "remove", key: item }
      : { type: "add", name: item, unit: null, amount, note: null, aisle: null };
    const dot = client.change(listId, intent).outbox.at(-1);
    if (dot === undefined) throw new Error("a change is in the outbox");
    this.#accepted.push({ listId, item, dot, needed: isRemove ? 0 : amount, isRemove, saw });
    this.#world.trace(`${client.name} ${isRemove ? "removes" : `adds ${amount}`} ${item}`);
  }

  /** Processes die and return, links are cut one way and healed. */
  #misbehave(): void {
    if (!this.#isSafetyPhase) return;
    const dice = this.#world.random();
    const process = this.#world.pick([...this.#brokers, ...this.#servers]);
    if (dice < 0.5) {
      if (process.isUp) process.crash();
      else process.start();
      this.#world.trace(`${process.name} ${process.isUp ? "starts" : "dies"}`);
    } else if (dice < 0.6) this.#world.pick(this.#clients).crash();
    else if (dice < 0.8) {
      const [from, to] = [this.#world.pick([...this.#clients, ...this.#servers]), this.#world.pick(this.#brokers)];
      if (this.#world.chance(0.5)) this.#network.cut(from.name, to.name);
      else this.#network.cut(to.name, from.name);
    } else this.#network.heal();
    this.#world.after(100 + this.#world.below(1_500), () => this.#misbehave());
  }

  /** Whatever a device takes for stored is on its owner's disk, whoever is up or down. */
  #checkAcknowledged(): void {
    for (const listId of LISTS) {
      const onDisk = this.#ownerOf(listId).onDisk(listId).seen;
      for (const client of this.#clients) {
        const list = client.list(listId);
        const waiting = new Set(list.outbox.map(({ replica, counter }) => `${replica}:${counter}`));
        for (const { dot } of this.#accepted.filter((one) => one.listId === listId && list.shown.seen.has(one.dot))) {
          if (waiting.has(`${dot.replica}:${dot.counter}`) || onDisk.has(dot)) continue;
          this.#problem ??= `${client.name} takes ${dot.replica}:${dot.counter} for stored, and it is on no disk`;
        }
      }
    }
  }

  #ownerOf(listId: string): SimServer {
    const [owner] = new HashRing(this.#servers.map((server) => server.name)).preferenceList(partitionOf(listId));
    const server = this.#servers.find((one) => one.name === owner);
    if (server === undefined) throw new Error("every list has an owner");
    return server;
  }

  #demandConvergence(): void {
    this.#network.heal();
    this.#network.faults = CALM;
    for (const node of [...this.#brokers, ...this.#servers]) if (!node.isUp) node.start();
    while (this.#difference() !== null && this.#world.now < SAFETY_MS + LIVENESS_MS) {
      for (const client of this.#clients) for (const listId of LISTS) client.sync(listId);
      this.#world.runUntil(this.#world.now + 500);
    }
    this.#problem = this.#difference();
    for (const listId of LISTS) this.#world.trace(digestOf(this.#ownerOf(listId).onDisk(listId)));
  }

  /** What keeps devices, servers and oracle from being one, or null. */
  #difference(): string | null {
    for (const listId of LISTS) {
      const expected = this.#totals(listId);
      const digest = digestOf(this.#ownerOf(listId).onDisk(listId));
      for (const client of this.#clients) {
        const { shown, outbox } = client.list(listId);
        if (outbox.length > 0 || digestOf(shown) !== digest)
          return `${client.name} and the server still differ on ${listId}`;
        const shownTotals = JSON.stringify([...shown.visibleItems()].map(({ key, needed }) => [key, needed]).sort());
        if (shownTotals !== expected) return `${client.name} shows ${shownTotals}, the oracle ${expected}`;
      }
    }
    return null;
  }

  /** All accepted operations, less those that a remove had seen. */
  #totals(listId: string): string {
    const accepted = this.#accepted.filter((one) => one.listId === listId);
    const removes = accepted.filter((one) => one.isRemove);
    const isSeen = ({ dot, item }: Accepted): boolean =>
      removes.some((remove) => remove.item === item && (remove.saw.get(dot.replica) ?? 0) >= dot.counter);
    const totals = new Map<string, number>();
    for (const one of accepted) {
      if (!one.isRemove && !isSeen(one)) totals.set(one.item, (totals.get(one.item) ?? 0) + one.needed);
    }
    return JSON.stringify([...totals].sort());
  }
}

export function simulate(seed: number, variant: Variant = {}): Outcome {
  return new Simulation(seed, variant).run();
}
