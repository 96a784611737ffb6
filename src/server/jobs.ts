import { ProtocolError } from "../protocol/errors.js";
import type { PasswordHash } from "../crdt/account-record.js";
import type { Claims } from "./caller.js";
import type { Turn, Work, WorkResult } from "./turn.js";

/** Pieces of work at a time: each is for somebody who waits, and the next would wait longer than anybody does. */
const MOST_JOBS = 64;

/** Work that is done outside of the step, and goes on where it was left when it is done. */
export class Jobs {
  readonly #open = new Map<number, (result: WorkResult | null) => void>();

  constructor(readonly turn: Turn) {}

  get size(): number {
    return this.#open.size;
  }

  /** Hashes a password: with the salt of one that is known, else with a fresh one. @throws ProtocolError `unavailable` */
  derive(
    password: string,
    known: Omit<PasswordHash, "key"> | Pick<PasswordHash, "cost">,
    then: (hash: PasswordHash | null) => void,
  ): void {
    const salt = "salt" in known ? known.salt : null;
    this.#ask({ type: "derive", password, salt, cost: known.cost }, (result) =>
      then(result?.type === "derived" ? result.hash : null),
    );
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
    // Signing costs nothing, and is for people who are in already.
    if (work.type === "derive" && this.#open.size >= MOST_JOBS)
      throw new ProtocolError("unavailable", "too many people are logging in");
    const job = this.turn.nextTag();
    this.#open.set(job, then);
    this.turn.emit({ type: "work", job, work });
  }
}
