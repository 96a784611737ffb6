import { ProtocolError } from "../protocol/errors.js";
import type { Millis } from "../protocol/machine.js";
import type { Turn } from "./turn.js";

/** Pieces of work that wait, beyond which further ones are refused. */
const MOST_WAITING = 256;

interface Piece {
  readonly until: Millis;
  readonly work: () => void;
}

/**
 * Work that takes long, a piece at a time and for half of the time at most: what is short, and tells the others that this server
 * lives, comes in between. What nobody waits for any more is left out.
 */
export class Pacer {
  readonly #waiting: Piece[] = [];
  #isResting = false;

  constructor(readonly turn: Turn) {}

  /**
   * At once, where nothing else is under way.
   * @param until when nobody waits for it any more
   * @throws ProtocolError `unavailable`
   */
  add(until: Millis, work: () => void): void {
    if (this.#waiting.length >= MOST_WAITING) throw new ProtocolError("unavailable", "the server has too much to do");
    this.#waiting.push({ until, work });
    if (!this.#isResting) this.#next();
  }

  #next(): void {
    const began = this.turn.now;
    let piece = this.#waiting.shift();
    while (piece !== undefined && piece.until < began) piece = this.#waiting.shift();
    this.#isResting = piece !== undefined;
    if (piece === undefined) return;
    // Within a step the clock stands still: how long this one took shows in the next.
    this.turn.after(1, () => this.turn.after(this.turn.now - began, () => this.#next()));
    piece.work();
  }
}
