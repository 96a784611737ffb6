import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { Document, encodeDocument } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import type { ListId } from "../../src/protocol/ids.js";
import { JournalStore } from "../../src/server/store/journal-store.js";
import type { Damage } from "../../src/server/store/store.js";
import { author } from "../crdt/scripts.js";
import { Cluster, offlineDevices, temporaryFolder, type Device, type Outcome } from "../e2e/harness.js";
import { filesIn, flip } from "./files.js";
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

const snapshots = (folder: string): readonly string[] => filesIn(join(folder, "lists"));
const segment = (folder: string): string =>
  filesIn(join(folder, "journal")).find((path) => statSync(path).size > 0) ?? "";
const snapshotOf = (folder: string, id: ListId): string => snapshots(folder).find((path) => path.includes(id)) ?? "";
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

const garbage = Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7_919) % 256));

describe("a store's folder", () => {
  it.each<readonly [string, (folder: string) => void, number]>([
    ["a torn tail", (folder) => truncateSync(segment(folder), statSync(segment(folder)).size - 10), 2],
    ["a flipped byte in the journal", (folder) => flip(segment(folder), 0.5), 2],
    ["garbage for a journal", (folder) => writeFileSync(segment(folder), garbage), 0],
    ["garbage at the journal's end", (folder) => appendFileSync(segment(folder), garbage), 3],
    ["a truncated snapshot", (folder) => truncateSync(snapshotOf(folder, FIRST), 40), 2],
    ["a flipped byte in a snapshot", (folder) => flip(snapshotOf(folder, FIRST), 0.5), 2],
    ["an empty snapshot", (folder) => truncateSync(snapshotOf(folder, FIRST), 0), 2],
    ["garbage for a snapshot", (folder) => writeFileSync(snapshotOf(folder, FIRST), garbage), 2],
    ["another list's snapshot", (folder) => cpSync(snapshotOf(folder, SECOND), snapshotOf(folder, FIRST)), 2],
  ])("with %s opens, tells of it, sets it aside and shows none of it", async (_name, harm, whole) => {
    const folder = await filled();
    harm(folder);
    const damages: Damage[] = [];
    const store = await open(folder, damages);
    expect(await wholeIn(store)).toHaveLength(whole);
    await store.close();
    expect(damages.length).toBeGreaterThan(0);
    for (const { path } of damages) expect(existsSync(path) && dirname(path)).toBe(join(folder, "damaged"));
    await goesOn(folder);
  });

  it.each<readonly [string, (folder: string) => void, number]>([
    ["a missing journal", (folder) => rmSync(segment(folder)), 0],
    ["an emptied journal", (folder) => truncateSync(segment(folder), 0), 0],
    ["a missing snapshot", (folder) => rmSync(snapshotOf(folder, FIRST)), 2],
    ["no snapshots", (folder) => rmSync(join(folder, "lists"), { recursive: true }), 0],
    ["nothing in its lock", (folder) => writeFileSync(join(folder, "lock"), garbage), 3],
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
        const folders = new Set(["lock", ...snapshots(folder), segment(folder)].map((path) => dirname(path)));
        for (const path of [folder, join(folder, "lists"), join(folder, "damaged"), ...folders])
          for (const name of ["notes.txt", ".hidden", "x.json", "1.jsonl", "ä", `.${FIRST}.json.1.tmp`])
            if (path !== ".") writeFileSync(join(path, name), garbage);
      },
    ],
    [
      "folders of foreign names in every folder",
      (folder) => {
        for (const name of ["lost+found", "journal/lost+found", "lists/lost+found", "lists/zz"])
          mkdirSync(join(folder, name), { recursive: true });
      },
    ],
    ["the last name that a journal can have", (folder) => writeFileSync(join(folder, "journal/99999999.jsonl"), "")],
    ["a folder in a journal's place", (folder) => mkdirSync(join(folder, "journal/00000077.jsonl"))],
    ["a file in the place of a folder of snapshots", (folder) => writeFileSync(unusedPartition(folder), garbage)],
  ])("with %s loses nothing", async (_name, add) => {
    const folder = await filled();
    add(folder);
    const store = await open(folder);
    expect(await wholeIn(store)).toEqual(LISTS);
    await store.close();
    await goesOn(folder);
  });

  it.each<readonly [string, (folder: string) => void]>([
    ["a folder in a snapshot's place", replacedByFolder],
    [
      "a file in the place of the folder for damage",
      (folder) => {
        writeFileSync(join(folder, "damaged"), "");
        flip(segment(folder), 0.5);
      },
    ],
  ])("with %s opens all the same", async (_name, harm) => {
    const folder = await filled();
    harm(folder);
    const store = await open(folder);
    // The list in question may be unreadable; the others are not.
    expect((await store.read(SECOND))?.isEmpty).toBe(false);
    await store.append([{ listId: SECOND, delta: addTo(SECOND, "rice") }]);
    await store.close();
  });
});

function unusedPartition(folder: string): string {
  const used = new Set(readdirSync(join(folder, "lists")));
  const names = Array.from({ length: 64 }, (_, index) => index.toString(16).padStart(2, "0"));
  return join(folder, "lists", names.find((name) => !used.has(name)) ?? "");
}

function replacedByFolder(folder: string): void {
  const path = snapshotOf(folder, FIRST);
  rmSync(path);
  mkdirSync(path);
}

const mountProblem = Mount.problem(() => Mount.memory(1024 * 1024));
const onMount = mountProblem === null ? it : it.skip;
const why = mountProblem === null ? "" : ` (cannot be tried here: ${mountProblem})`;

function smallDisk(): Mount {
  const mount = Mount.memory(1024 * 1024);
  cleanups.push(() => mount.remove());
  return mount;
}

/** Takes all the room there is; answers what gives it back. */
function fill(mount: Mount): () => void {
  const path = join(mount.path, "filler");
  for (const bytes of [64 * 1024, 4_096, 1]) {
    try {
      for (;;) appendFileSync(path, Buffer.alloc(bytes));
    } catch {
      // Full, but for less than that.
    }
  }
  return () => rmSync(path);
}

describe("a store's disk", () => {
  onMount(`that is full refuses, loses nothing, and takes writes again once there is room${why}`, async () => {
    const mount = smallDisk();
    const folder = await filled(join(mount.path, "store"));
    const store = await open(folder);
    const makeRoom = fill(mount);
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
      const makeRoom = fill(mount);
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
    const { code, stderr } = await newDevice().run(
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
      (at) => writeFileSync(at, garbage),
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

const newDevice = offlineDevices();

/** One line, and a code that is documented. */
function expectRefusal({ code, stderr }: Outcome, says: RegExp): void {
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^aisle: [^\n]+\n$/)]);
  expect(stderr).toMatch(says);
}

describe("a device's folder", () => {
  async function used(extra: NodeJS.ProcessEnv = {}): Promise<{ device: Device; list: string; other: string }> {
    const device = newDevice(extra);
    const other = await device.newList("Other");
    await device.ok("add", "tea");
    const list = await device.newList("Groceries");
    await device.ok("add", "milk", "eggs");
    return { device, list, other };
  }

  const harms: readonly (readonly [string, (path: string) => void])[] = [
    ["torn", (path) => truncateSync(path, statSync(path).size - 7)],
    ["flipped", (path) => flip(path, 0.5)],
    ["empty", (path) => truncateSync(path, 0)],
    ["garbage", (path) => writeFileSync(path, garbage)],
  ];

  it.each(harms)(
    "tells of a list's file that is %s, leaves it alone, and goes on with the other lists",
    async (_, harm) => {
      const { device, list } = await used();
      const path = join(device.folder, "lists", `${list}.json`);
      const [before, backup] = [await device.ok("show", "--json"), readFileSync(path)];
      harm(path);
      const harmed = readFileSync(path);
      for (const words of [["show"], ["add", "bread"], ["undo"]]) expectRefusal(await device.run(...words), /damaged/);
      const { code, stderr } = await device.run("lists");
      expect([code, stderr]).toEqual([0, expect.stringContaining(path)]);
      await device.ok("add", "rice", "--list", "Other");
      expect(readFileSync(path)).toEqual(harmed);
      writeFileSync(path, backup);
      expect(await device.ok("show", "--json")).toBe(before);
    },
  );

  it.each(harms)("sets aside every other file that is %s, says so, and loses no list", async (_, harm) => {
    const { device } = await used();
    const before = await device.ok("show", "--list", "Groceries", "--digest");
    const names = readdirSync(device.folder).filter((name) => name.endsWith(".json"));
    expect(names).toEqual(expect.arrayContaining(["device.json", "identity.json", "settings.json"]));
    for (const name of names) {
      harm(join(device.folder, name));
      const { code, stderr } = await device.run("batch", "--offline", "--list", "Groceries");
      expect([name, code]).toEqual([name, 0]);
      const second = await device.pipe(`new "After ${name}"\nadd --list Groceries bread\n`, "batch");
      expect([name, second.code]).toEqual([name, 0]);
      expect(`${stderr}${second.stderr}${(await device.run("status")).stderr}`).toContain(name);
      expect(existsSync(join(device.folder, `${name}.damaged`))).toBe(true);
    }
    const after = await device.json<{ items: { name: string }[] }>("show", "--list", "Groceries");
    expect(after.items.map(({ name }) => name)).toEqual(expect.arrayContaining(["milk", "eggs", "bread"]));
    expect(before).not.toBe("");
  });

  it("does not mind files and folders of foreign names", async () => {
    const { device } = await used();
    const before = await device.ok("lists", "--json");
    for (const folder of [device.folder, join(device.folder, "lists")]) {
      for (const name of ["notes.txt", ".hidden", "x.json", `.${"x".repeat(36)}.json.1.tmp`])
        writeFileSync(join(folder, name), garbage);
      mkdirSync(join(folder, "lost+found"));
    }
    expect(await device.ok("lists", "--json")).toBe(before);
    await device.ok("add", "bread");
    expect(Object.keys(await device.amounts()).sort()).toEqual(["bread", "eggs", "milk"]);
  });

  onMount(
    `on a full disk refuses changes in one line, shows what it has, and goes on once there is room${why}`,
    async () => {
      const mount = smallDisk();
      const { device } = await used({ AISLE_DATA_DIR: join(mount.path, "device") });
      const before = await device.ok("show", "--json");
      const makeRoom = fill(mount);
      for (const words of [
        ["add", "bread"],
        ["new", "More"],
        ["remove", "milk"],
      ])
        expectRefusal(await device.run(...words), /full/);
      expect(await device.ok("show", "--json")).toBe(before);
      makeRoom();
      await device.ok("add", "bread");
      expect(Object.keys(await device.amounts()).sort()).toEqual(["bread", "eggs", "milk"]);
    },
  );

  onMount(`on a disk that may only be read refuses changes in one line, and shows what it has${why}`, async () => {
    const mount = smallDisk();
    const { device } = await used({ AISLE_DATA_DIR: join(mount.path, "device") });
    const before = await device.ok("show", "--json");
    mount.readOnly(true);
    for (const words of [
      ["add", "bread"],
      ["new", "More"],
      ["use", "Other"],
    ])
      expectRefusal(await device.run(...words), /read-only/);
    expect(await device.ok("show", "--json")).toBe(before);
    mount.readOnly(false);
    await device.ok("add", "bread");
    expect(Object.keys(await device.amounts()).sort()).toEqual(["bread", "eggs", "milk"]);
  });
});
