import { compareText, joinMaps, type Lattice } from "./lattice.js";

/** One login of an account on a device; its tokens are good while it is here and not revoked. */
export type LoginId = string;

export const ACCOUNT_LIMITS = {
  /** Accounts of one name: more than one only after registrations that did not hear of each other. */
  accounts: 16,
  /** Logins that an account remembers: the newest. An older one has to log in again. */
  logins: 64,
  recoveryCodes: 10,
  labelLength: 64,
} as const;

/** A password as it is kept: scrypt's result with the salt and the cost it was made with, both keys in base64url. */
export interface PasswordHash {
  readonly salt: string;
  readonly key: string;
  /** log2 of scrypt's N, and its r and p. */
  readonly cost: readonly [log2N: number, r: number, p: number];
}

/** The password, with how often it was changed: the later one wins, and of two at once one does, the same everywhere. */
export class PasswordRegister implements Lattice<PasswordRegister> {
  #changes = 0;
  #hash: PasswordHash | null = null;

  /** Grows with every change: what was allowed under an earlier password is told by it. */
  get changes(): number {
    return this.#changes;
  }

  get(): PasswordHash | null {
    return this.#hash;
  }

  write(hash: PasswordHash): void {
    this.admit(this.#changes + 1, hash);
  }

  admit(changes: number, hash: PasswordHash): void {
    const isLater = changes > this.#changes;
    const isTie = changes === this.#changes && compareText(textOf(hash), textOf(this.#hash)) > 0;
    if (!isLater && !isTie) return;
    this.#changes = changes;
    this.#hash = hash;
  }

  join(other: PasswordRegister): void {
    if (other.#hash !== null) this.admit(other.#changes, other.#hash);
  }
}

function textOf(hash: PasswordHash | null): string {
  return hash === null ? "" : `${hash.key} ${hash.salt} ${hash.cost.join(" ")}`;
}

/** A login. `device` is the device's own id, by which it is known again; `at` is wall-clock milliseconds since 1970. */
export class Login implements Lattice<Login> {
  label = "";
  device = "";
  at = 0;
  /** How often the password had been changed when it was last given here: one that is behind is worth nothing any more. */
  passwordChanges = 0;
  isRevoked = false;

  join(other: Login): void {
    if (compareText(other.label, this.label) > 0) this.label = other.label;
    if (compareText(other.device, this.device) > 0) this.device = other.device;
    this.at = Math.max(this.at, other.at);
    this.passwordChanges = Math.max(this.passwordChanges, other.passwordChanges);
    this.isRevoked ||= other.isRevoked;
  }
}

/** A code that stands in for a forgotten password, known by its hash; it is used up by the first login made with it. */
export class RecoveryCode implements Lattice<RecoveryCode> {
  usedBy: LoginId = "";

  join(other: RecoveryCode): void {
    if (compareText(other.usedBy, this.usedBy) > 0) this.usedBy = other.usedBy;
  }
}

/** A person, as far as the cluster knows one. */
export class Account implements Lattice<Account> {
  name = "";
  readonly password = new PasswordRegister();
  readonly logins = new Map<LoginId, Login>();
  readonly recoveryCodes = new Map<string, RecoveryCode>();

  join(other: Account): void {
    if (compareText(other.name, this.name) > 0) this.name = other.name;
    this.password.join(other.password);
    joinMaps(this.logins, other.logins, () => new Login());
    joinMaps(this.recoveryCodes, other.recoveryCodes, () => new RecoveryCode());
    this.#trim();
  }

  addLogin(id: LoginId, { label, device, at }: Pick<Login, "label" | "device" | "at">): Login {
    const known = this.logins.get(id);
    if (known !== undefined) return known;
    // Should the clocks of others be ahead, the one that is made now is still not the one to be forgotten.
    const oldest = Math.min(...[...this.logins.values()].map((one) => one.at));
    const isFull = this.logins.size >= ACCOUNT_LIMITS.logins;
    const login = Object.assign(new Login(), { label, device, at: isFull ? Math.max(at, oldest + 1) : at });
    this.logins.set(id, login);
    this.#trim();
    return login;
  }

  /** Whether a token of this login is good; null for a login that is not known here. */
  isGood(id: LoginId): boolean | null {
    const login = this.logins.get(id);
    if (login === undefined) return null;
    return !login.isRevoked && login.passwordChanges >= this.password.changes;
  }

  /** Whether somebody has logged in from the device before. */
  knowsDevice(device: string): boolean {
    return [...this.logins.values()].some((login) => login.device === device);
  }

  #trim(): void {
    if (this.logins.size <= ACCOUNT_LIMITS.logins) return;
    const ordered = [...this.logins].sort(([a, one], [b, two]) => two.at - one.at || compareText(a, b));
    for (const [id] of ordered.slice(ACCOUNT_LIMITS.logins)) this.logins.delete(id);
  }
}

/**
 * The accounts of one name. There is one, unless two people took the name on two sides of a partition: then there are two
 * with different ids, and the password tells whose login is meant.
 */
export class AccountRecord implements Lattice<AccountRecord> {
  readonly accounts = new Map<string, Account>();

  get isEmpty(): boolean {
    return this.accounts.size === 0;
  }

  join(other: AccountRecord): void {
    joinMaps(this.accounts, other.accounts, () => new Account());
  }
}
