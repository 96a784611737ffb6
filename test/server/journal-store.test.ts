import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import fc from "fast-check";
import { digestOf } from "../../src/crdt/codec.js";
import { Document } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { GroupCommit } from "../../src/server/store/group-commit.js";
import type { ListId } from "../../src/protocol/ids.js";
import { Infirmary } from "../../src/server/store/infirmary.js";
import { readSegment } from "../../src/server/store/journal-segment.js";
import { JournalStore } from "../../src/server/store/journal-store.js";
import { numberedFiles } from "../../src/server/store/numbered-files.js";
import { OpenFiles } from "../../src/server/store/open-files.js";
import { Packs } from "../../src/server/store/packs.js";
import type { Damage } from "../../src/server/store/store.js";
import { lengthOf } from "../crash/files.js";
import { author } from "../crdt/scripts.js";
import { keepsTheStoreContract } from "./store-conformance.js";

const LIST = "11111111-1111-4111-8111-111111111111";

const folders: string[] = [];
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "aisle-store-"));
  folders.push(folder);
  return folder;
};
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function open(folder: string, damages: Damage[] = [], segmentBytes = 1024 * 1024): Promise<JournalStore> {
  const fail = (error: unknown): never => {
    throw error;
  };
  return JournalStore.open(folder, { segmentBytes, onDamage: (one) => damages.push(one), onCompactionFailed: fail });
}

for (const [name, segmentBytes] of [
  ["the journal", 1024 * 1024],
  ["the journal in tiny segments", 300],
] as const) {
  keepsTheStoreContract(name, () => {
    let folder = newFolder();
    return {
      open: () => open(folder, [], segmentBytes),
      // What a killed process leaves is its files at that moment; the lock goes with the process.
      crash: async (store) => {
        const copy = newFolder();
        cpSync(folder, copy, { recursive: true });
        await store.close();
        folder = copy;
      },
      remove: () => undefined,
    };
  });
}

async function written(folder: string, items: readonly string[], segmentBytes?: number): Promise<ShoppingList> {
  const store = await open(folder, [], segmentBytes);
  const list = (await store.read(LIST))?.list ?? new ShoppingList();
  for (const item of items)
    await store.append([{ listId: LIST, delta: new Document(list.add(author("a"), item, null, 1_000)) }]);
  await store.close();
  return list;
}

const segments = (folder: string): string[] =>
  readdirSync(join(folder, "journal")).map((name) => join(folder, "journal", name));

describe("the journal", () => {
  it("gives back all before a torn last line, sets the line aside, and goes on", async () => {
    const folder = newFolder();
    const list = await written(folder, ["milk", "eggs"]);
    const [segment = ""] = segments(folder).slice(-1);
    const text = readFileSync(segment, "utf8").replace(/\0[^]*/, "");
    writeFileSync(segment, `${text}${text.slice(0, 40)}`);
    const damages: Damage[] = [];
    const store = await open(folder, damages);
    expect(digestOf((await store.read(LIST))?.list ?? new ShoppingList())).toBe(digestOf(list));
    expect(damages).toHaveLength(1);
    expect(readFileSync(damages[0]?.path ?? "", "utf8")).toHaveLength(41);
    await store.append([{ listId: LIST, delta: new Document(list.add(author("a"), "bread", null, 1_000)) }]);
    await store.close();
    const again = await open(folder);
    expect(digestOf((await again.read(LIST))?.list ?? new ShoppingList())).toBe(digestOf(list));
    await again.close();
  });

  it("never serves a flipped byte: whatever is read is what was written, or is missing and told of", async () => {
    const folder = newFolder();
    const list = await written(folder, ["milk", "eggs", "bread"]);
    const [segment = ""] = segments(folder).slice(-1);
    const bytes = readFileSync(segment);
    // Behind what was written there is room for more.
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.indexOf(0) - 1), fc.integer({ min: 1, max: 255 }), async (position, flip) => {
        const copy = newFolder();
        cpSync(folder, copy, { recursive: true });
        const damaged = Buffer.from(bytes);
        damaged[position] = (damaged[position] ?? 0) ^ flip;
        writeFileSync(segment.replace(folder, copy), damaged);
        const damages: Damage[] = [];
        const store = await open(copy, damages);
        const read = (await store.read(LIST))?.list ?? new ShoppingList();
        await store.close();
        expect(damages.length > 0 || digestOf(read) === digestOf(list)).toBe(true);
        for (const item of read.visibleItems()) expect(list.item(item.key)).toEqual(item);
      }),
      { numRuns: 40 },
    );
  });

  it("becomes snapshots as it grows, and its old segments go", async () => {
    const folder = newFolder();
    const list = await written(
      folder,
      Array.from({ length: 40 }, (_, index) => `item ${index}`),
      2_000,
    );
    await (await open(folder)).close();
    expect(segments(folder)).toHaveLength(1);
    expect(lengthOf(segments(folder)[0] ?? "")).toBe(0);
    const store = await open(folder);
    expect(digestOf((await store.read(LIST))?.list ?? new ShoppingList())).toBe(digestOf(list));
    await store.close();
  });

  it("uses its segments again, and reads nothing of what they held before, however they end", async () => {
    const folder = newFolder();
    await written(
      folder,
      Array.from({ length: 60 }, (_, index) => `item ${index}`),
      2_000,
    );
    const { files } = await numberedFiles(join(folder, "journal"));
    expect(files.length).toBeLessThan(8);
    let usedAgain = 0;
    for (const { path, number } of files) {
      const { batches, damaged, torn, bytes } = await readSegment(path, number);
      expect({ damaged, torn }).toEqual({ damaged: [], torn: null });
      const data = readFileSync(path);
      const isUsedAgain = data.subarray(bytes).some((byte) => byte !== 0);
      if (!isUsedAgain) continue;
      usedAgain++;
      // Cut off in the middle of a group, which takes the place of the end.
      data.fill("x", bytes, bytes + 20);
      writeFileSync(path, data);
      const cut = await readSegment(path, number);
      expect(cut).toMatchObject({ damaged: [], torn: expect.stringMatching(/^x{20}/) });
      expect(cut.batches).toHaveLength(batches.length);
    }
    expect(usedAgain).toBeGreaterThan(0);
  });

  it("tells of a block of zeros, and gives back what comes after it", async () => {
    const folder = newFolder();
    await written(
      folder,
      Array.from({ length: 40 }, (_, index) => `item ${index}`),
    );
    const [segment = ""] = segments(folder);
    const bytes = readFileSync(segment);
    for (const [zeros, atLeast] of [
      [512, 30],
      [lengthOf(segment), 0],
      [bytes.byteLength, 0],
    ] as const) {
      const copy = newFolder();
      cpSync(folder, copy, { recursive: true });
      writeFileSync(segment.replace(folder, copy), Buffer.from(bytes).fill(0, 0, zeros));
      const damages: Damage[] = [];
      const store = await open(copy, damages);
      expect(damages.length).toBeGreaterThan(0);
      const there = [...((await store.read(LIST))?.list.visibleItems() ?? [])];
      expect(there.length).toBeGreaterThanOrEqual(atLeast);
      await store.close();
    }
  });

  it("takes no more than it can hold while snapshots cannot be written, and goes on when they can", async () => {
    const folder = newFolder();
    const options = { segmentBytes: 2_000, onDamage: () => undefined, onCompactionFailed: () => undefined };
    const store = await JournalStore.open(folder, options);
    rmSync(join(folder, "snapshots"), { recursive: true });
    const list = new ShoppingList();
    const add = async (): Promise<boolean> => {
      const delta = new Document(list.add(author("a"), "milk", null, 1_000));
      return await store.append([{ listId: LIST, delta }]).then(
        () => true,
        () => false,
      );
    };
    let taken = 0;
    for (let step = 0; step < 200; step++) if (await add()) taken++;
    expect(taken).toBeGreaterThan(10);
    expect(taken).toBeLessThan(100);
    expect(segments(folder).length).toBeLessThan(8);
    mkdirSync(join(folder, "snapshots"));
    // The one that finds it mended is refused, too.
    await add();
    expect(await add()).toBe(true);
    await store.close();
  });

  it("loses nothing of a list that cannot be read for want of something else than the disk", async () => {
    const folder = newFolder();
    const list = await written(folder, ["milk", "eggs"]);
    await (await open(folder)).close();
    const store = await open(folder);
    const read = jest.spyOn(OpenFiles.prototype, "read");
    read.mockRejectedValueOnce(Object.assign(new Error("too many open files"), { code: "EMFILE" }));
    await expect(store.read(LIST)).rejects.toThrow("too many open files");
    read.mockRestore();
    expect(digestOf((await store.read(LIST))?.list ?? new ShoppingList())).toBe(digestOf(list));
    await store.close();
  });

  it("sets aside what is called like a segment that nobody could have come to", async () => {
    const folder = newFolder();
    await written(folder, ["milk"]);
    for (const name of ["4294967295.jsonl", "999999999999998.jsonl"])
      for (const below of ["journal", "snapshots"]) writeFileSync(join(folder, below, name), "");
    const damages: Damage[] = [];
    const store = await open(folder, damages);
    expect(damages).toHaveLength(4);
    await store.append([{ listId: LIST, delta: new Document(new ShoppingList().add(author("b"), "tea", null, 1)) }]);
    await store.close();
    const again = await open(folder);
    expect((await again.read(LIST))?.list.item("tea")).not.toBeNull();
    await again.close();
  });

  it("gives room back, also beside a pack that is larger than what is moved at a time", async () => {
    const folder = newFolder();
    const packs = await Packs.open(folder, new Infirmary(join(folder, "damaged"), () => undefined), 1_000, 20_000);
    const id = (number: number): ListId => `${10_000_000 + number}-1111-4111-8111-111111111111`;
    const of = (bytes: number): Promise<Document> => {
      const list = new ShoppingList();
      for (let item = 0; item * 100 < bytes; item++) list.add(author("a"), `item ${item}`, null, 1);
      return Promise.resolve(new Document(list));
    };
    const ids = (count: number): ListId[] => Array.from({ length: count }, (_, index) => id(index));
    await packs.write(ids(60), () => of(1_000));
    await packs.write(ids(35), () => of(1_000));
    // Each pack from here on is out of date with the next, but for a little.
    for (let round = 0; round < 40; round++)
      await packs.write([id(200 + round), id(100)], (listId) => of(listId === id(100) ? 2_000 : 100));
    expect(readdirSync(folder).length).toBeLessThan(15);
    await packs.close();
  });

  it("sets a damaged snapshot aside and says so, without failing", async () => {
    const folder = newFolder();
    await written(folder, ["milk"]);
    await (await open(folder)).close();
    const [pack = ""] = readdirSync(join(folder, "snapshots"));
    const path = join(folder, "snapshots", pack);
    writeFileSync(path, readFileSync(path, "utf8").replace("milk", "mink"));
    const damages: Damage[] = [];
    const store = await open(folder, damages);
    expect((await store.read(LIST))?.isEmpty).toBe(true);
    expect(damages[0]?.path).toBe(join(folder, "damaged", "snapshots.txt"));
    await store.close();
  });

  it("sets aside what it was given unopened and is no document, once there is something else to give back", async () => {
    const folder = newFolder();
    const damages: Damage[] = [];
    const store = await open(folder, damages, 300);
    await store.append([{ listId: LIST, delta: Document.unopened("[9,9,9]") }]);
    expect((await store.read(LIST))?.text).toBe("[9,9,9]");
    const list = new ShoppingList();
    for (let index = 0; index < 20; index++)
      await store.append([{ listId: LIST, delta: new Document(list.add(author("a"), `item ${index}`, null, 1)) }]);
    expect(digestOf((await store.read(LIST))?.list ?? new ShoppingList())).toBe(digestOf(list));
    await store.close();
    expect(damages.map(({ listId }) => listId)).toEqual([LIST]);
    expect(readFileSync(join(folder, "damaged", "unreadable.txt"), "utf8")).toBe("[9,9,9]\n");
  });

  it("keeps what is no document to this build alone, and sets it aside once where there is something else", async () => {
    const folder = newFolder();
    const later = '[[2,"of a later format"],0,0]';
    const damages: Damage[] = [];
    const first = await open(folder, damages, 300);
    await first.append([{ listId: LIST, delta: Document.unopened(later) }]);
    await first.close();
    const second = await open(folder, damages, 300);
    expect([(await second.read(LIST))?.text, damages]).toEqual([later, []]);
    await second.close();
    // By now it is a snapshot.
    const third = await open(folder, damages);
    const list = new ShoppingList();
    await third.append([{ listId: LIST, delta: new Document(list.add(author("a"), "milk", null, 1)) }]);
    for (let times = 0; times < 3; times++)
      expect(digestOf((await third.read(LIST))?.list ?? new ShoppingList())).toBe(digestOf(list));
    await third.close();
    const fourth = await open(folder, damages);
    await fourth.close();
    const fifth = await open(folder, damages);
    expect(digestOf((await fifth.read(LIST))?.list ?? new ShoppingList())).toBe(digestOf(list));
    await fifth.close();
    expect(readFileSync(join(folder, "damaged", "unreadable.txt"), "utf8").split("\n")[0]).toBe(later);
  });

  it("takes nothing more once it is closed", async () => {
    const folder = newFolder();
    const store = await open(folder);
    await store.close();
    const delta = new Document(new ShoppingList().add(author("a"), "milk", null, 1));
    for (let times = 0; times < 3; times++)
      await expect(store.append([{ listId: LIST, delta }])).rejects.toThrow("the store is closed");
    const other = await open(folder);
    expect(await other.read(LIST)).toBeNull();
    await other.close();
  });

  it("loses nothing that is written to a list while its snapshot is being removed", async () => {
    const folder = newFolder();
    await written(folder, ["milk"]);
    // Opening writes what the journal holds as a snapshot, which the drop then has to wait for.
    const store = await open(folder);
    const list = new ShoppingList();
    const dropped = store.drop(LIST);
    const deltas = Array.from({ length: 30 }, (_, index) => list.add(author("b"), `item ${index}`, null, 1));
    for (const delta of deltas) await store.append([{ listId: LIST, delta: new Document(delta) }]);
    await dropped;
    await store.close();
    const again = await open(folder);
    const there = await again.read(LIST);
    expect(there?.list.seen.includesAll(list.seen)).toBe(true);
    await again.close();
  });

  it("lets one process in at a time and names the other", async () => {
    const folder = newFolder();
    const store = await open(folder);
    await expect(open(folder)).rejects.toThrow(`held by process ${process.pid}`);
    await store.close();
  });
});

describe("group commit", () => {
  it("flushes one group at a time, in order, and acknowledges each entry exactly once", () => {
    const groups = new GroupCommit<number>();
    groups.add(1);
    expect(groups.take()).toEqual([1]);
    groups.add(2);
    groups.add(3);
    expect(groups.take()).toBeNull();
    expect(groups.flushed()).toEqual([1]);
    expect(groups.take()).toEqual([2, 3]);
    groups.add(4);
    expect(groups.failed()).toEqual([2, 3, 4]);
    expect(groups.take()).toBeNull();
  });
});
