import { BOUNDS } from "../protocol/bounds.js";

/** A moment that nobody who watches a list notices. */
const GATHER_MS = 10;

/**
 * News that lists have moved. What comes after a quiet moment goes out at once; what follows within the next few milliseconds
 * goes out together, each list once: brokers and servers spend as much on a message as on many topics in it.
 */
export class Notices {
  readonly #topics = new Set<string>();
  #timer: NodeJS.Timeout | null = null;

  constructor(readonly send: (topics: readonly string[]) => void) {}

  add(topic: string): void {
    this.#topics.add(topic);
    if (this.#timer === null) this.#next();
  }

  /** Sends what waits. */
  flush(): void {
    const topics = [...this.#topics];
    this.#topics.clear();
    for (let at = 0; at < topics.length; at += BOUNDS.batch) this.send(topics.slice(at, at + BOUNDS.batch));
  }

  #next(): void {
    this.#timer = null;
    if (this.#topics.size === 0) return;
    this.flush();
    this.#timer = setTimeout(() => this.#next(), GATHER_MS);
  }
}
