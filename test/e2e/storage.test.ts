import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Cluster, Device, temporaryFolder } from "./harness.js";

interface Checked {
  readonly lists: number;
  readonly problems: readonly { readonly path: string; readonly problem: string }[];
}

describe("the folders of servers", () => {
  const cluster = new Cluster(1, 3);
  const device = new Device();
  const scratch = temporaryFolder();
  const backup = join(scratch, "backup");
  const check = async (folder: string): Promise<readonly Checked[]> => {
    const { stdout } = await device.run("cluster", "check", "--data", folder, "--json");
    return JSON.parse(stdout) as readonly Checked[];
  };

  beforeAll(async () => await cluster.up());
  afterAll(async () => {
    device.remove();
    await cluster.remove();
  });

  it("are backed up while the servers run and are written to, and restored as a cluster that has it all", async () => {
    const ann = new Device(cluster.brokers);
    const id = await ann.newOpenList("Groceries");
    await ann.ok("add", ...Array.from({ length: 50 }, (_, index) => `item ${index}`));
    await ann.ok("sync");
    const load = { isOver: false };
    const writing = (async () => {
      for (let at = 0; !load.isOver; at++) await ann.ok("add", `later ${at}`);
    })();
    const told = await device.ok("cluster", "backup", backup, "--data", cluster.folder);
    load.isOver = true;
    await writing;
    expect(told.match(/copied .*: 1 lists in \d+ files/g)).toHaveLength(3);

    const { code, stderr } = await device.run("cluster", "check", "--data", cluster.folder);
    expect([code, stderr]).toEqual([6, expect.stringMatching(/held by process \d+; stop the server first/)]);

    const again = new Cluster(1, 3);
    await device.ok("cluster", "restore", backup, "--data", again.folder);
    await again.up();
    const ben = new Device(again.brokers);
    await ben.ok("join", id);
    await ben.ok("sync");
    const names = (await ben.show()).items.map(({ name }) => name);
    expect(Array.from({ length: 50 }, (_, index) => `item ${index}`).filter((name) => !names.includes(name))).toEqual(
      [],
    );
    ann.remove();
    ben.remove();
    await again.remove();
  });

  it("are found to be whole, or what is wrong with them is said", async () => {
    expect((await check(backup)).map(({ lists, problems }) => [lists, problems])).toEqual(Array(3).fill([1, []]));
    const server = join(backup, "server-2");
    const [segment = ""] = readdirSync(join(server, "journal"));
    const path = join(server, "journal", segment);
    writeFileSync(path, readFileSync(path, "utf8").replace("item 7", "item 8"));
    const { code, stdout } = await device.run("cluster", "check", "--data", backup);
    expect(code).toBe(1);
    expect(stdout).toMatch(/server-2: .*\n {2}WRONG .*journal.*: 1 of its lines are damaged\n/);
    const { code: refused, stderr } = await device.run("cluster", "restore", backup, "--data", join(scratch, "fresh"));
    expect([refused, stderr]).toEqual([6, expect.stringMatching(/^aisle: the backup is damaged: /)]);
  });

  it("are not overwritten, and are where one says", async () => {
    expect((await device.run("cluster", "restore", backup, "--data", backup)).code).toBe(6);
    expect((await device.run("cluster", "check", "--data", scratch)).stderr).toMatch(/there is no server's data in /);
  });
});
