import pg from "pg";
import { monotonicMs } from "../../runtime/clock.js";
import { StoreError } from "./store.js";

/** How long one host may take to let somebody in, and to answer. */
const CONNECT_MS = 2_000;
const ANSWER_MS = 10_000;
const CONNECTIONS = 8;

/** After none of the hosts was any good, how long nobody is asked again: requests that come meanwhile fail at once. */
const PAUSE_MS = 250;

/** What a database says that may do for another host: shutting down, starting up, a standby, too many connections. */
const ELSEWHERE = /^(08|53300|57P0|25006)/;

/**
 * Queries to whichever host of a connection URL is the primary now. It is looked for when it is needed first, and whenever it
 * has gone.
 */
export class Primary {
  readonly #urls: readonly string[];
  #pool: Promise<pg.Pool> | null = null;
  #askAgainAt = 0;
  #isAway = false;
  #at = 0;

  /**
   * @param url as PostgreSQL's own programs take it: `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE`
   * @param onTrouble told, in a word, when the primary is gone and when there is one again
   * @param answerMs how long an answer may take
   */
  constructor(
    url: string,
    readonly onTrouble: (problem: string | null) => void,
    readonly answerMs = ANSWER_MS,
  ) {
    this.#urls = urlsOf(url);
  }

  /**
   * Carries out one statement, which is all or nothing. After an error it may have been carried out all the same.
   * @throws StoreError
   */
  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    const pool = await this.#primary();
    try {
      return (await pool.query<Row>(text, [...values])).rows;
    } catch (error) {
      if (isAway(error)) this.#lose(pool, reasonOf(error));
      throw new StoreError(reasonOf(error));
    }
  }

  /** A connection of one's own, to be released. @throws StoreError */
  async connect(): Promise<pg.PoolClient> {
    return await (await this.#primary()).connect();
  }

  async close(): Promise<void> {
    const pool = await this.#pool?.catch(() => null);
    this.#pool = null;
    await pool?.end();
  }

  #primary(): Promise<pg.Pool> {
    if (this.#pool === null) {
      if (monotonicMs() < this.#askAgainAt) return Promise.reject(new StoreError("the database is away"));
      const found = this.#find();
      this.#pool = found;
      found.catch(() => {
        this.#askAgainAt = monotonicMs() + PAUSE_MS;
        if (this.#pool === found) this.#pool = null;
      });
    }
    return this.#pool;
  }

  /** The first that is no standby, beginning with the one that was the primary last. */
  async #find(): Promise<pg.Pool> {
    const problems: string[] = [];
    for (let step = 0; step < this.#urls.length; step++) {
      const at = (this.#at + step) % this.#urls.length;
      const pool = new pg.Pool({
        connectionString: this.#urls[at] ?? "",
        max: CONNECTIONS,
        connectionTimeoutMillis: CONNECT_MS,
        // On this side alone: told to give up by a timeout of its own, a primary that waits for a standby would acknowledge what
        // no standby has.
        query_timeout: this.answerMs,
        application_name: "aisle",
      });
      // A connection that breaks while nobody uses it: who uses the next one finds out.
      pool.on("error", () => undefined);
      try {
        const { rows } = await pool.query<{ readonly standby: boolean }>("SELECT pg_is_in_recovery() AS standby");
        if (rows[0]?.standby === false) {
          this.#onFound();
          this.#at = at;
          return pool;
        }
        problems.push("a standby");
      } catch (error) {
        problems.push(reasonOf(error));
      }
      await pool.end();
    }
    const problem = `no primary: ${[...new Set(problems)].join("; ")}`;
    this.#onLost(problem);
    throw new StoreError(problem);
  }

  #onLost(problem: string): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.onTrouble(problem);
  }

  #onFound(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.onTrouble(null);
  }

  #lose(pool: pg.Pool, problem: string): void {
    void this.#pool?.then(
      (current) => {
        if (current !== pool) return;
        this.#pool = null;
        this.#onLost(problem);
        void pool.end();
      },
      () => undefined,
    );
  }
}

/** @throws RangeError for what is no URL of a database */
export function urlsOf(url: string): readonly string[] {
  const [, scheme, user = "", hosts, rest = ""] =
    /^(postgres(?:ql)?:\/\/)([^@/]*@)?([^/?\s]*)(\S*)$/.exec(url.trim()) ?? [];
  if (scheme === undefined || hosts === undefined)
    throw new RangeError("a database is named as postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE");
  return hosts.split(",").map((host) => `${scheme}${user}${host}${rest}`);
}

function isAway(error: unknown): boolean {
  // What is no answer of a database is about the way to it.
  return !(error instanceof pg.DatabaseError) || ELSEWHERE.test(error.code ?? "");
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
