import type { Millis } from "../protocol/machine.js";

/**
 * What one server was given and has not answered: by bytes, and no more than it can do in a fraction of a second, so that what
 * waits waits here, where it can still be withdrawn. What the server works on counts even where nobody waits for it any more
 * (credit-based flow control: ZeroMQ Guide, chapter 7).
 */
export class SendWindow {
  readonly #open = new Map<number, { readonly bytes: number; readonly until: Millis }>();
  #used = 0;

  constructor(readonly limit: number) {}

  /** Whether there is room for so many bytes: for more than the whole, where there is nothing else. */
  fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.limit;
  }

  /** @param until when to take it for lost if there is no answer */
  open(tag: number, bytes: number, until: Millis): void {
    this.#open.set(tag, { bytes, until });
    this.#used += bytes;
  }

  close(tag: number): void {
    this.#used -= this.#open.get(tag)?.bytes ?? 0;
    this.#open.delete(tag);
  }

  /** Closes what was lost: else each answer that never comes would leave less room for ever. */
  expire(now: Millis): void {
    for (const [tag, { until }] of this.#open) if (now >= until) this.close(tag);
  }
}
