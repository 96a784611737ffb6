import type { Ready, Replication } from "../protocol/cluster-messages.js";
import { partitionOf } from "../protocol/hash-ring.js";
import type { ListId, ServerId } from "../protocol/ids.js";
import { Membership, type Member, type MemberStatus } from "../protocol/membership.js";
import { Placement } from "../protocol/placement.js";
import { SUPPORTED } from "../protocol/version.js";
import type { Turn } from "./turn.js";

/** How often a server may find that its peers remember a later run of it, and within which time that adds up. */
const MOST_OUTDATED = 3;
const OUTDATED_MS = 60_000;

/** The membership table as one server knows it, itself in it, and where that puts the partitions. */
export class Roster {
  readonly #membership: Membership;
  #placement: Placement;
  #fingerprint: string;
  #outdated = 0;
  #outdatedAt = 0;
  readonly #mostOutdated: number;
  #isNew: boolean;
  #hasLost = false;

  /**
   * @param remembered the table as it was on disk, if it was
   * @param seeds how many other servers there are to begin with, as far as the operator said
   * @param onChange called whenever the table has become another one, with whether that moves partitions
   */
  constructor(
    readonly turn: Turn,
    readonly publish: string,
    readonly replication: Replication & { readonly isShared: boolean },
    readonly seeds: number,
    remembered: readonly Member[],
    readonly onChange: (moved: boolean) => void,
  ) {
    this.#membership = Membership.of(remembered);
    // Of two servers under one id the one that remembers something is more likely to have something.
    this.#mostOutdated = remembered.length > 0 ? 2 * MOST_OUTDATED : MOST_OUTDATED;
    this.#isNew = this.get(turn.id) === null;
    this.#start();
    this.#placement = this.#place();
    this.#fingerprint = this.#membership.fingerprint();
  }

  get placement(): Placement {
    return this.#placement;
  }

  /** Equal for servers with the same table and the same numbers of copies: who has another one has something to say. */
  get fingerprint(): string {
    return `${this.#fingerprint}/${this.#copies}`;
  }

  /** Equal for servers that agree on who holds what, and on how many copies count. */
  get agreement(): string {
    if (this.replication.isShared) return "shared";
    return `${this.#placement.fingerprint}/${this.#copies}`;
  }

  get #copies(): string {
    const { replicas, writeQuorum, readQuorum } = this.replication;
    return `${replicas}/${writeQuorum}/${readQuorum}`;
  }

  get status(): MemberStatus {
    return this.#own().status;
  }

  /**
   * Whether this server has on disk all that it ever said it has. One that finds itself a member without remembering how it
   * became one has lost its disk, and its word that a change is unknown means nothing until it is level with all others.
   */
  get isWhole(): boolean {
    return !this.#hasLost;
  }

  /** Whether this server's copy of the list is one of those by which requests are judged, as long as nobody joins or leaves. */
  mayJudge(listId: ListId): boolean {
    return this.isWhole && this.#placement.isSettledOwner(this.turn.id, partitionOf(listId));
  }

  /** Everything was gone through with every other member. */
  becomeWhole(): void {
    if (this.isWhole) return;
    this.#hasLost = false;
    this.save();
  }

  /** What has been lost is remembered by leaving this server out, until it is whole again. */
  save(): void {
    const members = this.members().filter(({ id }) => this.isWhole || id !== this.turn.id);
    this.turn.emit({ type: "save-members", members });
  }

  members(): readonly Member[] {
    return this.#membership.members();
  }

  get(id: ServerId): Member | null {
    return this.#membership.get(id);
  }

  announcement(): Ready {
    const { members, replication } = this.table();
    return { id: this.turn.id, ...SUPPORTED, replication, members: [...members] };
  }

  /** What is told to peers. */
  table(): { readonly type: "members"; readonly members: readonly Member[]; readonly replication: Replication } {
    const { replicas, writeQuorum, readQuorum } = this.replication;
    return { type: "members", members: this.members(), replication: { replicas, writeQuorum, readQuorum } };
  }

  /** Servers that keep different numbers of copies would hand lists to and fro for ever: whoever comes later gives way. */
  compareReplication(from: ServerId, { replicas, writeQuorum, readQuorum }: Replication): void {
    const own = this.replication;
    if (own.replicas === replicas && own.writeQuorum === writeQuorum && own.readQuorum === readQuorum) return;
    const facts = { server: from, replicas, writeQuorum, readQuorum };
    this.turn.emit({ type: "log", event: "replication-differs", facts });
    if (this.status !== "joining" || this.get(from)?.status !== "member") return;
    const flags = `--replicas ${replicas} --write-quorum ${writeQuorum} --read-quorum ${readQuorum}`;
    const reason = `this cluster runs with ${flags}: start it with those, or give it up with \`aisle cluster remove ${this.turn.id}\``;
    this.turn.emit({ type: "stop", reason });
  }

  /**
   * A quorum in this cluster: fewer where it has fewer servers than that. A server that was told of others does not take
   * itself for the whole cluster because it has not heard from them yet.
   * @param owners how many servers own the list in question
   */
  quorumOf(quorum: number, owners: number): number {
    if (this.status === "removed") return quorum;
    const expected = 1 + this.seeds - this.#membership.idsOf("removed").length;
    return Math.min(quorum, Math.max(1, owners, Math.min(this.replication.replicas, expected)));
  }

  /** Joins a table from elsewhere. */
  learn(members: readonly Member[]): void {
    const { incarnation: own, status: before } = this.#own();
    const changed = members.map((member) => this.#membership.admit(member)).includes(true);
    const isKnownAlready = before === "joining" && (this.status === "member" || this.status === "leaving");
    if (this.#isNew && isKnownAlready) this.#hasLost = true;
    // A server whose disk was wiped starts counting anew; its peers remember, and this run has to come after those.
    const isOutdated = this.#own().incarnation > own || this.#own().publish !== this.publish;
    if (isOutdated && this.turn.now - this.#outdatedAt > OUTDATED_MS) this.#outdated = 0;
    if (isOutdated) this.#outdatedAt = this.turn.now;
    if (isOutdated && ++this.#outdated > this.#mostOutdated) {
      this.turn.emit({ type: "stop", reason: `another server runs under the id ${this.turn.id}` });
      return;
    }
    if (isOutdated) this.#start();
    if (changed || isOutdated) this.#changed();
  }

  /** Moves a server's status forward; without effect where it is there or further already. */
  advance(id: ServerId, status: MemberStatus): void {
    const member = this.get(id);
    if (id === this.turn.id) this.#isNew = false;
    if (member !== null && this.#membership.admit({ ...member, status })) this.#changed();
  }

  #changed(): void {
    const placement = this.#place();
    const moved = placement !== this.#placement;
    this.#placement = placement;
    this.#fingerprint = this.#membership.fingerprint();
    this.save();
    this.onChange(moved);
  }

  /** Over a store that all share, every list is this server's to serve, and the ring only spreads the load. */
  #place(): Placement {
    if (!this.replication.isShared) return Placement.of(this.#membership, this.replication.replicas);
    return Placement.of(Membership.of([{ ...this.#own(), status: "member" }]), 1);
  }

  #own(): Member {
    const { id } = this.turn;
    return this.get(id) ?? { id, status: "joining", incarnation: 0, publish: this.publish };
  }

  #start(): void {
    this.#membership.admit({ ...this.#own(), incarnation: this.#own().incarnation + 1, publish: this.publish });
  }
}
