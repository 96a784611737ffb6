import { describe, expect, it } from "@jest/globals";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adoptLists } from "../../src/client/adoption.js";
import { DataFolder } from "../../src/client/data-folder.js";
import type { Session } from "../../src/client/session.js";
import { Workspace } from "../../src/client/workspace.js";

describe("lists that were made on a device before its person logged in", () => {
  it("are theirs once the cluster says so, and no command waits meanwhile", async () => {
    const folder = DataFolder.open(mkdtempSync(join(tmpdir(), "aisle-adoption-")));
    const workspace = new Workspace(folder);
    for (const name of ["Groceries", "Hardware"]) {
      const { id } = await workspace.found();
      await workspace.change(id, () => [{ type: "rename", name }]);
      await workspace.note(id, (list) => list.rights.stand({ role: "owner", open: false }));
    }
    workspace.commit();
    const login = { name: "ann", account: "a", login: "l", token: "t", expires: 1, since: 0 };
    await workspace.saveLogin(login);
    const session = {
      request: async () => {
        await folder.locked(() => undefined);
        return { value: { role: "owner", visibility: "private", members: [{}], stored: 2, wanted: 2 } };
      },
    };
    const household = { workspace, session: () => Promise.resolve(session as unknown as Session) };
    const lists = workspace.listIds().flatMap((id) => workspace.list(id) ?? []);
    expect(lists.map((list) => list.rights.isOfDevice)).toEqual([true, true]);
    expect(await adoptLists(household, lists)).toBe(2);
    await folder.locked(() => undefined);
    expect(folder.listIds().map((id) => folder.readList(id)?.rights.isOfDevice)).toEqual([false, false]);
  });

  it("stay forgotten where another command forgot them while the cluster was asked", async () => {
    const folder = DataFolder.open(mkdtempSync(join(tmpdir(), "aisle-adoption-")));
    const workspace = new Workspace(folder);
    const { id } = await workspace.found();
    await workspace.note(id, (list) => list.rights.stand({ role: "owner", open: false }));
    workspace.commit();
    await workspace.saveLogin({ name: "ann", account: "a", login: "l", token: "t", expires: 1, since: 0 });
    const session = {
      request: async () => {
        const other = new Workspace(DataFolder.open(folder.path));
        await other.forget(id);
        other.commit();
        return { value: { role: "owner", visibility: "private", members: [{}], stored: 2, wanted: 2 } };
      },
    };
    const household = { workspace, session: () => Promise.resolve(session as unknown as Session) };
    await adoptLists(
      household,
      workspace.listIds().flatMap((one) => workspace.list(one) ?? []),
    );
    expect(folder.listIds()).toEqual([]);
  });
});
