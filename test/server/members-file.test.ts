import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Member } from "../../src/protocol/membership.js";
import { createFileSync } from "../../src/runtime/durable-file-sync.js";
import { openLogger } from "../../src/runtime/logger.js";
import { MembersFile } from "../../src/server/members-file.js";
import { copyStore } from "../../src/server/store/backup.js";
import { LAYOUT } from "../../src/server/store/layout.js";
import { temporaryFolder } from "../e2e/harness.js";

const member = (id: string): Member => ({ id, status: "member", incarnation: 1, publish: `tcp://${id}:1` });
const TABLE = [member("a"), member("b")];

describe("what a server remembers of its cluster", () => {
  let folder = "";
  const file = (path = folder): MembersFile => new MembersFile(path, openLogger({}));
  const read = async (path = folder): Promise<string[]> => {
    const members = file(path);
    return (await members.read("a", members.isAlone())).map(({ id }) => id);
  };

  beforeEach(async () => {
    folder = temporaryFolder();
    for (const name of [LAYOUT.journal, LAYOUT.snapshots]) mkdirSync(join(folder, name));
    await file().save(TABLE);
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it("is all of it, where the folder is whole", async () => {
    expect(await read()).toEqual(["a", "b"]);
  });

  it("is all but itself where something was lost, also after another start, until it is saved as whole", async () => {
    createFileSync(join(folder, LAYOUT.lost));
    expect(await read()).toEqual(["b"]);
    expect(existsSync(join(folder, LAYOUT.lost))).toBe(false);
    expect(await read()).toEqual(["b"]);
    await file().save(TABLE);
    expect(await read()).toEqual(["a", "b"]);
  });

  it("is all but itself where the journal is away", async () => {
    rmSync(join(folder, LAYOUT.journal), { recursive: true });
    expect(await read()).toEqual(["b"]);
  });

  it("is all but itself in a backup, which is older than what others were told", async () => {
    const backup = join(folder, "backup");
    await copyStore(folder, backup);
    expect(await read(backup)).toEqual(["b"]);
  });
});
