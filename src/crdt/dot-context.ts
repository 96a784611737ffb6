import type { Dot, ReplicaId } from "./dot.js";
import type { Lattice } from "./lattice.js";
import { VersionVector } from "./version-vector.js";

/**
 * The set of dots a replica knows: a version vector for each replica's gapless prefix, and a cloud of dots that arrived
 * ahead of it (Almeida, Shoker, Baquero, "Delta state replicated data types", 2018, section 7.2). Compacted at all times:
 * no dot of the cloud is covered by, or next to, the vector's entry.
 */
export class DotContext implements Lattice<DotContext> {
  readonly vector = new VersionVector();
  readonly #cloud = new Map<ReplicaId, Set<number>>();

  has(dot: Dot): boolean {
    return this.vector.includes(dot) || (this.#cloud.get(dot.replica)?.has(dot.counter) ?? false);
  }

  add(dot: Dot): void {
    if (this.has(dot)) return;
    const ahead = this.#cloud.get(dot.replica);
    if (ahead === undefined && dot.counter === this.vector.get(dot.replica) + 1) {
      this.vector.raise(dot.replica, dot.counter);
      return;
    }
    if (ahead === undefined) this.#cloud.set(dot.replica, new Set([dot.counter]));
    else ahead.add(dot.counter);
    this.#compact(dot.replica);
  }

  join(other: DotContext): void {
    for (const [replica, counter] of other.vector.entries()) {
      if (this.vector.raise(replica, counter)) this.#compact(replica);
    }
    for (const dot of other.cloud()) this.add(dot);
  }

  /** Whether every dot of `other` is here too. */
  includesAll(other: DotContext): boolean {
    for (const [replica, counter] of other.vector.entries()) {
      // Compaction leaves a gap right above the vector's entry, so a prefix is here whole or not at all.
      if (counter > this.vector.get(replica)) return false;
    }
    for (const dot of other.cloud()) if (!this.has(dot)) return false;
    return true;
  }

  /** The highest counter known of `replica`; its next operation takes the one after. */
  newest(replica: ReplicaId): number {
    let newest = this.vector.get(replica);
    for (const counter of this.#cloud.get(replica) ?? []) newest = Math.max(newest, counter);
    return newest;
  }

  *cloud(): Iterable<Dot> {
    for (const [replica, counters] of this.#cloud) {
      for (const counter of counters) yield { replica, counter };
    }
  }

  isEmpty(): boolean {
    return this.vector.entries().size === 0 && this.#cloud.size === 0;
  }

  #compact(replica: ReplicaId): void {
    const ahead = this.#cloud.get(replica);
    if (ahead === undefined) return;
    let prefix = this.vector.get(replica);
    while (ahead.has(prefix + 1)) prefix++;
    this.vector.raise(replica, prefix);
    for (const counter of ahead) if (counter <= prefix) ahead.delete(counter);
    if (ahead.size === 0) this.#cloud.delete(replica);
  }
}
