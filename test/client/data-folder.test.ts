import { copyFileSync, cpSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { DataFolder } from "../../src/client/data-folder.js";
import { Workspace } from "../../src/client/workspace.js";
import { temporaryFolder } from "../e2e/harness.js";

const temporary = temporaryFolder();
const hasBirthTimes = statSync(temporary, { bigint: true }).birthtimeNs > 0n;
rmSync(temporary, { recursive: true });

/** Under which name a list is changed now. */
async function rename(folder: string, id: string, name: string): Promise<string> {
  const workspace = new Workspace(DataFolder.open(folder));
  const list = await workspace.change(id, () => [{ type: "rename", name }]);
  workspace.commit();
  return list.replica;
}

describe("a list's file", () => {
  let [folder, aside, id] = ["", "", ""];

  beforeEach(async () => {
    [folder, aside] = [temporaryFolder(), temporaryFolder()];
    const workspace = new Workspace(DataFolder.open(folder));
    id = (await workspace.found()).id;
    workspace.commit();
  });

  afterEach(() => [folder, aside].forEach((one) => rmSync(one, { recursive: true })));

  it("is changed under one name for as long as it is the same folder's", async () => {
    const names = [];
    for (const name of ["A", "B", "C"]) names.push(await rename(folder, id, name));
    expect(new Set(names).size).toBe(1);
  });

  const ways: readonly (readonly [string, (from: string, to: string) => void])[] = [
    ["over the file that is there", (from, to) => copyFileSync(from, to)],
    [
      "in its place",
      (from, to) => {
        rmSync(to);
        cpSync(from, to, { preserveTimestamps: true });
      },
    ],
  ];
  (hasBirthTimes ? it.each(ways) : it.skip.each(ways))(
    "is changed under another name once a backup was put back %s, on a file system that keeps birth times",
    async (_way, putBack) => {
      const [file, backup] = [join(folder, "lists", `${id}.json`), join(aside, "backup")];
      const before = await rename(folder, id, "A");
      cpSync(file, backup, { preserveTimestamps: true });
      expect(await rename(folder, id, "B")).toBe(before);
      putBack(backup, file);
      const after = await rename(folder, id, "C");
      expect(after).not.toBe(before);
      expect(await rename(folder, id, "D")).toBe(after);
    },
  );
});
