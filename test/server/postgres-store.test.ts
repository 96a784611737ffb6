import { resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Document } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { PostgresStore } from "../../src/server/store/postgres-store.js";
import { urlsOf } from "../../src/server/store/primary.js";
import { author } from "../crdt/scripts.js";
import { NO_POSTGRES, primaryForAll } from "./postgres.js";
import { keepsTheStoreContract } from "./store-conformance.js";

const LIST = "11111111-1111-4111-8111-111111111111";
const migrations = resolve("migrations");
const fail = (error: unknown): never => {
  throw error;
};
const options = { migrations, onTrouble: () => undefined, onCompactionFailed: fail };

const suite = NO_POSTGRES === null ? describe : describe.skip;

suite(`PostgreSQL${NO_POSTGRES === null ? "" : ` (${NO_POSTGRES})`}`, () => {
  const primary = primaryForAll();
  let databases = 0;

  function fresh(): string {
    const name = `aisle_${++databases}`;
    primary().query(`CREATE DATABASE ${name}`);
    return `postgres://aisle@127.0.0.1:${primary().port}/${name}`;
  }

  keepsTheStoreContract(
    "PostgreSQL",
    () => {
      const url = fresh();
      return {
        open: async () => await PostgresStore.open(url, options),
        // What a killed process leaves is in the database, or was never acknowledged.
        crash: async (store) => await store.close(),
        remove: () => undefined,
      };
    },
    true,
  );

  it("makes one row of many, while several servers write and read, and loses nothing", async () => {
    const url = fresh();
    const stores = await Promise.all([1, 2, 3].map(async () => await PostgresStore.open(url, options)));
    const list = new ShoppingList();
    const names = Array.from({ length: 120 }, (_, index) => `item ${index}`);
    const deltas = names.map((name) => new Document(list.add(author("a"), name, null, 1_000)));
    await Promise.all(
      deltas.map(async (delta, index) => {
        const store = stores[index % stores.length];
        await store?.append([{ listId: LIST, delta }]);
        await store?.read(LIST);
      }),
    );
    for (const store of stores) {
      const there = await store.read(LIST);
      expect([...(there?.list.visibleItems() ?? [])].map(({ name }) => name).sort()).toEqual([...names].sort());
    }
    await Promise.all(stores.map(async (store) => await store.close()));
    const again = await PostgresStore.open(url, options);
    await again.read(LIST);
    await again.close();
    const database = url.split("/").at(-1);
    expect(Number(primary().query("SELECT count(*) FROM aisle_delta", database))).toBeLessThan(40);
  });

  it("lets a list go for one server and keeps it for the others", async () => {
    const url = fresh();
    const [one, other] = [await PostgresStore.open(url, options), await PostgresStore.open(url, options)];
    await one.append([{ listId: LIST, delta: new Document(new ShoppingList().add(author("a"), "milk", null, 1_000)) }]);
    await one.drop(LIST);
    expect([one.count(), (await other.read(LIST))?.list.item("milk")?.needed]).toEqual([0, 1_000]);
    await one.close();
    await other.close();
  });

  it("acknowledges nothing that no standby has, also when it is there already", async () => {
    const url = fresh();
    const store = await PostgresStore.open(url, { ...options, answerMs: 1_000 });
    const delta = new Document(new ShoppingList().add(author("a"), "milk", null, 1_000));
    primary().configure("synchronous_standby_names = 'ANY 1 (nobody)'");
    primary().reload();
    try {
      await expect(store.append([{ listId: LIST, delta }])).rejects.toThrow(/timeout/);
      // Whose wait ends without an answer has committed: the row is there, and on this disk alone.
      primary().query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
      await until(async () => (await store.read(LIST)) !== null);
      await expect(store.append([{ listId: LIST, delta }])).rejects.toThrow(/timeout/);
    } finally {
      primary().configure("synchronous_standby_names = ''");
      primary().reload();
    }
    await store.append([{ listId: LIST, delta }]);
    await store.close();
  });

  it("says when the database is away, and goes on when it is back", async () => {
    const url = fresh();
    const told: (string | null)[] = [];
    const store = await PostgresStore.open(url, { ...options, onTrouble: (problem) => told.push(problem) });
    const write = async (name: string): Promise<void> =>
      await store.append([{ listId: LIST, delta: new Document(new ShoppingList().add(author(name), name, null, 1)) }]);
    await write("milk");
    primary().kill();
    await expect(write("eggs")).rejects.toThrow(/terminat|refused|no primary|closed/i);
    await expect(store.read(LIST)).rejects.toThrow();
    primary().start();
    await until(
      async () =>
        await write("bread").then(
          () => true,
          () => false,
        ),
    );
    expect((await store.read(LIST))?.list.item("bread")).not.toBeNull();
    expect(told.at(-1)).toBeNull();
    await store.close();
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error("it never came to be so");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("a database's URL", () => {
  it("names one host or several", () => {
    expect(urlsOf("postgres://u:p@a:1,b:2/d?x=y\n")).toEqual(["postgres://u:p@a:1/d?x=y", "postgres://u:p@b:2/d?x=y"]);
    expect(urlsOf("postgresql://a/d")).toEqual(["postgresql://a/d"]);
    for (const wrong of ["", "mysql://a/b", "a"]) expect(() => urlsOf(wrong)).toThrow(RangeError);
  });
});
