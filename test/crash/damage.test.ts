import { existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { Document, encodeDocument } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import type { ListId } from "../../src/protocol/ids.js";
import { JournalStore } from "../../src/server/store/journal-store.js";
import type { Damage } from "../../src/server/store/store.js";
import { author } from "../crdt/scripts.js";
import { Cluster, run, temporaryFolder, type Outcome } from "../e2e/harness.js";
import { filesIn, flip, flipBehind, GARBAGE, lengthOf, spoilEnd } from "./files.js";
import { Mount } from "./mounts.js";

const LISTS = [1, 2, 3].map((digit): ListId => `${digit}1111111-1111-4111-8111-111111111111`);
const [FIRST = "", SECOND = ""] = LISTS;

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});
const newFolder = (): string => {
  const folder = temporaryFolder();
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

function open(folder: string, damages: Damage[] = []): Promise<JournalStore> {
  return JournalStore.open(folder, {
    segmentBytes: 1024 * 1024,
    onDamage: (one) => damages.push(one),
    // It is tried again; what matters here is what can be read.
    onCompactionFailed: () => undefined,
  });
}

/** What each list was given in this test. */
const given = new Map<ListId, ShoppingList>();
beforeEach(() => LISTS.forEach((id) => given.set(id, new ShoppingList())));
const addTo = (id: ListId, item: string): Document =>
  new Document((given.get(id) ?? new ShoppingList()).add(author("a"), item, null, 1_000));

/** A folder with a snapshot of each list, and a journal with more of each. */
async function filled(folder = newFolder()): Promise<string> {
  for (const items of [["milk", "eggs"], [], ["bread", "tea"]]) {
    const store = await open(folder);
    for (const item of items) for (const listId of LISTS) await store.append([{ listId, delta: addTo(listId, item) }]);
    await store.close();
  }
  return folder;
}

const withContent = (folder: string): string => filesIn(folder).find((path) => lengthOf(path) > 0) ?? "";
const segment = (folder: string): string => withContent(join(folder, "journal"));
const pack = (folder: string): string => withContent(join(folder, "snapshots"));
const aisle = (...words: readonly string[]): Promise<Outcome> => run(words, { AISLE_DATA_DIR: newFolder() });
const textOf = (document: Document | null): string => JSON.stringify(encodeDocument(document ?? new Document()));

/** Nothing is shown that was never written; answers the lists that are whole. */
async function wholeIn(store: JournalStore): Promise<readonly ListId[]> {
  const whole: ListId[] = [];
  for (const [id, list] of given) {
    const shown = await store.read(id);
    const all = new Document(list.clone());
    if (shown !== null) all.join(shown);
    expect(textOf(all)).toBe(textOf(new Document(list)));
    if (textOf(shown) === textOf(all)) whole.push(id);
  }
  return whole;
}

/** What is acknowledged after the damage is there at the next start, and what was told of is not told of again. */
async function goesOn(folder: string): Promise<void> {
  const store = await open(folder);
  await wholeIn(store);
  const delta = addTo(FIRST, "something new");
  await store.append([{ listId: FIRST, delta }]);
  await store.close();
  const damages: Damage[] = [];
  for (let start = 0; start < 2; start++) {
    const again = await open(folder, damages);
    await wholeIn(again);
    expect((await again.read(FIRST))?.includes(delta)).toBe(true);
    await again.close();
  }
  expect(damages).toEqual([]);
}

describe("a store's folder", () => {
  it.each<readonly [string, (folder: string) => void, number]>([
    ["a torn tail", (folder) => truncateSync(segment(folder), lengthOf(segment(folder)) - 10), 2],
    ["a flipped byte in the journal", (folder) => flip(segment(folder), 0.5), 2],
    ["garbage for a journal", (folder) => writeFileSync(segment(folder), GARBAGE), 0],
    ["garbage at the journal's end", (folder) => spoilEnd(segment(folder)), 3],
    ["a flipped byte in a snapshot", (folder) => flipBehind(pack(folder), FIRST), 2],
    ["snapshots that are torn", (folder) => truncateSync(pack(folder), 40), 0],
    ["garbage for snapshots", (folder) => writeFileSync(pack(folder), GARBAGE), 0],
  ])("with %s opens, tells of it, sets it aside and shows none of it", async (_name, harm, whole) => {
    const folder = await filled();
    harm(folder);
    const damages: Damage[] = [];
    const store = await open(folder, damages);
    expect(await wholeIn(store)).toHaveLength(whole);
    await store.close();
    expect(damages.length).toBeGreaterThan(0);
    await goesOn(folder);
    for (const { path } of damages) expect([path, existsSync(path)]).toEqual([path, true]);
  });

  it.each<readonly [string, (folder: string) => void, number]>([
    ["no byte in its file of snapshots", (folder) => truncateSync(pack(folder), 0), 0],
    ["a flipped byte in what says where the snapshots are", (folder) => flip(pack(folder), 0.99), 3],
  ])("with %s opens, tells of it and shows what is whole", async (_name, harm, whole) => {
    const folder = await filled();
    harm(folder);
    const damages: Damage[] = [];
    const store = await open(folder, damages);
    expect(await wholeIn(store)).toHaveLength(whole);
    await store.close();
    expect(damages.length).toBeGreaterThan(0);
    await goesOn(folder);
  });

  it.each<readonly [string, (folder: string) => void, number]>([
    ["a missing journal", (folder) => rmSync(segment(folder)), 0],
    ["an emptied journal", (folder) => truncateSync(segment(folder), 0), 0],
    ["missing snapshots", (folder) => rmSync(pack(folder)), 0],
    ["no folder of snapshots", (folder) => rmSync(join(folder, "snapshots"), { recursive: true }), 0],
    ["nothing in its lock", (folder) => writeFileSync(join(folder, "lock"), GARBAGE), 3],
  ])("with %s, of which nobody can know, opens and shows what is left", async (_name, harm, whole) => {
    const folder = await filled();
    harm(folder);
    const store = await open(folder);
    expect(await wholeIn(store)).toHaveLength(whole);
    await store.close();
    await goesOn(folder);
  });

  it.each<readonly [string, (folder: string) => void]>([
    [
      "files of foreign names in every folder",
      (folder) => {
        mkdirSync(join(folder, "damaged"), { recursive: true });
        for (const path of ["", "journal", "snapshots", "damaged"])
          for (const name of [
            "notes.txt",
            ".hidden",
            "x.json",
            "1.jsonl",
            "ä",
            "000000001.jsonl",
            ".00000001.jsonl.1.tmp",
          ])
            writeFileSync(join(folder, path, name), GARBAGE);
      },
    ],
    [
      "folders of foreign names in every folder",
      (folder) => {
        for (const name of ["lost+found", "journal/lost+found", "snapshots/lost+found", "snapshots/mine.tmp"])
          mkdirSync(join(folder, name), { recursive: true });
      },
    ],
    ["the last name that a journal can have", (folder) => writeFileSync(join(folder, "journal/99999999.jsonl"), "")],
    ["the last name that snapshots can have", (folder) => writeFileSync(join(folder, "snapshots/99999999.jsonl"), "")],
    ["a folder in a journal's place", (folder) => mkdirSync(join(folder, "journal/00000077.jsonl"))],
    ["a folder in the place of snapshots", (folder) => mkdirSync(join(folder, "snapshots/00000077.jsonl"))],
  ])("with %s loses nothing", async (_name, add) => {
    const folder = await filled();
    add(folder);
    for (let start = 0; start < 3; start++) {
      const store = await open(folder);
      expect(await wholeIn(store)).toEqual(LISTS);
      await store.append([{ listId: FIRST, delta: addTo(FIRST, `item ${start}`) }]);
      await store.close();
    }
    await goesOn(folder);
  });

  it("with a damaged snapshot that is read while a new one is made of the journal keeps the new one", async () => {
    const folder = await filled();
    flipBehind(pack(folder), FIRST);
    const acknowledged = ["bread", "tea"];
    const store = await open(folder);
    const reads: Promise<unknown>[] = [];
    for (let read = 0; read < 40; read++) {
      reads.push(store.read(FIRST));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const outcomes = await Promise.allSettled(reads);
    await store.close();
    const again = await open(folder);
    const items = [...((await again.read(FIRST))?.list.visibleItems() ?? [])].map(({ name }) => name);
    await again.close();
    expect(items.sort()).toEqual(acknowledged);
    expect(outcomes.filter(({ status }) => status === "rejected")).toEqual([]);
  });

  it("with a file in the place of the folder for damage opens all the same", async () => {
    const folder = await filled();
    writeFileSync(join(folder, "damaged"), "");
    flip(segment(folder), 0.5);
    const store = await open(folder);
    await wholeIn(store);
    const delta = addTo(SECOND, "rice");
    await store.append([{ listId: SECOND, delta }]);
    expect((await store.read(SECOND))?.includes(delta)).toBe(true);
    await store.close();
  });
});

const mountProblem = Mount.problem(() => Mount.memory(1024 * 1024));
const onMount = mountProblem === null ? it : it.skip;
const why = mountProblem === null ? "" : ` (cannot be tried here: ${mountProblem})`;

function smallDisk(): Mount {
  const mount = Mount.memory(1024 * 1024);
  cleanups.push(() => mount.remove());
  return mount;
}

describe("a store's disk", () => {
  onMount(`that is full refuses, loses nothing, and takes writes again once there is room${why}`, async () => {
    const mount = smallDisk();
    const folder = await filled(join(mount.path, "store"));
    const store = await open(folder);
    const makeRoom = mount.fill();
    const refused: Document[] = [];
    for (let index = 0; index < 200; index++) {
      const delta = addTo(FIRST, `item ${index}`);
      await store.append([{ listId: FIRST, delta }]).catch(() => refused.push(delta));
    }
    expect(refused.length).toBeGreaterThan(0);
    await wholeIn(store);
    makeRoom();
    for (const delta of refused) await store.append([{ listId: FIRST, delta }]);
    expect(await wholeIn(store)).toEqual(LISTS);
    await store.close();
    const again = await open(folder);
    expect(await wholeIn(again)).toEqual(LISTS);
    await again.close();
  });

  onMount(`that is full lets a store open, damaged or not${why}`, async () => {
    for (const harm of [(): void => undefined, (path: string): void => flip(segment(path), 0.5)]) {
      const mount = smallDisk();
      const folder = await filled(join(mount.path, "store"));
      harm(folder);
      const makeRoom = mount.fill();
      const store = await open(folder);
      await wholeIn(store);
      makeRoom();
      await store.append([{ listId: FIRST, delta: addTo(FIRST, "rice") }]);
      await store.close();
      await goesOn(folder);
    }
  });

  onMount(`that may only be read ends a server in one line, and is none the worse for it${why}`, async () => {
    const mount = smallDisk();
    const folder = await filled(join(mount.path, "store"));
    mount.readOnly(true);
    await expect(open(folder)).rejects.toThrow("EROFS");
    const { code, stderr } = await aisle(
      ...["server", "--id", "server-1", "--data", folder, "--keys", newFolder()],
      ...["--broker", "tcp://127.0.0.1:9", "--publish", "tcp://127.0.0.1:45999"],
    );
    expect([code, stderr.trim().split("\n")]).toEqual([1, [expect.stringMatching(/^aisle: .*read-only/)]]);
    mount.readOnly(false);
    const store = await open(folder);
    expect(await wholeIn(store)).toEqual(LISTS);
    await store.close();
  });
});

describe("the table of servers that a server remembers", () => {
  it("may be anything: it is told of, and the server starts", async () => {
    const cluster = new Cluster(1, 1);
    cleanups.push(async () => await cluster.remove());
    await cluster.up();
    const path = join(cluster.folder, "server-1", "membership.json");
    const harms: readonly ((path: string) => void)[] = [
      (at) => flip(at, 0.5),
      (at) => truncateSync(at, 20),
      (at) => truncateSync(at, 0),
      (at) => writeFileSync(at, GARBAGE),
      (at) => writeFileSync(at, "[]\n"),
    ];
    for (const [index, harm] of harms.entries()) {
      await cluster.killed("server-1");
      harm(path);
      await cluster.up();
      expect(await cluster.command("status")).toBe(0);
      const told = cluster.log("server-1").match(/damage-(replaced|set-aside)/g) ?? [];
      expect(told).toHaveLength(index + 1);
    }
  });
});
