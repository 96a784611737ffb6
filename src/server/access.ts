import { ACCESS_LIMITS, AccessRecord, ROLES, type PrincipalId, type Role } from "../crdt/access-record.js";
import { foldName } from "../crdt/item-key.js";
import type { AccessReply, AccessRequest } from "../protocol/access-messages.js";
import { ProtocolError } from "../protocol/errors.js";
import type { ListId } from "../protocol/ids.js";
import { hashOfSecret, listIdOf } from "../protocol/identity.js";
import type { Founding } from "../protocol/messages.js";
import type { Asker } from "./caller.js";

/** The longest that an invitation may be good for. */
const LONGEST_INVITATION_MS = 366 * 24 * 3_600_000;

/** One refusal for what does not exist and for what is somebody else's, so that nobody learns which it is. */
export function notLetIn(): ProtocolError {
  return new ProtocolError("not-allowed", "there is no list with this id, or none that you were let into");
}

export function needsLogin(): ProtocolError {
  return new ProtocolError("unauthenticated", "this takes an account: register, or log in");
}

/** Null for whoever is not let in. On an open list everybody is an editor at least. */
export function roleOf(access: AccessRecord, { account, device }: Asker): Role | null {
  const roles = [account?.id ?? null, device].flatMap((principal) =>
    principal === null ? [] : [access.roleOf(principal)],
  );
  if (access.isOpen) roles.push("editor");
  return ROLES.find((role) => roles.includes(role)) ?? null;
}

/** The first access record of a list, for whoever can show that they made it; null for anybody else. */
export function found(listId: ListId, founding: Founding | null, { account, device }: Asker): AccessRecord | null {
  const founder = founding?.by === "account" ? (account?.id ?? null) : device;
  if (founding === null || founder === null || listIdOf(founder, founding.nonce) !== listId) return null;
  const access = new AccessRecord();
  // Nobody but who the id names: a founder who was put out since gets nobody else in by founding once more.
  access.setRole(founder, founding.by === "account" ? (account?.name ?? "") : "", "owner");
  access.visibility.write(founding.open ? "open" : "private");
  return access;
}

/**
 * The record as the asker wants it, where the asker may want that; the record itself is left as it is.
 * @param now wall clock, for what expires
 * @throws ProtocolError
 */
export function changed(access: AccessRecord, request: AccessRequest, asker: Asker, now: number): AccessRecord {
  const next = new AccessRecord();
  next.join(access);
  const role = roleOf(access, asker);
  switch (request.do) {
    case "members":
      if (role === null) throw notLetIn();
      break;
    case "join":
      join(next, hashOfSecret(request.secret), asker, now);
      break;
    case "leave":
      leave(next, asker);
      break;
    case "adopt":
      adopt(next, asker);
      break;
    case "set-visibility":
      requireOwner(role);
      next.visibility.write(request.visibility);
      break;
    case "invite":
      requireOwner(role);
      if (asker.account === null) throw needsLogin();
      invite(next, request, now);
      break;
    case "revoke-invitation":
      requireOwner(role);
      revokeInvitation(next, request.hash);
      break;
    case "set-role":
      // Whoever may not do it does not learn by it who is a member either.
      requireOwner(role);
      setRole(next, request.member, request.role);
      break;
    case "transfer":
      // Asked again by who has done it: that they are the owner no more is what they wanted.
      if (role === "editor" && isOwner(next, request.member)) break;
      requireOwner(role);
      transfer(next, request.member, asker);
      break;
  }
  if (next.members.size > access.members.size) requireRoom(next);
  // What is so already may be asked again: the answer to the first time was lost.
  const isNews = next.version !== access.version;
  if (isNews && "version" in request && request.version !== access.version)
    throw new ProtocolError("stale-basis", "somebody has changed the list's members meanwhile");
  return next;
}

function requireOwner(role: Role | null): void {
  if (role === null) throw notLetIn();
  if (role !== "owner") throw new ProtocolError("not-allowed", "only an owner of the list may do that");
}

function requireRoom({ members }: AccessRecord): void {
  if (members.size <= ACCESS_LIMITS.members) return;
  throw new ProtocolError("too-large", `a list can have ${ACCESS_LIMITS.members} members over its life`);
}

function join(access: AccessRecord, hash: string, { account }: Asker, now: number): void {
  const invitation = access.invitations.get(hash);
  if (invitation === undefined) throw notLetIn();
  if (account === null) throw needsLogin();
  const role = access.roleOf(account.id);
  // Asked again, or in already by another way: an invitation takes nothing away.
  const isIn = role !== null && ROLES.indexOf(role) <= ROLES.indexOf(invitation.terms.role);
  if (isIn) return;
  if (!invitation.admits(account.id, now)) {
    throw new ProtocolError("refused", "this invitation has expired, was used up, or was taken back");
  }
  invitation.usedBy.add(account.id);
  access.setRole(account.id, account.name, invitation.terms.role);
}

function leave(access: AccessRecord, { account, device }: Asker): void {
  const own = [account?.id ?? "", device ?? ""].filter((principal) => access.members.has(principal));
  if (own.length === 0) throw notLetIn();
  requireOtherOwner(access, own, "you are its only owner: make somebody else one first, or delete the list");
  for (const principal of own) access.setRole(principal, "", null);
}

/** The account takes the device's place. */
function adopt(access: AccessRecord, { account, device }: Asker): void {
  if (account === null) throw needsLogin();
  const role = device === null ? null : access.roleOf(device);
  if (device === null || role === null) {
    if (access.roleOf(account.id) === null) throw notLetIn();
    return;
  }
  const own = access.roleOf(account.id);
  if (own === null || ROLES.indexOf(role) < ROLES.indexOf(own)) access.setRole(account.id, account.name, role);
  access.members.get(device)?.standing.write("none");
}

function invite(access: AccessRecord, terms: Extract<AccessRequest, { do: "invite" }>, now: number): void {
  if (terms.expires > now + LONGEST_INVITATION_MS)
    throw new ProtocolError("refused", "an invitation is good for a year at most");
  if (terms.role === "owner") throw new ProtocolError("refused", "nobody becomes an owner by an invitation");
  if (access.invite(terms.hash, { role: terms.role, expires: terms.expires, uses: terms.uses })) return;
  const message = `a list remembers ${ACCESS_LIMITS.invitations} invitations, and that many expire later: let this one be good for longer`;
  throw new ProtocolError("refused", message);
}

function revokeInvitation(access: AccessRecord, prefix: string): void {
  const matching = [...access.invitations].filter(([hash]) => hash.startsWith(prefix));
  const [only, ...others] = matching;
  if (only === undefined || others.length > 0)
    throw new ProtocolError("refused", "the list has no such invitation, or several");
  only[1].isRevoked = true;
}

function setRole(access: AccessRecord, reference: string, role: Role | null): void {
  const principal = memberCalled(access, reference);
  if (role !== "owner") requireOtherOwner(access, [principal], "a list needs an owner: make somebody else one first");
  access.setRole(principal, "", role);
}

function isOwner(access: AccessRecord, reference: string): boolean {
  const isMeant = (id: PrincipalId, name: string): boolean =>
    id === reference || (name !== "" && foldName(name) === foldName(reference));
  return [...access.members].some(([id, { name }]) => isMeant(id, name) && access.roleOf(id) === "owner");
}

/** Another member owns the list in the asker's place. */
function transfer(access: AccessRecord, reference: string, { account, device }: Asker): void {
  access.setRole(memberCalled(access, reference), "", "owner");
  for (const principal of [account?.id ?? "", device ?? ""])
    if (access.roleOf(principal) === "owner") access.setRole(principal, "", "editor");
}

/** The member of this id or, where it is clear who is meant, of this name. */
function memberCalled(access: AccessRecord, reference: string): PrincipalId {
  if (access.members.has(reference)) return reference;
  const named = [...access.members].filter(([, { name }]) => name !== "" && foldName(name) === foldName(reference));
  const present = named.filter(([principal]) => access.roleOf(principal) !== null);
  // Who has left can be named too, so that asking twice to put somebody out is no error.
  const candidates = present.length > 0 ? present : named;
  const [only, ...others] = candidates;
  if (only === undefined) throw new ProtocolError("refused", "nobody of that name is a member of the list");
  if (others.length > 0) {
    const ids = candidates.map(([principal]) => principal).join(", ");
    throw new ProtocolError("refused", `several members have that name: say which by id (${ids})`);
  }
  return only[0];
}

function requireOtherOwner(access: AccessRecord, leaving: readonly PrincipalId[], problem: string): void {
  const owners = [...access.members.keys()].filter((principal) => access.roleOf(principal) === "owner");
  const staying = owners.filter((principal) => !leaving.includes(principal));
  if (owners.length > 0 && staying.length === 0) throw new ProtocolError("refused", problem);
}

/** What the asker may know of the record. */
export function describe(
  access: AccessRecord,
  asker: Asker,
  now: number,
): Omit<AccessReply, "stored" | "wanted" | "replicas"> {
  const role = roleOf(access, asker);
  const isMember = role !== null && [asker.account?.id, asker.device].some((one) => access.roleOf(one ?? "") !== null);
  const members = [...access.members].flatMap(([id, { name }]) => {
    const theirs = access.roleOf(id);
    return theirs === null ? [] : [{ id, name, role: theirs }];
  });
  const invitations = [...access.invitations].flatMap(([hash, { terms, isRevoked, usedBy }]) =>
    isRevoked || terms.expires <= now || usedBy.size >= terms.uses ? [] : [{ hash, ...terms, used: usedBy.size }],
  );
  return {
    role,
    visibility: access.isOpen ? "open" : "private",
    version: access.version,
    // Whoever came by the id alone sees what is on the list, not who shares it.
    members: isMember ? members : [],
    invitations: role === "owner" ? invitations : [],
  };
}
