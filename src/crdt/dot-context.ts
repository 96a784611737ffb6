import type { Dot, ReplicaId } from "./dot.js";
import type { Lattice } from "./lattice.js";
import { VersionVector } from "./version-vector.js";

/** The dots of one replica from one counter through another, both included. */
export interface DotRange {
  readonly replica: ReplicaId;
  readonly from: number;
  readonly to: number;
}

/**
 * The set of dots a replica knows: a version vector for each replica's gapless prefix, and a cloud of dots that arrived
 * ahead of it (Almeida, Shoker, Baquero, "Delta state replicated data types", 2018, section 7.2), kept as ranges. Compact
 * at all times: the ranges of a replica are in order, apart from each other and from the prefix by a gap of at least one.
 */
export class DotContext implements Lattice<DotContext> {
  readonly vector = new VersionVector();
  // Of most lists nothing is ahead.
  #cloud: Map<ReplicaId, readonly DotRange[]> | null = null;

  has({ replica, counter }: Dot): boolean {
    return this.covers(replica, counter);
  }

  /** Whether all of a replica's dots up to a counter, from another on, are known: without making anything, as it is asked of many. */
  covers(replica: ReplicaId, to: number, from = to): boolean {
    if (to <= this.vector.get(replica)) return true;
    if (this.#cloud === null) return false;
    // Gaps are between ranges, so what is covered is covered by a single one: the last that begins early enough.
    const ranges = this.#cloud.get(replica) ?? [];
    let [low, high] = [0, ranges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ranges[middle]?.from ?? 0) <= from) low = middle + 1;
      else high = middle;
    }
    return to <= (ranges[low - 1]?.to ?? 0);
  }

  add({ replica, counter }: Dot): void {
    this.addRange({ replica, from: counter, to: counter });
  }

  addRange(range: DotRange): void {
    const { replica, from, to } = range;
    // By far the most common: nothing is ahead.
    if (this.#cloud?.has(replica) === true) this.addRanges(replica, [range]);
    else if (from <= this.vector.get(replica) + 1) this.vector.raise(replica, to);
    else (this.#cloud ??= new Map<ReplicaId, readonly DotRange[]>()).set(replica, [range]);
  }

  /** Adds ranges of one replica, in any order, and compacts. */
  addRanges(replica: ReplicaId, ranges: readonly DotRange[]): void {
    const prefix: DotRange = { replica, from: 1, to: this.vector.get(replica) };
    const cloud = this.#cloud?.get(replica) ?? [];
    const [first, ...rest] = coalesced([prefix, ...cloud, ...ranges]);
    this.vector.raise(replica, first?.to ?? 0);
    if (rest.length > 0) (this.#cloud ??= new Map<ReplicaId, readonly DotRange[]>()).set(replica, rest);
    else this.#cloud?.delete(replica);
  }

  join(other: DotContext): void {
    for (const [replica, to] of other.vector.entries()) {
      if (this.#cloud?.has(replica) === true) this.addRange({ replica, from: 1, to });
      else this.vector.raise(replica, to);
    }
    if (other.#cloud === null) return;
    for (const [replica, ranges] of other.#cloud) {
      const [only, second] = ranges;
      // As of every delta.
      if (only !== undefined && second === undefined) this.addRange(only);
      else this.addRanges(replica, ranges);
    }
  }

  /** Whether every dot of `other` is here too. */
  includesAll(other: DotContext): boolean {
    for (const [replica, to] of other.vector.entries()) if (!this.covers(replica, to, 1)) return false;
    if (other.#cloud === null) return true;
    for (const ranges of other.#cloud.values())
      for (const { replica, from, to } of ranges) if (!this.covers(replica, to, from)) return false;
    return true;
  }

  /** The dots that are here and not in `other`. */
  without(other: DotContext): DotContext {
    const difference = new DotContext();
    const compare = (replica: ReplicaId): void =>
      difference.addRanges(replica, without(this.#rangesOf(replica), other.#rangesOf(replica)));
    for (const [replica, to] of this.vector.entries()) if (!other.covers(replica, to, 1)) compare(replica);
    for (const replica of this.#cloud?.keys() ?? []) compare(replica);
    return difference;
  }

  /** The highest counter known of `replica`; its next operation takes the one after. */
  newest(replica: ReplicaId): number {
    return this.#cloud?.get(replica)?.at(-1)?.to ?? this.vector.get(replica);
  }

  /** The ranges ahead of their prefixes: by replica in no particular order, in order within each. */
  *cloud(): Iterable<DotRange> {
    for (const ranges of this.#cloud?.values() ?? []) yield* ranges;
  }

  /** All dots, as ranges. */
  *ranges(): Iterable<DotRange> {
    for (const [replica, to] of this.vector.entries()) yield { replica, from: 1, to };
    yield* this.cloud();
  }

  isEmpty(): boolean {
    return this.vector.isEmpty() && (this.#cloud === null || this.#cloud.size === 0);
  }

  #rangesOf(replica: ReplicaId): readonly DotRange[] {
    const to = this.vector.get(replica);
    return [...(to > 0 ? [{ replica, from: 1, to }] : []), ...(this.#cloud?.get(replica) ?? [])];
  }
}

/** What of some ranges is not in others, all of one replica, in order and apart. */
function without(ranges: readonly DotRange[], others: readonly DotRange[]): readonly DotRange[] {
  const rest: DotRange[] = [];
  let at = 0;
  for (const range of ranges) {
    let { from } = range;
    // What ends before this range ends before all that follow, too.
    for (let known = others[at]; known !== undefined && known.from <= range.to; known = others[++at]) {
      if (known.from > from) rest.push({ ...range, from, to: known.from - 1 });
      from = Math.max(from, known.to + 1);
      if (known.to > range.to) break;
    }
    if (from <= range.to) rest.push({ ...range, from });
  }
  return rest;
}

/** The same dots as ranges in order and apart. The prefix, which begins at 1, comes first even where it is empty. */
function coalesced(ranges: readonly DotRange[]): DotRange[] {
  const result: DotRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.from - b.from || a.to - b.to)) {
    const last = result.at(-1);
    if (last === undefined || range.from > last.to + 1) result.push(range);
    else if (range.to > last.to) result[result.length - 1] = { ...last, to: range.to };
  }
  return result;
}
