import { randomBytes, scrypt } from "node:crypto";
import type { PasswordHash } from "../crdt/account-record.js";
import { monotonicMs } from "../runtime/clock.js";
import type { Work } from "./turn.js";

/** Each takes a core for some tenths of a second, and 128 MB: more at a time would take the server from its lists. */
const AT_A_TIME = 2;
const MEMORY_FACTOR = 1.5;
const [SALT_BYTES, KEY_BYTES] = [16, 32] as const;

/** Derives keys from passwords (scrypt, RFC 7914), some at a time; the others wait, the urgent ones before the rest. */
export class Passwords {
  #running = 0;
  readonly #urgent: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];

  /** Null where its turn came after nobody waited for it any more. */
  async derive({
    password,
    salt,
    cost,
    isUrgent,
    until,
  }: Extract<Work, { type: "derive" }>): Promise<PasswordHash | null> {
    const bytes = salt === null ? randomBytes(SALT_BYTES) : Buffer.from(salt, "base64url");
    const queue = isUrgent ? this.#urgent : this.#waiting;
    if (this.#running >= AT_A_TIME) await new Promise<void>((resolve) => queue.push(resolve));
    else this.#running++;
    try {
      if (monotonicMs() > until) return null;
      const key = await derived(password.normalize("NFKC"), bytes, cost);
      return { salt: bytes.toString("base64url"), key: key.toString("base64url"), cost };
    } finally {
      // Whoever waits takes this one's place.
      const next = this.#urgent.shift() ?? this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

function derived(password: string, salt: Buffer, [log2N, r, p]: PasswordHash["cost"]): Promise<Buffer> {
  const N = 2 ** log2N;
  const options = { N, r, p, maxmem: MEMORY_FACTOR * 128 * N * r };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
