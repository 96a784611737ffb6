import { createHash } from "node:crypto";
import * as v from "valibot";
import { compareText, type Lattice } from "../crdt/lattice.js";
import { isEndpoint, isServerId, type ServerId } from "./ids.js";

/** In the order in which a server goes through them; `removed` is the end. */
export const MEMBER_STATUSES = ["joining", "member", "leaving", "removed"] as const;

export type MemberStatus = (typeof MEMBER_STATUSES)[number];

export interface Member {
  readonly id: ServerId;
  readonly status: MemberStatus;
  /** Raised each time the server starts; the addresses are those of the highest. */
  readonly incarnation: number;
  /** Where peers subscribe to the server's changes. */
  readonly publish: string;
}

const MemberSchema = v.strictObject({
  id: v.pipe(v.string(), v.check(isServerId, "not a server id")),
  status: v.picklist(MEMBER_STATUSES),
  incarnation: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  publish: v.pipe(v.string(), v.maxLength(256), v.check(isEndpoint, "not an endpoint")),
});

/** Servers that a cluster can have over its life: those that have left count, since their ids are not used again. */
const MOST_MEMBERS = 1_024;

/** A membership table on the wire and on disk. */
export const MembersSchema = v.pipe(v.array(MemberSchema), v.maxLength(MOST_MEMBERS));

/**
 * Which servers belong to the cluster: a join-semilattice, so that tables may be exchanged in any order. Being down
 * changes nothing here; only an explicit decision moves a status forward.
 */
export class Membership implements Lattice<Membership> {
  readonly #members = new Map<ServerId, Member>();

  static of(members: Iterable<Member>): Membership {
    const membership = new Membership();
    for (const member of members) membership.admit(member);
    return membership;
  }

  /** Joins one server's record in; answers whether that changed anything. */
  admit(member: Member): boolean {
    const known = this.#members.get(member.id);
    if (known === undefined && this.#members.size >= MOST_MEMBERS) return false;
    const joined = known === undefined ? member : joinMembers(known, member);
    if (known !== undefined && sameMember(known, joined)) return false;
    this.#members.set(member.id, joined);
    return true;
  }

  join(other: Membership): void {
    for (const member of other.#members.values()) this.admit(member);
  }

  get(id: ServerId): Member | null {
    return this.#members.get(id) ?? null;
  }

  /** In order of ids. */
  members(): readonly Member[] {
    return [...this.#members.values()].sort((a, b) => compareText(a.id, b.id));
  }

  /** The servers of these statuses, dead or alive. */
  idsOf(...statuses: readonly MemberStatus[]): readonly ServerId[] {
    return this.members()
      .filter((member) => statuses.includes(member.status))
      .map((member) => member.id);
  }

  /** Short text that is equal for equal tables and, but for a chance of one in 2^64, for no others. */
  fingerprint(): string {
    const rows = this.members().map(({ id, status, incarnation, publish }) => [id, status, incarnation, publish]);
    return createHash("sha256").update(JSON.stringify(rows)).digest("hex").slice(0, 16);
  }
}

function joinMembers(a: Member, b: Member): Member {
  const newer = a.incarnation - b.incarnation || compareText(a.publish, b.publish);
  const status = MEMBER_STATUSES[Math.max(MEMBER_STATUSES.indexOf(a.status), MEMBER_STATUSES.indexOf(b.status))];
  return { ...(newer >= 0 ? a : b), status: status ?? "removed" };
}

function sameMember(a: Member, b: Member): boolean {
  return a.status === b.status && a.incarnation === b.incarnation && a.publish === b.publish;
}
