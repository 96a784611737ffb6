import { ProtocolError } from "../protocol/errors.js";
import type { PasswordHash } from "../crdt/account-record.js";
import type { Millis } from "../protocol/machine.js";
import type { Claims } from "./caller.js";
import type { Turn, Work, WorkResult } from "./turn.js";

/**
 * Passwords at a time: each is for somebody who waits, and the next would wait longer than anybody does. Strangers get half of
 * the places, so that however many of them try, devices that have been logged in before find room.
 */
const [MOST_JOBS, MOST_OF_STRANGERS] = [64, 32] as const;

/** Whom a password is hashed for. */
export interface Waiting {
  /** Whether the account knows the device that asks. */
  readonly isKnown: boolean;
  /** When they have given up. */
  readonly until: Millis;
}

/** Work that is done outside of the step, and goes on where it was left when it is done. */
export class Jobs {
  readonly #open = new Map<number, (result: WorkResult | null) => void>();

  #deriving = 0;
  #ofStrangers = 0;

  constructor(readonly turn: Turn) {}

  get size(): number {
    return this.#open.size;
  }

  /** @throws ProtocolError `unavailable` where a password cannot be hashed now */
  requireRoom({ isKnown }: Waiting): void {
    const isFull = this.#deriving >= MOST_JOBS || (!isKnown && this.#ofStrangers >= MOST_OF_STRANGERS);
    if (isFull) throw new ProtocolError("unavailable", "too many people are logging in");
  }

  /** Hashes a password: with the salt of one that is known, else with a fresh one. @throws ProtocolError as `requireRoom` */
  derive(
    password: string,
    known: Omit<PasswordHash, "key"> | Pick<PasswordHash, "cost">,
    waiting: Waiting,
    then: (hash: PasswordHash | null) => void,
  ): void {
    this.requireRoom(waiting);
    const salt = "salt" in known ? known.salt : null;
    const { isKnown, until } = waiting;
    this.#deriving++;
    if (!isKnown) this.#ofStrangers++;
    this.#ask({ type: "derive", password, salt, cost: known.cost, isUrgent: isKnown, until }, (result) => {
      this.#deriving--;
      if (!isKnown) this.#ofStrangers--;
      then(result?.type === "derived" ? result.hash : null);
    });
  }

  sign(claims: Claims, then: (token: { readonly text: string; readonly expires: number } | null) => void): void {
    this.#ask({ type: "sign", claims }, (result) =>
      then(result?.type === "signed" ? { text: result.token, expires: result.expires } : null),
    );
  }

  onWorked(job: number, result: WorkResult | null): void {
    const then = this.#open.get(job);
    this.#open.delete(job);
    then?.(result);
  }

  #ask(work: Work, then: (result: WorkResult | null) => void): void {
    const job = this.turn.nextTag();
    this.#open.set(job, then);
    this.turn.emit({ type: "work", job, work });
  }
}
