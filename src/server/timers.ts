import type { Millis } from "../protocol/machine.js";
import type { Timer } from "./turn.js";

interface Entry {
  readonly at: Millis;
  /** Null once it was called off or done. */
  then: (() => void) | null;
}

/** What is due when, in a binary heap: a core's own timers, which a simulation can run on virtual time. */
export class Timers {
  readonly #heap: Entry[] = [];

  set(at: Millis, then: () => void): Timer {
    const entry: Entry = { at, then };
    this.#heap.push(entry);
    this.#rise(this.#heap.length - 1);
    return { cancel: () => (entry.then = null) };
  }

  nextDeadline(): Millis | null {
    while (this.#heap[0]?.then === null) this.#removeFirst();
    return this.#heap[0]?.at ?? null;
  }

  /** Does all that is due, in order of time. */
  run(now: Millis): void {
    for (let at = this.nextDeadline(); at !== null && at <= now; at = this.nextDeadline()) {
      const then = this.#removeFirst()?.then;
      then?.();
    }
  }

  #removeFirst(): Entry | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#sink();
    }
    return first;
  }

  #rise(index: number): void {
    for (let child = index; child > 0;) {
      const parent = (child - 1) >> 1;
      if (this.#at(parent) <= this.#at(child)) return;
      this.#swap(child, parent);
      child = parent;
    }
  }

  #sink(): void {
    for (let parent = 0; ;) {
      const [left, right] = [2 * parent + 1, 2 * parent + 2];
      const child = this.#at(right) < this.#at(left) ? right : left;
      if (this.#at(parent) <= this.#at(child)) return;
      this.#swap(parent, child);
      parent = child;
    }
  }

  #at(index: number): Millis {
    return this.#heap[index]?.at ?? Infinity;
  }

  #swap(a: number, b: number): void {
    const [one, two] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || two === undefined) return;
    this.#heap[a] = two;
    this.#heap[b] = one;
  }
}
