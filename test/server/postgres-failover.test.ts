import { resolve } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { Document } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { PostgresStore } from "../../src/server/store/postgres-store.js";
import { author } from "../crdt/scripts.js";
import { NO_POSTGRES, PostgresNode, postgresFolder, removeFolder } from "./postgres.js";

const WRITERS = 48;
const ROUNDS = process.env.AISLE_LONG === undefined ? 1 : 5;
/** Acknowledged before the primary dies, and after another one has taken its place. */
const BEFORE = 1_500;
const AFTER = 500;

const suite = NO_POSTGRES === null ? describe : describe.skip;

suite("three PostgreSQL servers, one of two standbys synchronous", () => {
  const folders: string[] = [];
  const nodes: PostgresNode[] = [];
  afterAll(() => {
    nodes.forEach((node) => node.stop());
    folders.forEach(removeFolder);
  });

  it.each(Array.from({ length: ROUNDS }, (_, round) => round + 1))(
    "lose nothing that was acknowledged when the primary is killed and the most advanced standby promoted (%i)",
    async () => {
      const folder = postgresFolder();
      folders.push(folder);
      const primary = await PostgresNode.primary(folder);
      const standbys = [primary.standby("two", primary.port + 1), primary.standby("three", primary.port + 2)];
      nodes.push(primary, ...standbys);
      primary.configure("synchronous_standby_names = 'ANY 1 (two, three)'", "synchronous_commit = on");
      primary.reload();
      await until(() => primary.query("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'") === "2");

      const hosts = [primary, ...standbys].map(({ port }) => `127.0.0.1:${port}`).join(",");
      const store = await PostgresStore.open(`postgres://aisle@${hosts}/aisle`, {
        migrations: resolve("migrations"),
        onTrouble: () => undefined,
        onCompactionFailed: () => undefined,
      });
      const load = new Load(store);
      await load.until(BEFORE);
      primary.kill();
      const [next, other] = mostAdvanced(standbys);
      next.configure("synchronous_standby_names = 'ANY 1 (two, three)'");
      next.promote();
      other.follow(next);
      await load.until(load.acknowledged + AFTER);
      const acknowledged = await load.stop();

      let lost = 0;
      for (const [listId, names] of acknowledged) {
        const there = (await store.read(listId))?.list ?? new ShoppingList();
        for (const name of names) if (there.item(name) === null) lost++;
      }
      await store.close();
      expect({ lost, refused: load.refused > 0 }).toEqual({ lost: 0, refused: true });
      [primary, ...standbys].forEach((node) => node.stop());
    },
    120_000,
  );
});

/** Which standby has received most, and the others. */
function mostAdvanced(standbys: readonly PostgresNode[]): readonly [PostgresNode, PostgresNode] {
  const received = (node: PostgresNode): number =>
    Number(node.query("SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')"));
  const [first, second] = [...standbys].sort((a, b) => received(b) - received(a));
  if (first === undefined || second === undefined) throw new Error("there should be two standbys");
  return [first, second];
}

/** Writers that go on until they are told to stop, whatever is refused meanwhile. */
class Load {
  readonly #acknowledged = new Map<string, string[]>();
  readonly #writers: readonly Promise<void>[];
  #isOver = false;
  acknowledged = 0;
  refused = 0;

  constructor(store: PostgresStore) {
    this.#writers = Array.from({ length: WRITERS }, (_, writer) => this.#write(store, writer));
  }

  async until(count: number): Promise<void> {
    await until(() => this.acknowledged >= count);
  }

  async stop(): Promise<ReadonlyMap<string, readonly string[]>> {
    this.#isOver = true;
    await Promise.all(this.#writers);
    return this.#acknowledged;
  }

  async #write(store: PostgresStore, writer: number): Promise<void> {
    const listId = `${(0x10000000 + writer).toString(16)}-1111-4111-8111-111111111111`;
    const list = new ShoppingList();
    const names: string[] = [];
    this.#acknowledged.set(listId, names);
    for (let at = 0; !this.#isOver; at++) {
      const name = `item ${at}`;
      const delta = new Document(list.add(author(`writer${writer}`), name, null, 1_000));
      try {
        await store.append([{ listId, delta }]);
        names.push(name);
        this.acknowledged++;
      } catch {
        this.refused++;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error("it never came to be so");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
