/**
 * Which entries wait, which are on their way to the disk, and which may be acknowledged: all that arrives while one flush
 * is under way goes out together in the next (DeWitt et al., "Implementation techniques for main memory database
 * systems", 1984, section 5.2).
 */
export class GroupCommit<Entry> {
  #waiting: Entry[] = [];
  #inFlight: Entry[] | null = null;

  add(entry: Entry): void {
    this.#waiting.push(entry);
  }

  /** The next group to flush, or null while one is under way or nothing waits. */
  take(): readonly Entry[] | null {
    if (this.#inFlight !== null || this.#waiting.length === 0) return null;
    this.#inFlight = this.#waiting;
    this.#waiting = [];
    return this.#inFlight;
  }

  /** The flush came back: these may be acknowledged. */
  flushed(): readonly Entry[] {
    const flushed = this.#inFlight ?? [];
    this.#inFlight = null;
    return flushed;
  }

  /** The flush failed: whatever was in it or came after it has to be refused, since its order on disk is unknown. */
  failed(): readonly Entry[] {
    const failed = [...(this.#inFlight ?? []), ...this.#waiting];
    this.#inFlight = null;
    this.#waiting = [];
    return failed;
  }
}

/** Somebody who waits for what they wrote. */
export interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Flushes one group after the other, in order, and tells those who wait. */
export class Flusher<Entry extends Waiter> {
  readonly #groups = new GroupCommit<Entry>();
  #flushing: Promise<void> | null = null;

  /**
   * @param flush makes a group durable, and fails with what is to be told to all who wait
   * @param between done after each group, before the next
   */
  constructor(
    readonly flush: (group: readonly Entry[]) => Promise<void>,
    readonly between: () => Promise<void> = () => Promise.resolve(),
  ) {}

  add(entry: Entry): void {
    this.#groups.add(entry);
    this.#flushing ??= this.#flushAll();
  }

  /** Settles when nothing is under way. */
  async idle(): Promise<void> {
    await this.#flushing;
  }

  async #flushAll(): Promise<void> {
    for (;;) {
      // Whoever was just answered writes again at once: a group that waits for them is the whole circle, and not one of them.
      await new Promise((resolve) => setImmediate(resolve));
      const group = this.#groups.take();
      if (group === null) break;
      try {
        await this.flush(group);
        for (const { resolve } of this.#groups.flushed()) resolve();
      } catch (error) {
        for (const { reject } of this.#groups.failed()) reject(error);
      }
      await this.between();
    }
    // At once, not in a callback: what is added from here on needs a flush of its own.
    this.#flushing = null;
  }
}
