import type { ListId } from "../protocol/ids.js";

/** Lists whose answers are remembered as large: those that were asked about last. */
const MOST_LISTS = 1_000;

/** Anything smaller costs a server about the same. */
const LARGE_BYTES = 64 * 1024;

/**
 * What answers about lists may come to, which costs servers more than what is asked: some bytes of a request can ask for all
 * of a long list.
 */
export class AnswerSizes {
  readonly #large = new Map<ListId, number>();

  /** How many bytes the next answer is expected to have; 0 where it is nothing to speak of, or nobody knows. */
  expected(listId: ListId): number {
    return this.#large.get(listId) ?? 0;
  }

  /** Takes note of what a list came to, sent or answered: one that was long is taken to be so again, and for less each time that it was not. */
  learn(listId: ListId, bytes: number): void {
    const known = this.#large.get(listId);
    if (known === undefined && bytes < LARGE_BYTES) return;
    this.#large.delete(listId);
    const expected = Math.max(bytes, (known ?? 0) / 2);
    if (expected >= LARGE_BYTES) this.#large.set(listId, expected);
    for (const longestAgo of this.#large.keys()) {
      if (this.#large.size <= MOST_LISTS) break;
      this.#large.delete(longestAgo);
    }
  }
}
