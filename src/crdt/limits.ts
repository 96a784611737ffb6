/** The version of the canonical form of lists; a decoder refuses any other. */
export const FORMAT = 1;

/**
 * Bounds on what a list may hold. A mutator makes nothing beyond them, and servers take nothing; a decoder reads what two parts of a cluster
 * can make that do not hear from each other (`READABLE`).
 * All sums of counters stay exact: twice `replicas` × `counterTotal` is below 2^53.
 */
export const LIMITS = {
  replicas: 4_096,
  items: 100_000,
  /**
   * About what the items take to write. So a list fits into one message (`protocol/bounds.ts`), and what two parts of a cluster
   * make of it that do not hear from each other, or somebody who writes nothing but the largest numbers, into one between servers.
   */
  bytes: 22 * 2 ** 20,
  /** Items that come back by themselves, each of which is a replica when it does. */
  staples: 1_000,
  /** Ranges of dots ahead of the gapless prefix, over all replicas. */
  cloud: 4_096,
  /** One replica's total in one counter, in thousandths: a thousand million pieces, or a thousand tonnes. */
  counterTotal: 1_000_000_000_000,
  /** Counters of dots and Lamport times: far beyond what typing reaches, far below where numbers lose their units. */
  counter: 2 ** 48,
  /** How far one delta may be ahead of what is known, so that nobody uses the counters up for everyone at a stroke. */
  counterJump: 2 ** 32,
  replicaIdLength: 36,
  operationIdLength: 36,
  authorLength: 64,
  /** Lengths of text are in UTF-16 code units. */
  keyLength: 1_600,
  textLength: 1_000,
} as const;

/**
 * What a decoder still reads: two parts of a cluster that do not hear from each other can each accept up to the limits, and
 * what they join afterwards has to stay readable.
 */
export const READABLE = {
  replicas: 2 * LIMITS.replicas,
  items: 2 * LIMITS.items,
  cloud: 2 * LIMITS.cloud,
} as const;

/** A change would make a list that no decoder accepts. Nothing was changed. */
export class LimitExceededError extends Error {
  override readonly name = "LimitExceededError";
}
