import { AccessRecord, ACCESS_LIMITS, Invitation, Member, ROLES } from "./access-record.js";
import { Account, AccountRecord, ACCOUNT_LIMITS, Login, RecoveryCode, type PasswordHash } from "./account-record.js";
import type { GuardedRegister } from "./guarded-register.js";
import { compareText } from "./lattice.js";
import { array, boolean, identifier, natural, positive, require, text } from "./shape.js";

/** The canonical forms of access and account records as JSON values: arrays alone, everything in code-unit order. */

const ID_LENGTH = 36;
const LATEST_TIME = 2 ** 53 - 1;
/** Both sides of a partition can fill a record; what they join has to stay readable. */
const READABLE_FACTOR = 2;

export function encodeAccess(access: AccessRecord): unknown {
  return [
    sorted(access.members).map(([id, { name, standing }]) => [id, name, encodeGuarded(standing)]),
    sorted(access.invitations).map(([hash, { terms, isRevoked, usedBy, barred }]) => [
      hash,
      ROLES.indexOf(terms.role),
      terms.expires,
      terms.uses,
      isRevoked,
      [...usedBy].sort(compareText),
      [...barred].sort(compareText),
    ]),
    encodeGuarded(access.visibility),
  ];
}

/** @throws MalformedStateError for what is no canonical form */
export function decodeAccess(encoded: unknown): AccessRecord {
  const [members, invitations, visibility] = array(encoded, 3);
  const access = new AccessRecord();
  for (const row of bounded(members, READABLE_FACTOR * ACCESS_LIMITS.members)) {
    const [id, name, standing] = array(row, 3);
    const member = new Member();
    member.name = text(ACCESS_LIMITS.nameLength)(name);
    decodeGuarded(member.standing, standing);
    access.members.set(identifier(id, ID_LENGTH), member);
  }
  for (const row of bounded(invitations, ACCESS_LIMITS.invitations)) {
    const [hash, role, expires, uses, isRevoked, usedBy, barred] = array(row, 7);
    const invitation = new Invitation();
    const granted = ROLES[natural(role)];
    require(granted !== undefined, "unknown role");
    invitation.terms = {
      role: granted,
      expires: natural(expires, LATEST_TIME),
      uses: natural(uses, ACCESS_LIMITS.uses),
    };
    invitation.isRevoked = boolean(isRevoked);
    for (const id of bounded(usedBy, READABLE_FACTOR * ACCESS_LIMITS.uses))
      invitation.usedBy.add(identifier(id, ID_LENGTH));
    for (const id of bounded(barred, READABLE_FACTOR * ACCESS_LIMITS.members))
      invitation.barred.add(identifier(id, ID_LENGTH));
    access.invitations.set(secretHash(hash), invitation);
  }
  decodeGuarded(access.visibility, visibility);
  return canonical(access, encodeAccess, encoded);
}

export function encodeAccounts(record: AccountRecord): unknown {
  return sorted(record.accounts).map(([id, { name, password, logins, recoveryCodes }]) => [
    id,
    name,
    password.changes,
    encodePassword(password.get()),
    sorted(logins).map(([login, { label, device, at, passwordChanges, isRevoked }]) => [
      login,
      label,
      device,
      at,
      passwordChanges,
      isRevoked,
    ]),
    sorted(recoveryCodes).map(([hash, { usedBy }]) => [hash, usedBy]),
  ]);
}

/** @throws MalformedStateError for what is no canonical form */
export function decodeAccounts(encoded: unknown): AccountRecord {
  const record = new AccountRecord();
  for (const row of bounded(encoded, READABLE_FACTOR * ACCOUNT_LIMITS.accounts)) {
    const [id, name, changes, password, logins, codes] = array(row, 6);
    const account = new Account();
    account.name = text(ACCESS_LIMITS.nameLength)(name);
    if (password !== 0) account.password.admit(positive(changes), decodePassword(password));
    for (const login of bounded(logins, ACCOUNT_LIMITS.logins)) decodeLogin(account, login);
    for (const code of bounded(codes, ACCOUNT_LIMITS.recoveryCodes * READABLE_FACTOR)) {
      const [hash, usedBy] = array(code, 2);
      const recovery = new RecoveryCode();
      recovery.usedBy = usedBy === "" ? "" : identifier(usedBy, ID_LENGTH);
      account.recoveryCodes.set(secretHash(hash), recovery);
    }
    record.accounts.set(identifier(id, ID_LENGTH), account);
  }
  return canonical(record, encodeAccounts, encoded);
}

function decodeLogin(account: Account, row: unknown): void {
  const [id, label, device, at, passwordChanges, isRevoked] = array(row, 6);
  const login = new Login();
  login.label = text(ACCOUNT_LIMITS.labelLength)(label);
  login.device = identifier(device, ID_LENGTH);
  login.at = natural(at, LATEST_TIME);
  login.passwordChanges = natural(passwordChanges);
  login.isRevoked = boolean(isRevoked);
  account.logins.set(identifier(id, ID_LENGTH), login);
}

function encodePassword(hash: PasswordHash | null): unknown {
  return hash === null ? 0 : [hash.salt, hash.key, [...hash.cost]];
}

function decodePassword(encoded: unknown): PasswordHash {
  const [salt, key, cost] = array(encoded, 3);
  const [log2N, r, p] = array(cost, 3);
  return {
    salt: identifier(salt, 64),
    key: identifier(key, 128),
    // Dearer ones would let a peer that lies keep this server busy.
    cost: [natural(log2N, 20), natural(r, 16), natural(p, 4)],
  };
}

function encodeGuarded(register: GuardedRegister<string>): unknown {
  const value = register.get();
  return value === null ? 0 : [register.steps, register.values.indexOf(value)];
}

function decodeGuarded<T extends string>(register: GuardedRegister<T>, encoded: unknown): void {
  if (encoded === 0) return;
  const [steps, rank] = array(encoded, 2);
  const value = register.values[natural(rank)];
  require(value !== undefined, "unknown value of a register");
  register.admit(positive(steps), value);
}

function secretHash(value: unknown): string {
  require(typeof value === "string" && /^[0-9a-f]{64}$/.test(value), "malformed hash");
  return value;
}

function bounded(value: unknown, most: number): readonly unknown[] {
  const rows = array(value);
  require(rows.length <= most, `more than ${most} entries`);
  return rows;
}

/** What does not encode to what was given had something out of order, twice, or too much of it. */
function canonical<T>(value: T, encode: (value: T) => unknown, encoded: unknown): T {
  require(JSON.stringify(encode(value)) === JSON.stringify(encoded), "not in canonical form");
  return value;
}

function sorted<V>(map: ReadonlyMap<string, V>): readonly (readonly [string, V])[] {
  return [...map].sort(([a], [b]) => compareText(a, b));
}
