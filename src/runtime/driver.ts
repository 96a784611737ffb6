import type { Machine, Millis } from "../protocol/machine.js";
import { monotonicMs } from "./clock.js";

/** A timer may not be set further ahead than this many milliseconds; waking up early is harmless. */
const LONGEST_TIMER_MS = 60_000;

/**
 * Runs a machine in real time: feeds it events one at a time, performs its effects in order, wakes it at its deadlines.
 * Effects that post events synchronously are fine; those events wait for their turn.
 */
export class Driver<Event, Effect> {
  readonly #events: Event[] = [];
  #stepping = false;
  #stopped = false;
  #timer: NodeJS.Timeout | null = null;
  /** Which deadline the timer was set for. */
  #armedFor: Millis = 0;

  /** @param onError a machine or shell threw; the event is given up, the machine goes on */
  constructor(
    readonly machine: Machine<Event, Effect>,
    readonly perform: (effect: Effect) => void,
    readonly tick: Event,
    readonly onError: (error: unknown) => void,
  ) {}

  post(event: Event): void {
    if (this.#stopped) return;
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#step(next);
    this.#stepping = false;
    this.#arm();
  }

  /** Performs what the machine begins with. */
  start(begin: (now: Millis) => readonly Effect[]): void {
    this.#performAll(begin(monotonicMs()));
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #step(event: Event): void {
    let effects: readonly Effect[] = [];
    try {
      effects = this.machine.step(monotonicMs(), event);
    } catch (error) {
      this.onError(error);
    }
    this.#performAll(effects);
  }

  /** One that cannot be performed is no reason to leave out the others. */
  #performAll(effects: readonly Effect[]): void {
    for (const effect of effects) {
      try {
        this.perform(effect);
      } catch (error) {
        this.onError(error);
      }
    }
  }

  /** Waking up early is harmless, and setting a timer for each event is not free: one that was set for no later is left alone. */
  #arm(): void {
    const deadline = this.machine.nextDeadline();
    if (deadline === null || this.#stopped || (this.#timer !== null && this.#armedFor <= deadline)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const now = monotonicMs();
    const delay = Math.min(Math.max(0, Math.ceil(deadline - now)), LONGEST_TIMER_MS);
    this.#armedFor = Math.min(deadline, now + LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.post(this.tick);
    }, delay);
  }
}
