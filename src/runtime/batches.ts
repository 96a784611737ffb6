import type { Frame } from "../protocol/frames.js";

/** From here on a message costs little more than its parts, and whoever receives them can begin while the others come in. */
const [ENOUGH_PARTS, ENOUGH_BYTES] = [16, 1_000_000];

interface Batch {
  readonly frames: Frame[];
  parts: number;
  bytes: number;
}

/**
 * Gathers what is for one receiver while what came in together is dealt with, so that it goes out in one message: each message
 * costs as much as many small parts of one. Nothing waits for anything that is not there yet.
 */
export class Batches<Receiver> {
  readonly #waiting = new Map<Receiver, Batch>();
  #isGathering = false;

  /** @param send given all frames of all parts, in order */
  constructor(readonly send: (receiver: Receiver, frames: readonly Frame[]) => void) {}

  /** @param part its frames, which nobody changes any more */
  add(receiver: Receiver, part: readonly Frame[]): void {
    const batch = this.#waiting.get(receiver) ?? { frames: [], parts: 0, bytes: 0 };
    this.#waiting.set(receiver, batch);
    batch.frames.push(...part);
    batch.parts++;
    for (const { byteLength } of part) batch.bytes += byteLength;
    if (batch.parts >= ENOUGH_PARTS || batch.bytes >= ENOUGH_BYTES) this.flush();
    if (this.#isGathering) return;
    this.#isGathering = true;
    process.nextTick(() => {
      this.#isGathering = false;
      this.flush();
    });
  }

  flush(): void {
    const batches = [...this.#waiting];
    this.#waiting.clear();
    for (const [receiver, { frames }] of batches) this.send(receiver, frames);
  }
}
