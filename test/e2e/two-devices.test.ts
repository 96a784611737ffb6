import { cpSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { foldName } from "../../src/crdt/item-key.js";
import { DEFAULT_HEARTBEAT } from "../../src/protocol/heartbeat.js";
import { freePortBase } from "../../scripts/free-ports.js";
import { Cluster, Device, realLists, temporaryFolder } from "./harness.js";

describe("two devices, one list", () => {
  const cluster = new Cluster(1, 3);
  const devices: Device[] = [];
  const device = (): Device => {
    const made = new Device(cluster.brokers);
    devices.push(made);
    return made;
  };

  beforeAll(async () => await cluster.up());
  afterAll(async () => {
    devices.forEach((one) => one.remove());
    await cluster.remove();
  });

  /** Two devices that share a fresh list. */
  async function pair(): Promise<[Device, Device]> {
    const [ann, ben] = [device(), device()];
    const id = await ann.newOpenList("Groceries");
    await ann.ok("sync");
    await ben.ok("join", id);
    return [ann, ben];
  }

  it("edit it offline and see the same in the end: the worked example", async () => {
    const [ann, ben] = await pair();
    await ann.ok("add", "Milk x2", "6 Eggs", "--offline");
    await ben.ok("add", "Bread", "12 Eggs", "--offline");
    await ben.ok("got", "eggs", "6", "--offline");
    for (const one of [ann, ben, ann]) await one.ok("sync");
    const [seenByAnn, seenByBen] = [await ann.show(), await ben.show()];
    expect(seenByAnn).toEqual(seenByBen);
    expect(await ann.amounts()).toEqual({ Bread: "1/0", Eggs: "18/6", Milk: "2/0" });
    expect(await ann.ok("show", "--digest")).toBe(await ben.ok("show", "--digest"));
  });

  it("send what one list has left with the next change of another", async () => {
    const one = device();
    for (const name of ["Groceries", "Hardware"]) await one.ok("new", name, "--offline");
    await one.ok("add", "nails", "--list", "Hardware", "--offline");
    await one.ok("add", "milk", "--list", "Groceries", "--sync-budget", "20s");
    const lists = await one.json<{ name: string; pending: number }[]>("lists");
    expect(lists.map(({ name, pending }) => `${name} ${pending}`)).toEqual(["Groceries 0", "Hardware 0"]);
  });

  it("tell what is refused of a list that goes along with another one", async () => {
    const [ann, ben] = await pair();
    await ben.ok("new", "Hardware");
    await ben.ok("add", "milk", "--list", "Groceries", "--offline");
    await ann.ok("private", "Groceries");
    const { code, stderr } = await ben.run("add", "nails", "--sync-budget", "20s");
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^aisle: Groceries: kept here, and not sent: [^\n]+\n$/)]);
    const lists = await ben.json<{ name: string; pending: number }[]>("lists");
    expect(lists.map(({ name, pending }) => `${name} ${pending}`)).toEqual(["Groceries 1", "Hardware 0"]);
  });

  it("tell each of them when both took the same, and who took what", async () => {
    const [ann, ben] = await pair();
    await ann.ok("add", "5 eggs");
    await ann.ok("sync");
    await ben.ok("sync");
    for (const one of [ann, ben]) await one.ok("got", "eggs", "3", "--offline");
    await ben.ok("sync");
    const { stderr } = await ann.run("sync");
    expect(stderr).toBe("aisle: eggs: 6 in the basket and 5 needed; `aisle explain` shows who took what\n");
    expect(await ann.ok("show")).toContain("eggs  6 of 5  1 too many");
    expect(await ann.ok("explain", "eggs")).toContain("at the same time as");
  });

  it("may both be undone and explained after they were synced: what others did since stays", async () => {
    const [ann, ben] = await pair();
    await ann.ok("add", "2 milk");
    await ann.ok("sync");
    await ben.ok("add", "3 milk");
    await ben.ok("sync");
    await ann.ok("undo");
    await ann.ok("sync");
    await ben.ok("sync");
    expect([await ann.amounts(), await ben.amounts()]).toEqual([{ milk: "3/0" }, { milk: "3/0" }]);
    await ben.ok("remove", "milk");
    await ben.ok("restore", "milk");
    expect(await ben.amounts()).toEqual({ milk: "3/0" });
  });

  it("import whole files of real names at the same time and agree on every one", async () => {
    const { source, files } = realLists();
    console.log(`importing ${source}`);
    const [ann, ben] = await pair();
    const names = new Map<string, number>();
    for (const file of files) {
      for (const line of readFileSync(file, "utf8").split("\n")) {
        const name = foldName(line.split("\t")[0] ?? "");
        if (name !== "") names.set(name, (names.get(name) ?? 0) + 2);
      }
    }
    await Promise.all(
      [ann, ben].map(async (one) => {
        for (const file of files) await one.ok("import", file);
      }),
    );
    for (const one of [ann, ben, ann, ben]) await one.ok("sync");
    const { items, digest, pending } = await ann.show();
    expect(pending).toBe(0);
    expect((await ben.show()).digest).toBe(digest);
    expect(new Map(items.map((item) => [foldName(item.name), item.needed]))).toEqual(names);
  });

  it("import a table of names and aisles as such", async () => {
    const [ann] = await pair();
    const table = realLists().files.find((file) => file.endsWith(".tsv")) ?? "";
    await ann.ok("import", table);
    const rows = readFileSync(table, "utf8")
      .split("\n")
      .filter((line) => line !== "");
    const { items } = await ann.show();
    for (const row of rows) {
      const [name = "", aisle = ""] = row.split("\t");
      const item = items.find((one) => foldName(one.name) === foldName(name));
      if (aisle !== "") expect(item).toMatchObject({ aisle });
    }
  });

  it("show a change to a watcher, without polling, and again after the broker was restarted", async () => {
    const [ann, ben] = await pair();
    const watcher = ben.start("watch", "--ndjson");
    await watcher.until((seen) => seen.includes('"event":"online"'));
    await ann.ok("add", "cheese");
    await watcher.until((seen) => seen.includes('"cheese"'));
    const before = await requestsRead(ann);
    // Not a wait for something to happen but the time in which nothing may: three feed heartbeats.
    await new Promise((resolve) => setTimeout(resolve, 3 * DEFAULT_HEARTBEAT.heartbeatIntervalMs));
    // The question itself takes one request to the broker and one to each server.
    expect(await requestsRead(ann)).toBe(before + 1 + cluster.serverCount);
    cluster.kill("broker-1");
    await cluster.up();
    await ann.ok("add", "butter");
    await ann.ok("sync");
    await watcher.until((seen) => seen.includes('"butter"'));
    expect(await watcher.stop("SIGINT")).toBe(0);
  });

  it("sync within a batch, which sends the lines before it", async () => {
    const [ann, ben] = await pair();
    const { code, stdout } = await ann.pipe("add milk\nsync\nadd eggs\n", "batch", "--ndjson");
    expect([code, stdout.trim().split("\n")]).toEqual([
      0,
      expect.arrayContaining([expect.stringContaining('"pending":0')]),
    ]);
    await ann.ok("sync");
    await ben.ok("sync");
    expect(await ben.amounts()).toEqual({ eggs: "1/0", milk: "1/0" });
  });

  it("take a copied data folder for another device, and count every change of both once", async () => {
    const [ann] = await pair();
    await ann.ok("add", "milk");
    await ann.ok("sync");
    const twin = device();
    cpSync(ann.folder, twin.folder, { recursive: true });
    await ann.ok("add", "2 milk", "--offline");
    await twin.ok("add", "4 milk", "--offline");
    for (const one of [ann, twin, ann]) await one.ok("sync");
    expect(await ann.amounts()).toEqual({ milk: "7/0" });
    expect(await twin.amounts()).toEqual({ milk: "7/0" });
  });

  it("survive that a folder was put back to an older state: nothing of either time is lost", async () => {
    const [ann, ben] = await pair();
    await ann.ok("add", "milk");
    await ann.ok("sync");
    const backup = device();
    cpSync(ann.folder, backup.folder, { recursive: true });
    await ann.ok("add", "2 milk");
    await ann.ok("sync");
    // Put back in place, so that the folder itself is the same one and only its content is old.
    rmSync(`${ann.folder}/lists`, { recursive: true });
    cpSync(`${backup.folder}/lists`, `${ann.folder}/lists`, { recursive: true });
    await ann.ok("add", "8 milk", "--offline");
    for (const one of [ann, ben, ann]) await one.ok("sync");
    expect(await ann.amounts()).toEqual({ milk: "11/0" });
    expect(await ben.amounts()).toEqual({ milk: "11/0" });
  });
});

describe("a cluster in the foreground", () => {
  it("stays until it is asked to stop, and then leaves no process behind", async () => {
    const folder = temporaryFolder();
    const base = await freePortBase(51_000);
    const device = new Device(`tcp://127.0.0.1:${base}`);
    const shape = ["--brokers", "1", "--servers", "1", "--port-base", `${base}`, "--data", folder];
    const cluster = device.start("cluster", "up", "--foreground", ...shape);
    await cluster.untilSaid((said) => said.includes("Ctrl-C"));
    const pids = ["broker-1", "server-1"].map((name) => Number(readFileSync(`${folder}/run/${name}.pid`, "utf8")));
    await device.ok("cluster", "status");
    expect(await cluster.stop("SIGINT")).toBe(0);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    device.remove();
    rmSync(folder, { recursive: true, force: true });
  });
});

/** How many requests the broker has read, this question included. */
async function requestsRead(device: Device): Promise<number> {
  const { brokers } = await device.json<{ brokers: { counters: { requests: number } }[] }>("cluster", "status");
  return brokers[0]?.counters.requests ?? Number.NaN;
}
