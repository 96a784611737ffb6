import type { Millis } from "../protocol/machine.js";

export interface RetryTimes {
  /** How long an attempt of the first round waits for its answer; in each later round twice as long, as what is large may take. */
  readonly attemptTimeoutMs: number;
  /** The wait before the second attempt: doubled each time up to the longest, each time shortened at random by up to half. */
  readonly firstBackoffMs: number;
  readonly longestBackoffMs: number;
}

export const DEFAULT_RETRY: RetryTimes = { attemptTimeoutMs: 1_200, firstBackoffMs: 50, longestBackoffMs: 1_000 };

export interface Attempt {
  readonly broker: string;
  readonly waitMs: number;
  readonly timeoutMs: number;
}

/**
 * When and where to try a request next (ZeroMQ Guide, "Lazy Pirate pattern"): the brokers in turn, beginning with the one
 * that answered last, each attempt within what is left of the time.
 */
export class RetryPolicy {
  #attempts = 0;

  constructor(
    readonly brokers: readonly string[],
    readonly first: number,
    readonly deadline: Millis,
    readonly times: RetryTimes = DEFAULT_RETRY,
  ) {}

  /** @param fraction random, in [0, 1) @returns null when the time is up */
  next(now: Millis, fraction: number): Attempt | null {
    const attempt = this.#attempts++;
    const doubled = Math.min(this.times.firstBackoffMs * 2 ** Math.max(0, attempt - 1), this.times.longestBackoffMs);
    // The first round goes straight from broker to broker: a dead one should cost one time-out and nothing more.
    const waitMs = attempt < this.brokers.length ? 0 : doubled * (1 - fraction / 2);
    const left = this.deadline - now - waitMs;
    const broker = this.brokers[(this.first + attempt) % this.brokers.length];
    if (broker === undefined || left <= 0) return null;
    // A short time is shared out, so that the last broker of the first round still gets its turn.
    const share = left / Math.max(1, this.brokers.length - attempt);
    const patience = this.times.attemptTimeoutMs * 2 ** Math.floor(attempt / this.brokers.length);
    return { broker, waitMs, timeoutMs: Math.min(share, patience) };
  }
}
