import { GuardedRegister } from "./guarded-register.js";
import { compareText, joinMaps, type Lattice } from "./lattice.js";

/** What a member may do, from all to nothing: an owner also says who else may, an editor changes, a viewer reads. */
export const ROLES = ["owner", "editor", "viewer"] as const;

export type Role = (typeof ROLES)[number];

/** An account's id, or that of a device without an account. */
export type PrincipalId = string;

const STANDINGS = [...ROLES, "none"] as const;
const VISIBILITIES = ["open", "private"] as const;

export const ACCESS_LIMITS = {
  /** Members over a list's life; one who left keeps a place, so that coming back is told from never having been there. */
  members: 512,
  /** Invitations that a list remembers: those that expire last. */
  invitations: 256,
  /** Accounts that one invitation can let in. */
  uses: 100,
  nameLength: 64,
} as const;

/** A person or device that a list knows, with the name it had when it came. */
export class Member implements Lattice<Member> {
  name = "";
  readonly standing = new GuardedRegister<(typeof STANDINGS)[number]>(STANDINGS);

  join(other: Member): void {
    if (compareText(other.name, this.name) > 0) this.name = other.name;
    this.standing.join(other.standing);
  }
}

/** What an invitation grants; fixed when it is made. Times are wall-clock milliseconds since 1970. */
export interface Terms {
  readonly role: Role;
  readonly expires: number;
  readonly uses: number;
}

/** An invitation that exists as the SHA-256 of its secret alone. */
export class Invitation implements Lattice<Invitation> {
  terms: Terms = { role: "viewer", expires: 0, uses: 0 };
  isRevoked = false;
  readonly usedBy = new Set<PrincipalId>();
  /** Whom the list has thrown out since: they may not come back through this one. */
  readonly barred = new Set<PrincipalId>();

  join(other: Invitation): void {
    if (compareTerms(other.terms, this.terms) > 0) this.terms = other.terms;
    this.isRevoked ||= other.isRevoked;
    for (const principal of other.usedBy) this.usedBy.add(principal);
    for (const principal of other.barred) this.barred.add(principal);
  }

  /** Whether the principal may come in by it now. */
  admits(principal: PrincipalId, now: number): boolean {
    const hasRoom = this.usedBy.size < this.terms.uses && !this.usedBy.has(principal);
    return hasRoom && !this.isRevoked && !this.barred.has(principal) && now < this.terms.expires;
  }
}

/** Terms never change under one secret; should a liar have made two of one, everybody keeps the same. */
function compareTerms(a: Terms, b: Terms): number {
  return a.expires - b.expires || a.uses - b.uses || ROLES.indexOf(b.role) - ROLES.indexOf(a.role);
}

/**
 * Who may do what with a list: a join-semilattice like the list itself, kept and replicated beside it. It has no position of
 * its own: being small it travels whole. Mutators change it; whether somebody may ask for that is `server/access.ts`'s to say.
 */
export class AccessRecord implements Lattice<AccessRecord> {
  readonly members = new Map<PrincipalId, Member>();
  readonly invitations = new Map<string, Invitation>();
  readonly visibility = new GuardedRegister<(typeof VISIBILITIES)[number]>(VISIBILITIES);

  get isEmpty(): boolean {
    return this.members.size === 0 && this.invitations.size === 0 && this.visibility.get() === null;
  }

  get isOpen(): boolean {
    return this.visibility.get() === "open";
  }

  /** How many members there are. */
  get size(): number {
    return [...this.members.keys()].filter((principal) => this.roleOf(principal) !== null).length;
  }

  /** How often roles or the visibility were changed: grows with each change, and never falls by a join. */
  get version(): number {
    return [...this.members.values()].reduce((sum, { standing }) => sum + standing.steps, this.visibility.steps);
  }

  /** Null for strangers and for those who have left or were thrown out. */
  roleOf(principal: PrincipalId): Role | null {
    const standing = this.members.get(principal)?.standing.get() ?? null;
    return standing === "none" ? null : standing;
  }

  /** Null puts them out. Whoever may do less than before cannot undo that with an invitation that was made before. */
  setRole(principal: PrincipalId, name: string, role: Role | null): void {
    const member = this.members.get(principal) ?? new Member();
    if (member.name === "") member.name = name;
    this.members.set(principal, member);
    const before = member.standing.get() ?? "none";
    member.standing.write(role ?? "none");
    const allows = (one: Role | "none"): number => -STANDINGS.indexOf(one);
    if (role !== null && allows(role) >= allows(before)) return;
    for (const invitation of this.invitations.values()) {
      if (allows(invitation.terms.role) <= allows(role ?? "none")) continue;
      invitation.barred.add(principal);
      // Whoever came by it knows it, and so may an owner, who could have made it: they could come back under another name.
      if (before === "owner" || invitation.usedBy.has(principal)) invitation.isRevoked = true;
    }
  }

  /**
   * Without effect where the invitation is known: its terms do not change. Answers whether it is remembered: one that expires
   * before so many others is not.
   */
  invite(hash: string, terms: Terms): boolean {
    if (this.invitations.has(hash)) return true;
    const invitation = new Invitation();
    invitation.terms = terms;
    this.invitations.set(hash, invitation);
    this.#trim();
    return this.invitations.has(hash);
  }

  join(other: AccessRecord): void {
    joinMaps(this.members, other.members, () => new Member());
    joinMaps(this.invitations, other.invitations, () => new Invitation());
    this.visibility.join(other.visibility);
    this.#trim();
  }

  /** Keeping those that expire last of a part keeps those of the whole, so that forgetting the others commutes with joining. */
  #trim(): void {
    if (this.invitations.size <= ACCESS_LIMITS.invitations) return;
    const ordered = [...this.invitations].sort(
      ([a, { terms: one }], [b, { terms: two }]) => two.expires - one.expires || compareText(a, b),
    );
    for (const [hash] of ordered.slice(ACCESS_LIMITS.invitations)) this.invitations.delete(hash);
  }
}
