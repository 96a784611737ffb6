import { digestOf } from "../../src/crdt/codec.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { Ledger } from "./ledger.js";
import { CALM, Network } from "./network.js";
import { LIVENESS_MS, Recovery } from "./recovery.js";
import { SimBroker } from "./sim-broker.js";
import { Doors } from "./doors.js";
import { foundable, SimClient, type Party } from "./sim-client.js";
import { SimServer, SOUND_DISK } from "./sim-server.js";
import { withVariant, type Variant } from "./variants.js";
import { Host, World } from "./world.js";

const LISTS = foundable(3);
const ITEMS = ["milk", "eggs", "bread"] as const;

/** How long things go wrong. */
const SAFETY_MS = 120_000;

/** An answer may be on its way, or with a broker that stands still, when a disk that it counts is lost. */
const ANSWER_TRAVELS_MS = 5_000;

const REPLICAS = 3;
const WRITE_QUORUM = 2;

export interface Outcome {
  /** What was wrong, or null. */
  readonly problem: string | null;
  readonly traceHash: string;
  readonly virtualMs: number;
}

export interface Options {
  readonly variant?: Variant;
  /** Called with every line of the trace. */
  readonly onTrace?: (line: string) => void;
}

/**
 * One run: devices change lists while the network, brokers, servers and disks misbehave (safety), then everything heals
 * and has to agree with the oracle of accepted operations in bounded time (liveness).
 */
class Simulation {
  readonly #world: World;
  readonly #network: Network;
  readonly #brokers: readonly SimBroker[];
  readonly #servers: SimServer[];
  /** A household, whose lists they are, and a guest. */
  readonly #clients: readonly SimClient[];
  readonly #guest: SimClient;
  readonly #doors: Doors;
  readonly #ledger: Ledger;
  readonly #variant: Variant;
  readonly #peers: readonly string[];
  /** The longest time between two things that devices do. */
  readonly #paceMs: number;
  #hosts = 0;
  #joined = 0;
  #left = 0;
  #wipes = 0;
  /** Those of them that every answer on its way can have known of. */
  #oldWipes = 0;
  #problem: string | null = null;

  constructor(seed: number, { variant, onTrace }: Options) {
    this.#world = new World(seed);
    this.#world.onTrace = onTrace ?? null;
    this.#variant = variant ?? {};
    this.#paceMs = this.#world.pick([2_000, 5_000, 10_000]);
    this.#network = new Network(this.#world);
    this.#ledger = new Ledger(this.#world);
    const names = (role: string, count: number): string[] =>
      Array.from({ length: count }, (_, index) => `${role}-${index + 1}`);
    this.#brokers = names("broker", 1 + this.#world.below(3)).map(
      (name) => new SimBroker(this.#host(name), this.#network),
    );
    this.#peers = names("server", this.#world.pick([1, 3, 3, 4, 5]));
    this.#servers = this.#peers.map((name) => this.#server(name));
    const brokers = this.#brokers.map(({ name }) => name);
    const client = (name: string, party: Party): SimClient =>
      new SimClient(this.#host(name), this.#network, brokers, LISTS, party);
    const ann = client("ann", "household");
    this.#guest = client("guest", "guest");
    this.#clients = [ann, client("ben", "household"), client("cat", "household"), this.#guest];
    this.#doors = new Doors(this.#world, ann);
  }

  run(): Outcome {
    for (const node of this.#processes) node.start();
    // The cluster is complete before the first change: how many copies are wanted depends on how many servers there are.
    this.#world.runUntil(3_000);
    this.#network.faults = {
      drop: this.#world.pick([0, 0.01, 0.05, 0.15]),
      duplicate: this.#world.pick([0, 0.05]),
      longestDelayMs: this.#world.pick([5, 50, 200]),
    };
    const disk = { refuse: this.#world.pick([0, 0, 0.02]), longestFlushMs: this.#world.pick([5, 30, 150]) };
    for (const server of this.#servers) server.faults = disk;
    for (const client of this.#clients) client.onAnswered = () => this.#check();
    this.#live();
    this.#misbehave();
    if (this.#world.chance(0.3)) this.#world.after(this.#world.below(SAFETY_MS), () => this.#reshape());
    this.#world.runUntil(SAFETY_MS, () => this.#problem !== null);
    if (this.#problem === null) this.#demandConvergence();
    return { problem: this.#problem, traceHash: this.#world.traceHash(), virtualMs: this.#world.now };
  }

  isUp(server: string): boolean {
    return this.#servers.some(({ name, host }) => name === server && host.isUp);
  }

  get #processes(): readonly (SimBroker | SimServer)[] {
    return [...this.#brokers, ...this.#servers];
  }

  get #isSafetyPhase(): boolean {
    return this.#world.now < SAFETY_MS && this.#problem === null;
  }

  #host(name: string): Host {
    return new Host(this.#world, name, ++this.#hosts);
  }

  #server(name: string): SimServer {
    const brokers = this.#brokers.map((broker) => broker.name);
    const peers = this.#peers.filter((peer) => peer !== name);
    return new SimServer(this.#host(name), this.#network, brokers, peers, this.#variant);
  }

  /** Devices change and sync at random moments. */
  #live(): void {
    if (!this.#isSafetyPhase) return;
    const client = this.#world.pick(this.#clients);
    const listId = this.#world.pick(LISTS);
    if (this.#world.chance(0.4)) this.#change(client, listId);
    else if (this.#world.chance(0.2)) this.#doors.toggle(listId);
    else client.sync(listId);
    this.#check();
    this.#world.after(this.#world.below(this.#paceMs), () => this.#live());
  }

  #change(client: SimClient, listId: string): void {
    const item = this.#world.pick(ITEMS);
    const isRemove = this.#world.chance(0.25);
    this.#ledger.record(client, listId, item, isRemove ? null : 1 + this.#world.below(5));
  }

  /** Processes die and return, disks are lost, links are cut one way or all at once, hosts stand still and leap. */
  #misbehave(): void {
    if (!this.#isSafetyPhase) return;
    const dice = this.#world.random();
    const process = this.#world.pick(this.#processes);
    if (dice < 0.4) this.#toggle(process);
    else if (dice < 0.45) this.#powerLoss();
    else if (dice < 0.5) this.#wipe();
    else if (dice < 0.55) this.#world.pick(this.#clients).crash();
    else if (dice < 0.62) this.#cutOneWay();
    else if (dice < 0.7) this.#partition();
    else if (dice < 0.78) this.#pause(process);
    else {
      this.#network.heal();
      this.#world.trace("the network heals");
    }
    this.#world.after(200 + this.#world.below(6_000), () => this.#misbehave());
  }

  #toggle(process: SimBroker | SimServer): void {
    const { host } = process;
    if (host.isUp) process.crash();
    else process.start();
    this.#world.trace(`${process.name} ${host.isUp ? "starts" : "dies"}`);
  }

  #powerLoss(): void {
    this.#world.trace("the power fails");
    for (const process of this.#processes) if (process.host.isUp) process.crash();
    this.#world.after(this.#world.below(2_000), () => {
      for (const process of this.#processes) if (!process.host.isUp) process.start();
    });
  }

  /** As many disks are lost for good as may be, W - 1; only where somebody else has what was on it. */
  #wipe(): void {
    if (this.#wipes === WRITE_QUORUM - 1 || this.#peers.length < REPLICAS) return;
    this.#countWipe();
    const server = this.#world.pick(this.#servers);
    if (server.host.isUp) server.crash();
    server.wipe();
    this.#world.trace(`${server.name} loses its disk`);
    if (this.#world.chance(0.5)) server.start();
  }

  #countWipe(): void {
    this.#wipes++;
    this.#world.after(ANSWER_TRAVELS_MS, () => this.#oldWipes++);
  }

  #cutOneWay(): void {
    const hosts = [...this.#clients, ...this.#processes].map(({ host }) => host);
    const [from, to] = [this.#world.pick(hosts), this.#world.pick(hosts)];
    this.#network.cut(from, to);
    this.#world.trace(`nothing gets from ${from.name} to ${to.name}`);
  }

  #partition(): void {
    const hosts = [...this.#clients, ...this.#processes].map(({ host }) => host);
    const left = new Set(hosts.filter(() => this.#world.chance(0.5)));
    for (const from of hosts) {
      for (const to of hosts) if (left.has(from) !== left.has(to)) this.#network.cut(from, to);
    }
    this.#world.trace(`the network falls apart: ${[...left].map(({ name }) => name).join(" ")} on one side`);
  }

  #pause({ host }: SimBroker | SimServer): void {
    const forMs = this.#world.below(4_000);
    if (this.#world.chance(0.3)) host.leap += forMs;
    else host.pausedUntil = this.#world.now + forMs;
    this.#world.pick(this.#clients).wallClockError = (this.#world.random() - 0.5) * 1e9;
    this.#world.trace(`${host.name} ${host.pausedUntil > this.#world.now ? "stands still" : "leaps"} for ${forMs} ms`);
  }

  /** A server joins, or one leaves, or one that is lost for good is taken out. */
  #reshape(): void {
    if (!this.#isSafetyPhase || this.#peers.length < REPLICAS) return;
    const dice = this.#world.random();
    if (dice < 0.5) {
      const server = this.#server(`server-${this.#peers.length + ++this.#joined}`);
      this.#servers.push(server);
      server.start();
      this.#world.trace(`${server.name} joins`);
    } else if (dice < 0.75) {
      // Sometimes two at once, each without knowing of the other.
      const count = this.#world.chance(0.3) ? 2 : 1;
      if (this.#servers.length - this.#left - count < WRITE_QUORUM) return;
      this.#left += count;
      for (let index = 0; index < count; index++) {
        const server = this.#world.pick(this.#servers);
        this.#world.trace(`${server.name} is told to leave`);
        this.#world.pick(this.#clients).operate("leave", server.name);
      }
    } else if (this.#wipes < WRITE_QUORUM - 1 && this.#servers.length - this.#left > WRITE_QUORUM) {
      this.#countWipe();
      const server = this.#world.pick(this.#servers);
      if (server.host.isUp) server.crash();
      server.wipe();
      this.#servers.splice(this.#servers.indexOf(server), 1);
      this.#world.trace(`${server.name} is lost for good`);
      const remove = (): void => {
        this.#world.pick(this.#clients).operate("remove", server.name);
        const isKnown = this.#servers.every(({ node }) =>
          node?.members.some(({ id, status }) => id === server.name && status === "removed"),
        );
        if (!isKnown) this.#world.after(5_000, remove);
      };
      this.#world.after(3_000, remove);
    }
    if (this.#world.chance(0.5)) this.#world.after(this.#world.below(20_000), () => this.#reshape());
  }

  /** Whatever a device takes for stored is on enough disks, whoever is up or down. */
  #check(): void {
    const wanted = Math.min(WRITE_QUORUM, this.#peers.length);
    const problem =
      this.#ledger.check(this.#servers, wanted, this.#wipes, this.#oldWipes) ?? this.#ledger.checkSight(this.#clients);
    if (problem !== null) this.#fail(problem);
  }

  #fail(problem: string): void {
    this.#world.trace(`WRONG: ${problem}`);
    this.#problem ??= problem;
  }

  #demandConvergence(): void {
    this.#world.trace("everything works again");
    this.#network.heal();
    this.#network.faults = CALM;
    for (const server of this.#servers) server.faults = SOUND_DISK;
    for (const process of this.#processes) {
      process.host.pausedUntil = 0;
      if (!process.host.isUp) process.start();
    }
    const household = this.#clients.filter((client) => client !== this.#guest);
    const [servers, guest, doors] = [this.#servers, this.#guest, this.#doors];
    const parts = { world: this.#world, ledger: this.#ledger, lists: LISTS, replicas: REPLICAS };
    const problem = new Recovery({ ...parts, servers, household, guest, doors }).run();
    this.#check();
    if (problem !== null) this.#fail(`not one after ${LIVENESS_MS / 1_000} s: ${problem}`);
    for (const listId of LISTS) this.#world.trace(digestOf(this.#clients[0]?.list(listId).shown ?? new ShoppingList()));
  }
}

export function simulate(seed: number, options: Options = {}): Outcome {
  const simulation = new Simulation(seed, options);
  const isUp = (server: string): boolean => simulation.isUp(server);
  return withVariant(options.variant ?? {}, isUp, () => simulation.run());
}
