/** From here on a message costs little more than its parts, and whoever receives them can begin while the others come in. */
const ENOUGH = 16;

/**
 * Gathers what is for one receiver during a turn of the event loop, so that it goes out in one message: each message costs as
 * much as many small parts of one. What comes first in a turn does not wait, so that where little is under way nothing does.
 */
export class Batches<Receiver, Part> {
  readonly #waiting = new Map<Receiver, Part[]>();
  #isGathering = false;

  /** @param most parts of one message */
  constructor(
    readonly most: number,
    readonly send: (receiver: Receiver, parts: readonly Part[]) => void,
  ) {}

  add(receiver: Receiver, parts: readonly Part[]): void {
    const waiting = this.#waiting.get(receiver) ?? [];
    waiting.push(...parts);
    this.#waiting.set(receiver, waiting);
    if (!this.#isGathering) {
      this.#isGathering = true;
      this.flush();
      setImmediate(() => {
        this.#isGathering = false;
        this.flush();
      });
    } else if (waiting.length >= ENOUGH) this.flush();
  }

  flush(): void {
    for (const [receiver, parts] of this.#waiting)
      for (let at = 0; at < parts.length; at += this.most) this.send(receiver, parts.slice(at, at + this.most));
    this.#waiting.clear();
  }
}
