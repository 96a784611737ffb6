import type { Frame } from "../protocol/frames.js";

/** From here on a message costs little more than its parts, and whoever receives them can begin while the others come in. */
const [ENOUGH_PARTS, ENOUGH_BYTES] = [16, 1_000_000];

interface Batch {
  readonly frames: Frame[];
  parts: number;
  bytes: number;
}

/**
 * Gathers what is for one receiver during a turn of the event loop, so that it goes out in one message: each message costs as
 * much as many small parts of one. What comes first in a turn does not wait unless the turn before had more to send, so that
 * where little is under way nothing waits.
 */
export class Batches<Receiver> {
  readonly #waiting = new Map<Receiver, Batch>();
  #isGathering = false;
  #partsOfTurn = 0;
  #isBusy = false;

  /** @param send given all frames of all parts, in order */
  constructor(readonly send: (receiver: Receiver, frames: readonly Frame[]) => void) {}

  /** @param part its frames, which nobody changes any more */
  add(receiver: Receiver, part: readonly Frame[]): void {
    const batch = this.#waiting.get(receiver) ?? { frames: [], parts: 0, bytes: 0 };
    this.#waiting.set(receiver, batch);
    batch.frames.push(...part);
    batch.parts++;
    for (const { byteLength } of part) batch.bytes += byteLength;
    this.#partsOfTurn++;
    if (!this.#isGathering) {
      this.#isGathering = true;
      setImmediate(() => this.#endTurn());
      if (!this.#isBusy) this.flush();
    } else if (batch.parts >= ENOUGH_PARTS || batch.bytes >= ENOUGH_BYTES) this.flush();
  }

  #endTurn(): void {
    this.#isGathering = false;
    this.#isBusy = this.#partsOfTurn > 1;
    this.#partsOfTurn = 0;
    this.flush();
  }

  flush(): void {
    const batches = [...this.#waiting];
    this.#waiting.clear();
    for (const [receiver, { frames }] of batches) this.send(receiver, frames);
  }
}
