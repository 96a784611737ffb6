import { createHash } from "node:crypto";
import Postgrator from "postgrator";
import { Document } from "../../crdt/document.js";
import { partitionOf } from "../../protocol/hash-ring.js";
import type { ListId } from "../../protocol/ids.js";
import { Flusher, type Waiter } from "./group-commit.js";
import { Primary } from "./primary.js";
import { StoreError, type ListDelta, type Store } from "./store.js";

export interface PostgresOptions {
  /** Where the files are that make the tables. */
  readonly migrations: string;
  /** Told when the database is away, with what it said, and null when it is back. */
  readonly onTrouble: (problem: string | null) => void;
  /** Making one row of several failed; they are all still there, and it is tried again. */
  readonly onCompactionFailed: (error: unknown) => void;
  /** How long the database may take to answer, in milliseconds; ten seconds by default. */
  readonly answerMs?: number;
}

interface Append extends Waiter {
  readonly rows: readonly Row[];
}

interface Row {
  readonly list: ListId;
  readonly digest: string;
  readonly body: string;
}

/** So many rows of one list become one when they are read. */
const MOST_ROWS = 16;

/** Any number: who makes the tables holds a lock of this name. */
const MIGRATION_LOCK = 4_171_955;

/**
 * Lists in a PostgreSQL database that any number of servers share. A row is one delta, named by its digest, and a list is the join
 * of its rows: to append is to insert, which reads nothing, and to append twice makes no difference. When a list
 * has many rows, one that is their join takes their place, in one statement; two servers that do so at once do no harm.
 *
 * How safe a row is, the database decides: it acknowledges a commit when so many standbys have it as it was told
 * (`synchronous_standby_names`).
 */
export class PostgresStore implements Store {
  readonly journalBytes = 0;
  readonly #appends = new Flusher<Append>(async (group) => await this.#flush(group));
  /** Those that this server has had to do with: all the others are in the database, too. */
  readonly #known = new Set<ListId>();
  readonly #compacting = new Map<ListId, Promise<void>>();

  private constructor(
    readonly primary: Primary,
    readonly options: PostgresOptions,
  ) {}

  /**
   * @param url see `Primary`
   * @throws StoreError where the database is away, RangeError where the URL is none
   */
  static async open(url: string, options: PostgresOptions): Promise<PostgresStore> {
    const store = new PostgresStore(new Primary(url, options.onTrouble, options.answerMs), options);
    try {
      await store.#migrate();
      return store;
    } catch (error) {
      await store.primary.close();
      throw error instanceof StoreError
        ? error
        : new StoreError(error instanceof Error ? error.message : String(error));
    }
  }

  append(batch: readonly ListDelta[]): Promise<void> {
    const rows = batch.map(({ listId, delta }) => rowOf(listId, delta));
    return new Promise((resolve, reject) => {
      this.#appends.add({ rows, resolve, reject });
    });
  }

  async read(listId: ListId): Promise<Document | null> {
    const rows = await this.primary.query<Omit<Row, "list">>("SELECT digest, body FROM aisle_delta WHERE list = $1", [
      listId,
    ]);
    if (rows.length === 0) return null;
    this.#known.add(listId);
    const document = new Document();
    for (const { body } of rows) document.join(Document.read(body));
    if (rows.length > MOST_ROWS && !this.#compacting.has(listId)) this.#compact(rowOf(listId, document), rows);
    return document;
  }

  /** Others may have it, too: only this server lets go of it. */
  drop(listId: ListId): Promise<void> {
    this.#known.delete(listId);
    return Promise.resolve();
  }

  lists(): Iterable<ListId> {
    return this.#known;
  }

  digest(): null {
    return null;
  }

  async *scan(partition: number): AsyncIterable<ListId> {
    const rows = await this.primary.query<{ readonly list: ListId }>(
      "SELECT DISTINCT list FROM aisle_delta WHERE partition = $1",
      [partition],
    );
    for (const { list } of rows) yield list;
  }

  count(): number {
    return this.#known.size;
  }

  async close(): Promise<void> {
    await this.#appends.idle();
    await Promise.all(this.#compacting.values());
    await this.primary.close();
  }

  async #flush(group: readonly Append[]): Promise<void> {
    await this.#insert(group.flatMap(({ rows }) => rows));
    for (const { rows } of group) for (const { list } of rows) this.#known.add(list);
  }

  async #insert(rows: readonly Row[]): Promise<void> {
    const each = new Map(rows.map((row) => [row.list + row.digest, row]));
    // All servers in one order, or two of them might wait for each other.
    const sorted = [...each].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    // A row that is there may be on this disk alone, where the wait for a standby was cut off. To write it again, as it is, makes
    // this commit wait for all that came before it; a statement that changes nothing would be acknowledged at once.
    await this.primary.query(
      `INSERT INTO aisle_delta (list, digest, partition, body)
       SELECT * FROM unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[])
       ON CONFLICT (list, digest) DO UPDATE SET partition = excluded.partition`,
      [
        sorted.map(({ list }) => list),
        sorted.map(({ digest }) => digest),
        sorted.map(({ list }) => partitionOf(list)),
        sorted.map(({ body }) => body),
      ],
    );
  }

  /** @param read the rows of which `whole` is the join */
  #compact(whole: Row, read: readonly Omit<Row, "list">[]): void {
    // The join may be one of them.
    const replaced = read.map(({ digest }) => digest).filter((digest) => digest !== whole.digest);
    const work = this.primary
      .query(
        `WITH replaced AS (DELETE FROM aisle_delta WHERE list = $1 AND digest = ANY ($5::text[]))
         INSERT INTO aisle_delta (list, digest, partition, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
        [whole.list, whole.digest, partitionOf(whole.list), whole.body, replaced],
      )
      .then(() => undefined, this.options.onCompactionFailed)
      .finally(() => this.#compacting.delete(whole.list));
    this.#compacting.set(whole.list, work);
  }

  /** Makes the tables, or brings them up to date; of several servers that start at once, one does. */
  async #migrate(): Promise<void> {
    const client = await this.primary.connect();
    try {
      await client.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
      const postgrator = new Postgrator({
        migrationPattern: `${this.options.migrations}/*.sql`,
        driver: "pg",
        schemaTable: "aisle_schema",
        execQuery: async (query) => await client.query(query),
      });
      await postgrator.migrate();
      await client.query("SELECT pg_advisory_unlock($1)", [MIGRATION_LOCK]);
    } finally {
      client.release(true);
    }
  }
}

function rowOf(list: ListId, document: Document): Row {
  const body = document.text;
  return { list, digest: createHash("sha256").update(body).digest("hex"), body };
}
