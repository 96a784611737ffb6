import type { ServerId } from "../protocol/ids.js";
import type { Member } from "../protocol/membership.js";
import type { Peers } from "./peers.js";
import type { Replica } from "./replica.js";
import type { Roster } from "./roster.js";
import type { Turn } from "./turn.js";

/** How long a server that knows no member waits for all peers it was told of before most of them will do. */
const FOUNDING_MS = 2_000;

/** How often a server that is out of its cluster looks whether it may end. */
const FAREWELL_MS = 500;

/** A server's way through its cluster: it founds one or joins one, some day leaves, and ends. */
export class Tenure {
  /** Living peers with whom everything was gone through since partitions last moved. */
  readonly #level = new Set<ServerId>();
  /** Whether it was this run that left its cluster, as it was asked to. */
  #hasLeft = false;
  #isParting = false;

  /** @param seeds how many peers it was told of */
  constructor(
    readonly turn: Turn,
    readonly roster: Roster,
    readonly peers: Peers,
    readonly replica: Replica,
    readonly seeds: number,
  ) {}

  start(): void {
    if (this.roster.status !== "joining") return;
    this.turn.after(FOUNDING_MS, () => {
      this.#found(false);
      this.start();
    });
  }

  learn(members: readonly Member[]): void {
    this.roster.learn(members);
    this.#found(true);
  }

  /** Partitions have moved: what was gone through before says nothing about them. */
  onPlacement(): void {
    this.#level.clear();
  }

  /** A server that has joined takes its place once it has gone through everything with every living member. */
  onLevelWith(peer: ServerId): void {
    this.#level.add(peer);
    const isThere = ({ id, status }: Member): boolean =>
      id !== this.turn.id && (status === "member" || status === "leaving");
    if (this.roster.members().every((member) => !isThere(member) || this.#level.has(member.id)))
      this.roster.becomeWhole();
    if (this.roster.status !== "joining") return;
    const isMember = (id: ServerId): boolean => ["member", "leaving"].includes(this.roster.get(id)?.status ?? "");
    const members = this.peers.alive().filter(isMember);
    if (members.length === 0 || !members.every((member) => this.#level.has(member))) return;
    this.roster.advance(this.turn.id, "member");
  }

  /** Everything that belongs elsewhere is there. */
  onGivenAway(): void {
    // Where everybody is leaving there is nobody to leave anything to, and nobody may go.
    const hasHeirs = this.roster.members().some(({ status }) => status === "member");
    if (this.roster.status === "leaving" && hasHeirs) {
      this.#hasLeft = true;
      this.roster.advance(this.turn.id, "removed");
    }
    if (this.roster.status === "removed") this.#farewell();
  }

  /**
   * A server that knows no member of any cluster begins one.
   * @param mayWait whether those it was told of may still be heard of
   */
  #found(mayWait: boolean): void {
    const others = this.roster.members().filter(({ id }) => id !== this.turn.id);
    const isFirst = !others.some(({ status }) => status === "member" || status === "leaving");
    // After waiting, most of those it was told of will do, as they cannot all be on the other side of something.
    const expected = mayWait ? this.seeds : Math.ceil(this.seeds / 2);
    if (!isFirst || others.length < expected) return;
    if (this.roster.status === "joining") this.roster.advance(this.turn.id, "member");
  }

  /**
   * A server that is out of its cluster ends, once it has nothing left and all who live know that it is gone: as many as
   * make a change acknowledged, since this is one.
   */
  #farewell(): void {
    if (this.#isParting) return;
    this.#isParting = true;
    this.turn.after(FAREWELL_MS, () => {
      this.#isParting = false;
      const others = this.roster.members().filter(({ status }) => status === "member");
      const witnesses = Math.max(1, Math.min(this.roster.replication.writeQuorum, others.length));
      const isDone = this.replica.lists().size === 0 && this.peers.haveSameTable(witnesses);
      if (!isDone) this.#farewell();
      else this.turn.emit({ type: "stop", reason: this.#hasLeft ? null : takenOut(this.turn.id) });
    });
  }
}

function takenOut(id: ServerId): string {
  return `${id} was taken out of its cluster; start a server under another id`;
}
