import { createHash } from "node:crypto";
import { HashRing, PARTITIONS } from "./hash-ring.js";
import type { ServerId } from "./ids.js";
import type { Membership } from "./membership.js";

function fingerprintOf(name: string): string {
  return createHash("sha256").update(name).digest("hex").slice(0, 16);
}

/** Placements remembered for reuse, as rings are. */
const MOST_REMEMBERED = 64;

const ALL_PARTITIONS = Array.from({ length: PARTITIONS }, (_, partition) => partition);

/**
 * Which servers hold which partition, now and once every joining and leaving under way is over. A pure function of the
 * membership table, never of who is up: a server that is down keeps its partitions until somebody takes it out.
 */
export class Placement {
  static readonly #remembered = new Map<string, Placement>();
  readonly #owners: readonly (readonly ServerId[])[];
  readonly #heirs: readonly (readonly ServerId[])[];
  readonly #holders: readonly (readonly ServerId[])[];
  readonly #holderNames: readonly string[];
  /** What `sharedBy` has computed. */
  readonly #shared = new Map<string, readonly number[]>();

  private constructor(
    readonly now: HashRing,
    next: HashRing,
    readonly replicas: number,
    /** Short text that is equal for equal placements, and practically for no others. */
    readonly fingerprint: string,
  ) {
    this.#owners = ALL_PARTITIONS.map((partition) => now.preferenceList(partition).slice(0, replicas));
    this.#heirs = ALL_PARTITIONS.map((partition) => next.preferenceList(partition).slice(0, replicas));
    this.#holders = ALL_PARTITIONS.map((partition) => [
      ...new Set([...this.owners(partition), ...this.heirs(partition)]),
    ]);
    this.#holderNames = this.#holders.map((holders) => [...holders].sort().join("+"));
  }

  /**
   * The same object for the same servers: a table that changes otherwise moves nothing.
   * @param replicas how many servers hold each partition (N)
   */
  static of(membership: Membership, replicas: number): Placement {
    const now = membership.idsOf("member", "leaving");
    const next = membership.idsOf("member", "joining");
    const name = `${replicas}:${now.join(" ")}:${next.join(" ")}`;
    let placement = Placement.#remembered.get(name);
    if (placement === undefined) {
      placement = new Placement(HashRing.of(now), HashRing.of(next), replicas, fingerprintOf(name));
      if (Placement.#remembered.size >= MOST_REMEMBERED) Placement.#remembered.clear();
      Placement.#remembered.set(name, placement);
    }
    return placement;
  }

  /** Whom to ask for the partition, best first: its owners, then those who stand in for them. */
  order(partition: number): readonly ServerId[] {
    return this.now.preferenceList(partition);
  }

  /** Who answers for the partition: the first N of its order. */
  owners(partition: number): readonly ServerId[] {
    return this.#owners[partition] ?? [];
  }

  /** Who will own it when nobody is joining or leaving any more. */
  heirs(partition: number): readonly ServerId[] {
    return this.#heirs[partition] ?? [];
  }

  /** Owners and heirs: everyone who has to receive what is written. */
  holders(partition: number): readonly ServerId[] {
    return this.#holders[partition] ?? [];
  }

  /** The same text for all partitions that the same servers hold. */
  holderNames(partition: number): string {
    return this.#holderNames[partition] ?? "";
  }

  /** The partitions of which one server is an heir, or any holder, and the other a holder. */
  sharedBy(scope: "heir" | "holder", server: ServerId, other: ServerId): readonly number[] {
    const name = `${scope} ${server} ${other}`;
    let shared = this.#shared.get(name);
    if (shared === undefined) {
      const isIn = (partition: number): boolean => this.isIn(scope, server, partition);
      shared = ALL_PARTITIONS.filter((partition) => isIn(partition) && this.isHolder(other, partition));
      this.#shared.set(name, shared);
    }
    return shared;
  }

  isIn(scope: "heir" | "holder", server: ServerId, partition: number): boolean {
    return scope === "heir" ? this.isHeir(server, partition) : this.isHolder(server, partition);
  }

  isHolder(server: ServerId, partition: number): boolean {
    return this.holders(partition).includes(server);
  }

  isHeir(server: ServerId, partition: number): boolean {
    return this.heirs(partition).includes(server);
  }

  /** Whether the server owns the partition, and nobody is about to who does not. */
  isSettledOwner(server: ServerId, partition: number): boolean {
    const owners = this.owners(partition);
    return owners.includes(server) && this.holders(partition).length === owners.length;
  }

  /** How many partitions each server owns. */
  shares(): ReadonlyMap<ServerId, number> {
    const shares = new Map<ServerId, number>();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      for (const id of this.owners(partition)) shares.set(id, (shares.get(id) ?? 0) + 1);
    }
    return shares;
  }
}
