import type { Millis } from "../protocol/machine.js";

/** Wrong passwords that may follow each other at once, and how often one more is forgiven. */
const BURST = 10;
const FORGIVEN_EVERY_MS = 6_000;
/** To push one out, somebody has to guess for so long that waiting would have been quicker. */
const MOST_REMEMBERED = 10_000;

interface Bucket {
  failures: number;
  since: Millis;
}

/**
 * Counts wrong passwords. A device that has been logged in before is counted by itself, so that strangers who try to guess
 * use up the strangers' attempts and never the owner's (OWASP, "Slow down online guessing attacks with device cookies").
 */
export class Attempts {
  readonly #buckets = new Map<string, Bucket>();

  /** How long until another attempt, zero where it may be made now. */
  waitMs(key: string, now: Millis): Millis {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return 0;
    const failures = failuresOf(bucket, now);
    return failures <= BURST - 1 ? 0 : Math.ceil((failures - (BURST - 1)) * FORGIVEN_EVERY_MS);
  }

  failed(key: string, now: Millis): void {
    const bucket = this.#buckets.get(key);
    const failures = (bucket === undefined ? 0 : failuresOf(bucket, now)) + 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { failures, since: now });
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= MOST_REMEMBERED) break;
      this.#buckets.delete(oldest);
    }
  }

  succeeded(key: string): void {
    this.#buckets.delete(key);
  }
}

function failuresOf({ failures, since }: Bucket, now: Millis): number {
  return Math.max(0, failures - (now - since) / FORGIVEN_EVERY_MS);
}
