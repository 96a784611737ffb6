import { timingSafeEqual } from "node:crypto";
import { Account, AccountRecord, RecoveryCode, type PasswordHash } from "../crdt/account-record.js";
import { Document } from "../crdt/document.js";
import { decodeAccountRequest, type AccountRequest } from "../protocol/account-messages.js";
import { ProtocolError } from "../protocol/errors.js";
import { bodyFrame, type Request } from "../protocol/frames.js";
import type { ListId } from "../protocol/ids.js";
import { accountDocumentOf, accountOf, hashOfSecret } from "../protocol/identity.js";
import type { Millis } from "../protocol/machine.js";
import { needsLogin } from "./access.js";
import { decline, refusing, storageFailed, tooFew, type Answer } from "./answers.js";
import { Attempts } from "./attempts.js";
import type { Caller } from "./caller.js";
import type { Jobs, Waiting } from "./jobs.js";
import type { Copies, Quorums, WriteKind } from "./quorums.js";
import type { QuorumTimes } from "./quorum.js";
import type { Replica } from "./replica.js";
import type { Turn } from "./turn.js";

type Do<Name extends AccountRequest["do"]> = Extract<AccountRequest, { readonly do: Name }>;

/** An account as it is now, in a copy that may be changed. */
interface Found {
  readonly id: string;
  readonly account: Account;
}

/** One request about the accounts of a name. */
interface Case {
  readonly documentId: ListId;
  readonly caller: Caller;
  /** When the asker has given up. */
  readonly until: Millis;
  readonly answer: Answer;
}

/** Looks at the accounts as they are when something is about to be stored, for what has happened meanwhile. @throws ProtocolError */
type Guard = (accounts: ReadonlyMap<string, Account>) => void;

/** RFC 7914 as OWASP would have it: 128 MB and some tenths of a second for each guess. */
const COST: PasswordHash["cost"] = [17, 8, 1];

/** What a password is compared with where there is no account, so that it takes as long to find out. */
const NOBODY: PasswordHash = { salt: "AAAAAAAAAAAAAAAAAAAAAA", key: "A".repeat(43), cost: COST };

/**
 * Registers people, logs them in, and keeps their logins. The accounts of a name are a document like any other; the ids in it
 * are the askers' choice, so that a request that is carried out twice does once what it says.
 */
export class Accounts {
  readonly #attempts = new Attempts();

  constructor(
    readonly turn: Turn,
    readonly replica: Replica,
    readonly quorums: Quorums,
    readonly jobs: Jobs,
    readonly times: QuorumTimes,
  ) {}

  onRequest({ listId, body, timeoutMs }: Request, caller: Caller, answer: Answer): void {
    const request = decodeAccountRequest(body);
    const name = "name" in request ? request.name : caller.claims?.name;
    if (name === undefined) throw new ProtocolError("unauthenticated", caller.problem ?? needsLogin().message);
    const documentId = accountDocumentOf(name);
    if (listId !== documentId)
      throw new ProtocolError("malformed", "an account request is about the accounts of its name");
    const the: Case = { documentId, caller, until: this.turn.now + timeoutMs, answer };
    this.quorums.assemble(
      documentId,
      this.times.compareWithinMs,
      (document, copies) => this.#safely(the, () => this.#carryOut(the, request, document.accounts, copies)),
      (problem) => decline(answer, this.turn, storageFailed(problem)),
    );
  }

  #carryOut(the: Case, request: AccountRequest, record: AccountRecord, copies: Copies): void {
    const accounts = new AccountRecord();
    accounts.join(record);
    switch (request.do) {
      case "register":
        this.#register(the, request, accounts, copies);
        break;
      case "login":
        this.#login(the, request, accounts, copies);
        break;
      case "recover":
        this.#recover(the, request, accounts, copies);
        break;
      case "change-password":
        this.#changePassword(the, request, this.#own(the, accounts, copies), copies);
        break;
      case "revoke":
        requireCertain(copies);
        this.#revoke(the, request, this.#own(the, accounts, copies));
        break;
      case "renew":
        this.#enter(the, this.#own(the, accounts, copies), the.caller.claims?.login ?? "", "write");
        break;
      case "logins":
        this.#save(the, this.#own(the, accounts, copies), the.caller.claims?.login ?? "", "write");
        break;
    }
  }

  #register(the: Case, request: Do<"register">, { accounts }: AccountRecord, copies: Copies): void {
    const id = accountOf(request.name, request.nonce);
    const known = accounts.get(id);
    if (known !== undefined) {
      // Asked again, by whoever has the nonce and the password: the first answer is given again.
      const own = new Map([[id, known]]);
      this.#withPassword(the, [request.password], own, copies, (found) =>
        this.#admit(the, found, request.login, "write"),
      );
      return;
    }
    const guard: Guard = (now) => {
      if (now.size === 0 || now.has(id)) return;
      throw new ProtocolError("name-taken", "somebody has this name already");
    };
    guard(accounts);
    this.jobs.derive(request.password, { cost: COST }, this.#waiting(the, accounts), (derived) =>
      this.#safely(the, () => {
        if (derived === null) throw notHashed();
        const account = new Account();
        account.name = request.name;
        account.password.write(derived);
        for (const code of request.recoveryCodes) account.recoveryCodes.set(code, new RecoveryCode());
        this.#admit(the, { id, account }, request.login, "write", guard);
      }),
    );
  }

  #login(the: Case, request: Do<"login">, { accounts }: AccountRecord, copies: Copies): void {
    if (accounts.size === 0 && !copies.isCertain) throw tooFew();
    this.#withPassword(the, [request.password], accounts, copies, (found) =>
      this.#admit(the, found, request.login, "write"),
    );
  }

  /** Finds the account that one of the passwords opens; with several of one name, it is the one that fits. */
  #withPassword(
    the: Case,
    passwords: readonly string[],
    accounts: ReadonlyMap<string, Account>,
    copies: Copies,
    then: (found: Found, password: string) => void,
  ): void {
    const waiting = this.#waiting(the, accounts);
    const key = waiting.isKnown ? `${the.documentId} ${the.caller.device ?? ""}` : the.documentId;
    const waitMs = this.#attempts.waitMs(key, this.turn.now);
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000);
      throw new ProtocolError(
        "slow-down",
        `too many wrong passwords: try again in ${seconds} s, or use a recovery code`,
      );
    }
    this.jobs.requireRoom(waiting);
    // Counted before it is known to be one, so that many at a time are no way around the count.
    this.#attempts.failed(key, this.turn.now);
    const found = [...accounts].map(([id, account]) => ({ id, account }));
    const candidates = passwords.flatMap((password) => found.map((one) => ({ found: one, password })));
    const attempt = (index: number): void => {
      const candidate = candidates[index];
      const hash = candidate?.found.account.password.get() ?? NOBODY;
      this.jobs.derive(candidate?.password ?? "", hash, waiting, (derived) =>
        this.#safely(the, () => {
          if (derived === null) throw notHashed();
          if (candidate !== undefined && isSame(hash, derived)) {
            this.#attempts.succeeded(key);
            then(candidate.found, candidate.password);
          } else if (index + 1 < candidates.length) attempt(index + 1);
          else throw copies.isCertain ? wrong() : tooFew();
        }),
      );
    };
    attempt(0);
  }

  /** Whoever asks from a device that has been logged in is told from strangers, whose doings are not theirs. */
  #waiting({ caller, until }: Case, accounts: ReadonlyMap<string, Account>): Waiting {
    const { device } = caller;
    const isKnown = device !== null && [...accounts.values()].some((account) => account.knowsDevice(device));
    return { isKnown, until };
  }

  #recover(the: Case, request: Do<"recover">, { accounts }: AccountRecord, copies: Copies): void {
    requireCertain(copies);
    const code = hashOfSecret(request.code);
    const found = [...accounts].find(([, account]) => account.recoveryCodes.has(code));
    if (found === undefined) throw wrong();
    const [id, account] = found;
    const recovery = account.recoveryCodes.get(code);
    if (recovery === undefined) throw wrong();
    const guard: Guard = (now) => {
      const usedBy = now.get(id)?.recoveryCodes.get(code)?.usedBy ?? "";
      if (usedBy !== "" && usedBy !== request.login.id)
        throw new ProtocolError("refused", "this recovery code was used already");
    };
    guard(accounts);
    // Asked again, the first answer is given again: the password is what it was made to be.
    const isRepeat = recovery.usedBy === request.login.id;
    const known = isRepeat ? account.password.get() : null;
    // Whoever has a code is no stranger, and needs it when strangers take all other places.
    this.jobs.derive(request.password, known ?? { cost: COST }, { isKnown: true, until: the.until }, (derived) =>
      this.#safely(the, () => {
        if (derived === null) throw notHashed();
        if (isRepeat && !isSame(known, derived)) throw wrong();
        if (!isRepeat) account.password.write(derived);
        recovery.usedBy = request.login.id;
        this.#admit(the, { id, account }, request.login, "strict-write", guard);
      }),
    );
  }

  #changePassword(the: Case, request: Do<"change-password">, own: Found, copies: Copies): void {
    requireCertain(copies);
    const accounts = new Map([[own.id, own.account]]);
    const login = the.caller.claims?.login ?? "";
    const { password, next } = request;
    this.#withPassword(the, [password, next], accounts, copies, ({ account }, good) => {
      // Asked again: it is the new one already.
      if (good === next) {
        this.#save(the, own, login, "strict-write");
        return;
      }
      this.jobs.derive(next, { cost: COST }, this.#waiting(the, accounts), (derived) =>
        this.#safely(the, () => {
          if (derived === null) throw notHashed();
          account.password.write(derived);
          // Everybody else who is logged in has to know the new one.
          const current = account.logins.get(login);
          if (current !== undefined) current.passwordChanges = account.password.changes;
          this.#save(the, own, login, "strict-write");
        }),
      );
    });
  }

  #revoke(the: Case, { login }: Do<"revoke">, own: Found): void {
    const target = own.account.logins.get(login);
    if (target === undefined) throw new ProtocolError("refused", "the account has no such login");
    target.isRevoked = true;
    this.#save(the, own, the.caller.claims?.login ?? "", "strict-write");
  }

  /** The account that the caller is logged in to. */
  #own({ caller }: Case, { accounts }: AccountRecord, copies: Copies): Found {
    const { claims, problem } = caller;
    if (problem !== null || claims === null)
      throw new ProtocolError("unauthenticated", problem ?? needsLogin().message);
    const account = accounts.get(claims.account);
    if (account === undefined && !copies.isCertain) throw tooFew();
    if (account?.isGood(claims.login) !== true)
      throw new ProtocolError("unauthenticated", "this login was ended: log in again");
    return { id: claims.account, account };
  }

  /** Whoever showed a password is logged in. */
  #admit(the: Case, found: Found, { id, label }: Do<"login">["login"], kind: WriteKind, guard?: Guard): void {
    const { account } = found;
    const login = account.addLogin(id, { label, device: the.caller.device ?? "unknown", at: the.caller.at });
    login.passwordChanges = Math.max(login.passwordChanges, account.password.changes);
    if (login.isRevoked) throw new ProtocolError("refused", "this login was ended already: begin another one");
    this.#enter(the, found, id, kind, guard);
  }

  #enter(the: Case, found: Found, login: string, kind: WriteKind, guard?: Guard): void {
    const claims = { account: found.id, name: found.account.name, login };
    this.jobs.sign(claims, (token) =>
      this.#safely(the, () => {
        if (token === null) throw new ProtocolError("internal", "the token could not be signed");
        this.#save(the, found, login, kind, token, guard);
      }),
    );
  }

  /** Stores what became of the account, and tells it. Logging in should work where it can; ending a login, or a password, has to hold. */
  #save(
    { documentId, answer }: Case,
    { id, account }: Found,
    login: string,
    kind: WriteKind,
    token: { readonly text: string; readonly expires: number } | null = null,
    guard: Guard = () => undefined,
  ): void {
    const record = new AccountRecord();
    record.accounts.set(id, account);
    const failed = (problem: string): void => decline(answer, this.turn, storageFailed(problem));
    const then = (_document: Document, { stored, wanted }: Copies): void => {
      const logins = [...account.logins]
        .filter(([one]) => account.isGood(one))
        .map(([one, { label, at }]) => ({ id: one, label, at }));
      const value = { account: { id, name: account.name }, token, login, logins, stored, wanted };
      this.replica.whenDurable(documentId, () => answer({ kind: "reply", body: bodyFrame(value) }), failed);
    };
    const store = ({ accounts }: Document): void =>
      refusing(answer, this.turn, () => {
        guard(accounts.accounts);
        this.quorums.store(documentId, new Document(undefined, undefined, record), kind, then, failed);
      });
    this.replica.use(documentId, store, failed);
  }

  #safely({ answer }: Case, work: () => void): void {
    refusing(answer, this.turn, work);
  }
}

/** One refusal for a wrong name and for a wrong password: which names there are is learned by registering, one name at a time, and not by guessing. */
function wrong(): ProtocolError {
  return new ProtocolError("unauthenticated", "the name, the password or the code is wrong");
}

/** What is built on what others may know better would be lost. @throws ProtocolError */
function requireCertain({ isCertain }: Copies): void {
  if (!isCertain) throw tooFew();
}

function notHashed(): ProtocolError {
  return new ProtocolError("unavailable", "the password could not be hashed in time");
}

function isSame(known: PasswordHash | null, derived: PasswordHash | null): boolean {
  if (known === null || derived === null) return false;
  const [a, b] = [Buffer.from(known.key), Buffer.from(derived.key)];
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}
