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
  #traceLow = 0x811c9dc5;
  #traceHigh = 0x01000193;
  /** Called with every line of the trace, for a person who replays a run. */
  onTrace: ((line: string) => void) | null = null;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
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
    this.#heap.push({ at: this.now + delayMs, order: this.#order++, run });
    for (let child = this.#heap.length - 1; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!this.#isBefore(child, parent)) break;
      this.#swap(child, parent);
      child = parent;
    }
  }

  /** Numbers that stand for something that happened now. */
  note(what: number): void {
    this.#traceLow = Math.imul(this.#traceLow ^ (what + this.now), 0x01000193);
    this.#traceHigh = Math.imul(this.#traceHigh ^ (what >>> 3) ^ this.#traceLow, 0x85ebca6b);
  }

  /** Something that a person would want to read when replaying. */
  trace(line: string): void {
    for (let index = 0; index < line.length; index++) this.note(line.charCodeAt(index));
    this.onTrace?.(`${String(Math.round(this.now)).padStart(7)} ${line}`);
  }

  /** Of all that was noted and traced. */
  traceHash(): string {
    return [this.#traceLow, this.#traceHigh].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
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
      const left = 2 * parent + 1;
      if (left < this.#heap.length && this.#isBefore(left, smallest)) smallest = left;
      if (left + 1 < this.#heap.length && this.#isBefore(left + 1, smallest)) smallest = left + 1;
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

/** A machine on which one process runs at a time. Its clock may leap forward, and it may stand still for a while. */
export class Host {
  /** Which start of the process this is; what belongs to an earlier one is void. */
  run = 0;
  isUp = false;
  pausedUntil: Millis = 0;
  /** What its monotonic clock is ahead of the world's time. */
  leap: Millis = 0;

  constructor(
    readonly world: World,
    readonly name: string,
    /** Small and unique, for the trace. */
    readonly number: number,
  ) {}

  get now(): Millis {
    return this.world.now + this.leap;
  }

  /** Does it once the host is not paused, unless its process has ended by then. */
  whenAwake(work: () => void): void {
    const { run } = this;
    const attempt = (): void => {
      if (!this.isUp || this.run !== run) return;
      if (this.pausedUntil > this.world.now) this.world.after(this.pausedUntil - this.world.now, attempt);
      else work();
    };
    attempt();
  }
}

/** Runs a production machine on a host's clock, as `runtime/driver.ts` does on the real one. */
export class SimDriver<Event, Effect> {
  readonly #events: Event[] = [];
  #isStepping = false;
  #wakeAt: Millis | null = null;
  readonly #run: number;

  constructor(
    readonly host: Host,
    readonly machine: Machine<Event, Effect>,
    readonly perform: (effect: Effect) => void,
    readonly tick: Event,
  ) {
    this.#run = host.run;
  }

  get #isOver(): boolean {
    return !this.host.isUp || this.host.run !== this.#run;
  }

  /** Events that come while effects are being performed wait for their turn. */
  post(event: Event): void {
    this.#events.push(event);
    if (this.#isStepping) return;
    for (let next = this.#events.shift(); next !== undefined && !this.#isOver; next = this.#events.shift()) {
      this.performAll(this.machine.step(this.host.now, next));
    }
  }

  /** Until one of them ends the process. */
  performAll(effects: readonly Effect[]): void {
    this.#isStepping = true;
    for (const effect of effects) if (!this.#isOver) this.perform(effect);
    this.#isStepping = false;
    this.#arm();
  }

  /** One wake is enough: a later deadline is found out when it comes. */
  #arm(): void {
    const deadline = this.machine.nextDeadline();
    if (deadline === null || this.#isOver) return;
    const at = Math.max(this.host.world.now, deadline - this.host.leap);
    if (this.#wakeAt !== null && this.#wakeAt <= at) return;
    this.#wakeAt = at;
    this.host.world.after(at - this.host.world.now, () => {
      if (this.#wakeAt !== at || this.#isOver) return;
      this.#wakeAt = null;
      this.host.whenAwake(() => {
        const due = this.machine.nextDeadline();
        if (due !== null && due <= this.host.now) this.post(this.tick);
        else this.#arm();
      });
    });
  }
}
