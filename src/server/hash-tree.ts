import { createHash } from "node:crypto";
import { bucketOf, partitionOf, PARTITIONS } from "../protocol/hash-ring.js";
import type { ListId } from "../protocol/ids.js";
import { BUCKETS, type ListDigest, type PartitionBuckets, type PartitionSum } from "../protocol/peer-messages.js";

const SUM_BYTES = 6;
const SUM_MODULUS = 2 ** (8 * SUM_BYTES);

interface Leaf {
  readonly partition: number;
  readonly bucket: number;
  /** Null while it has to be computed anew. */
  digest: string | null;
  sum: number;
}

/**
 * A hash tree over the digests of lists (Merkle 1987; Dynamo section 4.7): partitions, buckets, lists. A node is the sum of
 * its leaves' hashes, so that one list's change costs one addition a level, and the order of lists is of no matter.
 */
export class HashTree {
  readonly #leaves = new Map<ListId, Leaf>();
  readonly #byPartition = new Map<number, Set<ListId>>();
  readonly #stale = new Set<ListId>();
  readonly #partitionSums = new Array<number>(PARTITIONS).fill(0);
  readonly #bucketSums = new Array<number>(PARTITIONS * BUCKETS).fill(0);

  /** The list is new or has changed: its digest has to be set anew before sums mean anything. */
  invalidate(listId: ListId): void {
    let leaf = this.#leaves.get(listId);
    if (leaf === undefined) {
      leaf = { partition: partitionOf(listId), bucket: bucketOf(listId, BUCKETS), digest: null, sum: 0 };
      this.#leaves.set(listId, leaf);
      const lists = this.#byPartition.get(leaf.partition);
      if (lists === undefined) this.#byPartition.set(leaf.partition, new Set([listId]));
      else lists.add(listId);
    }
    leaf.digest = null;
    this.#stale.add(listId);
  }

  /** The lists of these partitions whose digests have to be set. */
  stale(partitions: Iterable<number>): readonly ListId[] {
    if (this.#stale.size === 0) return [];
    const wanted = new Set(partitions);
    return [...this.#stale].filter((listId) => wanted.has(partitionOf(listId)));
  }

  set(listId: ListId, digest: string): void {
    const leaf = this.#leaves.get(listId);
    if (leaf === undefined) return;
    const sum = createHash("sha256").update(listId).update(digest).digest().readUIntBE(0, SUM_BYTES);
    this.#add(leaf, sum - leaf.sum);
    leaf.digest = digest;
    leaf.sum = sum;
    this.#stale.delete(listId);
  }

  remove(listId: ListId): void {
    const leaf = this.#leaves.get(listId);
    if (leaf === undefined) return;
    this.#add(leaf, -leaf.sum);
    this.#leaves.delete(listId);
    this.#byPartition.get(leaf.partition)?.delete(listId);
    this.#stale.delete(listId);
  }

  /** The sum over several partitions. */
  top(partitions: Iterable<number>): number {
    let top = 0;
    for (const partition of partitions) top = (top + (this.#partitionSums[partition] ?? 0)) % SUM_MODULUS;
    return top;
  }

  /** The sums of those of the partitions that hold anything. */
  sums(partitions: Iterable<number>): readonly PartitionSum[] {
    const sums: PartitionSum[] = [];
    for (const partition of partitions) {
      const sum = this.#partitionSums[partition] ?? 0;
      if (sum !== 0) sums.push([partition, sum]);
    }
    return sums;
  }

  buckets(partition: number): PartitionBuckets {
    return [partition, this.#bucketSums.slice(partition * BUCKETS, (partition + 1) * BUCKETS)];
  }

  /** The lists with their digests in those of a partition's buckets whose sums differ from these. */
  differing([partition, sums]: PartitionBuckets): readonly ListDigest[] {
    const [, own] = this.buckets(partition);
    return [...(this.#byPartition.get(partition) ?? [])].flatMap((listId) => {
      const leaf = this.#leaves.get(listId);
      const digest = leaf?.digest ?? null;
      if (leaf === undefined || digest === null || sums[leaf.bucket] === own[leaf.bucket]) return [];
      return [[listId, digest] as const];
    });
  }

  digest(listId: ListId): string | null {
    return this.#leaves.get(listId)?.digest ?? null;
  }

  #add({ partition, bucket }: Leaf, difference: number): void {
    const at = partition * BUCKETS + bucket;
    const added = (sum: number | undefined): number => ((sum ?? 0) + difference + SUM_MODULUS) % SUM_MODULUS;
    this.#partitionSums[partition] = added(this.#partitionSums[partition]);
    this.#bucketSums[at] = added(this.#bucketSums[at]);
  }
}
