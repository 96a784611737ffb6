import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { digestOf } from "../../src/crdt/codec.js";
import { Document } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { GroupCommit } from "../../src/server/store/group-commit.js";
import { readSegment } from "../../src/server/store/journal-segment.js";
import { JournalStore } from "../../src/server/store/journal-store.js";
import { numberedFiles } from "../../src/server/store/numbered-files.js";
import type { Damage } from "../../src/server/store/store.js";
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
    expect(readFileSync(segments(folder)[0] ?? "", "utf8")).toBe("");
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
