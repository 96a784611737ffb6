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
  readonly #underWay = new Map<ListId, number>();

  /** @param unknownBytes what the second and further ones are taken for that ask about one list at a time */
  constructor(readonly unknownBytes: number) {}

  /** How many bytes the next answer is expected to have. */
  expected(listId: ListId): number {
    return this.#large.get(listId) ?? (this.#underWay.has(listId) ? this.unknownBytes : 0);
  }

  begin(listId: ListId): void {
    this.#underWay.set(listId, (this.#underWay.get(listId) ?? 0) + 1);
  }

  end(listId: ListId): void {
    const left = (this.#underWay.get(listId) ?? 0) - 1;
    if (left > 0) this.#underWay.set(listId, left);
    else this.#underWay.delete(listId);
  }

  /** Takes note of what a list came to, asked or answered: one that was long is taken to be so again, and for less each time that it was not. */
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
