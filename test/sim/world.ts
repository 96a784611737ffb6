import { createHash, type Hash } from "node:crypto";
import type { Frame } from "../../src/protocol/frames.js";
import type { Machine, Millis } from "../../src/protocol/machine.js";

interface Happening {
  readonly at: Millis;
  readonly order: number;
  readonly run: () => void;
}

/** Virtual time, one source of randomness, and a hash of everything that happened: one seed, one run. */
export class World {
  now: Millis = 0;
  #state: number;
  #order = 0;
  readonly #heap: Happening[] = [];
  readonly #trace: Hash = createHash("sha256");

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1): mulberry32. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error("nothing to pick from");
    return value;
  }

  after(delayMs: Millis, run: () => void): void {
    const happening = { at: this.now + delayMs, order: this.#order++, run };
    this.#heap.push(happening);
    for (let child = this.#heap.length - 1; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!this.#isBefore(child, parent)) break;
      this.#swap(child, parent);
      child = parent;
    }
  }

  trace(line: string): void {
    this.#trace.update(`${this.now} ${line}\n`);
  }

  /** Of all that was traced. The world ends here. */
  traceHash(): string {
    return this.#trace.digest("hex");
  }

  /** Lets things happen until then, or until `isDone`. */
  runUntil(end: Millis, isDone: () => boolean = () => false): void {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) break;
      this.#removeFirst();
      this.now = next.at;
      next.run();
      if (isDone()) return;
    }
    this.now = end;
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let parent = 0; ;) {
      let smallest = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < this.#heap.length && this.#isBefore(child, smallest)) smallest = child;
      }
      if (smallest === parent) return;
      this.#swap(parent, smallest);
      parent = smallest;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const [one, two] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || two === undefined) return false;
    return one.at < two.at || (one.at === two.at && one.order < two.order);
  }

  #swap(a: number, b: number): void {
    const [one, two] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || two === undefined) return;
    this.#heap[a] = two;
    this.#heap[b] = one;
  }
}

export interface NetworkFaults {
  readonly drop: number;
  readonly duplicate: number;
  readonly longestDelayMs: number;
}

export const CALM: NetworkFaults = { drop: 0, duplicate: 0, longestDelayMs: 5 };

/** Messages between addresses: late, lost, doubled and overtaking each other, and not at all across a cut. */
export class Network {
  faults: NetworkFaults = CALM;
  readonly #receivers = new Map<string, (from: string, frames: readonly Frame[]) => void>();
  /** One-way cuts between hosts, the part of an address before the first `/`. */
  readonly #cuts = new Set<string>();

  constructor(readonly world: World) {}

  open(address: string, receive: (from: string, frames: readonly Frame[]) => void): void {
    this.#receivers.set(address, receive);
  }

  close(address: string): void {
    this.#receivers.delete(address);
  }

  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  send(from: string, to: string, frames: readonly Frame[]): void {
    const { drop, duplicate, longestDelayMs } = this.faults;
    const copies = this.world.chance(drop) ? 0 : this.world.chance(duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.world.after(1 + this.world.below(longestDelayMs), () => {
        if (this.#cuts.has(`${hostOf(from)}>${hostOf(to)}`)) return;
        this.#receivers.get(to)?.(from, frames);
      });
    }
  }
}

function hostOf(address: string): string {
  return address.split("/")[0] ?? address;
}

/** Runs a production machine on virtual time, as `runtime/driver.ts` does on the real one. */
export class SimDriver<Event, Effect> {
  #generation = 0;
  #isStopped = false;

  constructor(
    readonly world: World,
    readonly machine: Machine<Event, Effect>,
    readonly perform: (effect: Effect) => void,
    readonly tick: Event,
  ) {}

  post(event: Event): void {
    if (this.#isStopped) return;
    for (const effect of this.machine.step(this.world.now, event)) this.perform(effect);
    const deadline = this.machine.nextDeadline();
    const generation = ++this.#generation;
    if (deadline === null) return;
    this.world.after(Math.max(0, deadline - this.world.now), () => {
      if (generation === this.#generation) this.post(this.tick);
    });
  }

  stop(): void {
    this.#isStopped = true;
  }
}
