import { HashRing, PARTITIONS } from "./hash-ring.js";
import type { ServerId } from "./ids.js";
import type { Membership } from "./membership.js";

/**
 * Which servers hold which partition, now and once every joining and leaving under way is over. A pure function of the
 * membership table, never of who is up: a server that is down keeps its partitions until somebody takes it out.
 */
export class Placement {
  readonly #now: HashRing;
  readonly #next: HashRing;
  readonly #holders: (readonly ServerId[])[] = [];

  /** @param replicas how many servers hold each partition (N) */
  constructor(
    membership: Membership,
    readonly replicas: number,
  ) {
    this.#now = HashRing.of(membership.idsOf("member", "leaving"));
    this.#next = HashRing.of(membership.idsOf("member", "joining"));
  }

  /** Whether every partition has the same owners and heirs in both. */
  isSameAs(other: Placement): boolean {
    // Rings of the same servers are one object.
    return this.#now === other.#now && this.#next === other.#next && this.replicas === other.replicas;
  }

  /** Whom to ask for the partition, best first: its owners, then those who stand in for them. */
  order(partition: number): readonly ServerId[] {
    return this.#now.preferenceList(partition);
  }

  /** Who answers for the partition: the first N of its order. */
  owners(partition: number): readonly ServerId[] {
    return this.order(partition).slice(0, this.replicas);
  }

  /** Who will own it when nobody is joining or leaving any more. */
  heirs(partition: number): readonly ServerId[] {
    return this.#next.preferenceList(partition).slice(0, this.replicas);
  }

  /** Owners and heirs: everyone who has to receive what is written. */
  holders(partition: number): readonly ServerId[] {
    return (this.#holders[partition] ??= [...new Set([...this.owners(partition), ...this.heirs(partition)])]);
  }

  isHolder(server: ServerId, partition: number): boolean {
    return this.holders(partition).includes(server);
  }

  isOwner(server: ServerId, partition: number): boolean {
    return this.owners(partition).includes(server);
  }

  isHeir(server: ServerId, partition: number): boolean {
    return this.heirs(partition).includes(server);
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
