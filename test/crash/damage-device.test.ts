import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { offlineDevices, type Device, type Outcome } from "../e2e/harness.js";
import { flip, GARBAGE } from "./files.js";
import { Mount } from "./mounts.js";

const mountProblem = Mount.problem(() => Mount.memory(1024 * 1024));
const onMount = mountProblem === null ? it : it.skip;
const why = mountProblem === null ? "" : ` (cannot be tried here: ${mountProblem})`;

const mounts: Mount[] = [];
afterEach(() => mounts.splice(0).forEach((mount) => mount.remove()));
function smallDisk(): Mount {
  const mount = Mount.memory(1024 * 1024);
  mounts.push(mount);
  return mount;
}

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
    ["garbage", (path) => writeFileSync(path, GARBAGE)],
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
        writeFileSync(join(folder, name), GARBAGE);
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
      const makeRoom = mount.fill();
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
