import type { AccountRecord } from "../crdt/account-record.js";
import type { Document } from "../crdt/document.js";
import { ProtocolError } from "../protocol/errors.js";
import { partitionOf } from "../protocol/hash-ring.js";
import type { ListId, ServerId } from "../protocol/ids.js";
import { accountDocumentOf } from "../protocol/identity.js";
import type { Millis } from "../protocol/machine.js";
import type { Asker, Caller, Claims } from "./caller.js";
import type { Questions } from "./questions.js";
import type { Replica } from "./replica.js";
import type { Roster } from "./roster.js";
import type { Turn } from "./turn.js";

/** How long a server that does not keep an account takes it that a login is still good. */
const TRUST_MS: Millis = 2_000;
const MOST_TRUSTED = 10_000;

/** How long the owners of an account may take to say what they know. */
const PATIENCE_MS: Millis = 250;

/**
 * Finds out who asks: a token that is well signed is good while the account's own record has its login. A server that keeps
 * the account looks it up; another one asks those that do, and where none of them answers, the signature has to be enough:
 * being cut off must not lock people out of their lists.
 */
export class Authority {
  readonly #trustedUntil = new Map<string, Millis>();

  constructor(
    readonly turn: Turn,
    readonly replica: Replica,
    readonly roster: Roster,
    readonly questions: Questions,
    readonly isAlive: (server: ServerId) => boolean,
    readonly readQuorum: number,
  ) {}

  /** Calls one of the two, now or later. `then` is not called for a bad token: it is never taken for none. */
  identify(caller: Caller, then: (asker: Asker) => void, refuse: (error: ProtocolError) => void): void {
    const { device, claims, problem } = caller;
    if (problem !== null) refuse(new ProtocolError("unauthenticated", problem));
    else if (claims === null) then({ device, account: null });
    else {
      this.#check(claims, (isGood) => {
        if (isGood) then({ device, account: { id: claims.account, name: claims.name } });
        else refuse(new ProtocolError("unauthenticated", "this login was ended: log in again"));
      });
    }
  }

  #check(claims: Claims, then: (isGood: boolean) => void): void {
    const documentId = accountDocumentOf(claims.name);
    const owners = this.roster.placement.owners(partitionOf(documentId));
    if (owners.includes(this.turn.id) && this.replica.lists().has(documentId)) {
      const others = (): void => this.#askOthers(documentId, owners, claims, this.roster.isWhole ? 1 : 0, then);
      // A login that is not known here may have been made while this server was away.
      const use = ({ accounts }: Document): void => {
        const verdict = verdictOf(accounts, claims);
        if (verdict === null) others();
        else then(verdict);
      };
      this.replica.use(documentId, use, others);
      return;
    }
    const key = `${claims.account} ${claims.login}`;
    if (this.turn.now < (this.#trustedUntil.get(key) ?? 0)) {
      then(true);
      return;
    }
    this.#askOthers(documentId, owners, claims, 0, (verdict) => {
      if (this.#trustedUntil.size >= MOST_TRUSTED) this.#trustedUntil.clear();
      if (verdict) this.#trustedUntil.set(key, this.turn.now + TRUST_MS);
      then(verdict);
    });
  }

  /**
   * Asks the living owners, and takes the first word of one who knows the login.
   * @param unknowing how many owners are known not to know it
   */
  #askOthers(
    documentId: ListId,
    owners: readonly ServerId[],
    claims: Claims,
    unknowing: number,
    then: (isGood: boolean) => void,
  ): void {
    const asked = owners.filter((server) => server !== this.turn.id && this.isAlive(server));
    let [left, denials, isOver] = [asked.length, unknowing, false];
    const end = (verdict: boolean): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      then(verdict);
    };
    // One who is cut off from those who know goes by the signature; a login that enough of them do not know is none.
    const enough = this.roster.quorumOf(this.readQuorum, owners.length);
    const giveUp = (): void => end(denials < enough);
    const timer = this.turn.after(PATIENCE_MS, giveUp);
    if (left === 0) giveUp();
    for (const server of asked) {
      this.questions.ask(
        server,
        (tag) => ({ type: "fetch", tag, listId: documentId }),
        (answer) => {
          const verdict = answer?.type === "fetched" ? verdictOf(answer.document.accounts, claims) : null;
          if (answer?.type === "fetched" && answer.whole && verdict === null) denials++;
          if (verdict !== null) end(verdict);
          else if (--left === 0) giveUp();
        },
      );
    }
  }
}

function verdictOf({ accounts }: AccountRecord, { account, login }: Claims): boolean | null {
  return accounts.get(account)?.isGood(login) ?? null;
}
