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
