import { randomInt } from "node:crypto";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Operator } from "../../src/client/operator.js";
import { areOne, until } from "../chaos/shoppers.js";
import { Cluster, Device } from "../e2e/harness.js";
import { filesIn, flip, lengthOf } from "./files.js";

const IS_LONG = process.env.AISLE_LONG !== undefined;
const LISTS = IS_LONG ? 24 : 12;
/** In the long form one file is harmed at a time, else all at once. */
const ROUNDS = IS_LONG ? 40 : 4;
const VICTIM = "server-2";

/** A bound for hangs. */
const PATIENCE_MS = 60_000;

describe("a server with a flipped byte in every file of its folder, one after the other", () => {
  const cluster = new Cluster(1, 3);
  const lists: string[] = [];
  let device: Device;
  let operator: Operator;
  const folder = join(cluster.folder, VICTIM);

  beforeAll(async () => {
    await cluster.up();
    device = new Device(cluster.brokers);
    operator = new Operator(cluster.brokers.split(","));
    const names = Array.from({ length: LISTS }, (_, index) => `List ${index}`);
    await device.pipe(names.map((name) => `new "${name}"\nadd milk eggs bread\n`).join(""), "batch");
    lists.push(...(await device.json<{ id: string }[]>("lists")).map(({ id }) => id));
    expect(lists).toHaveLength(LISTS);
    await device.ok("sync");
    await restarted();
  });
  afterAll(async () => {
    device.remove();
    await cluster.remove();
  });

  /** Starts what was stopped; whatever the victim has in its journal becomes snapshots. */
  async function restarted(): Promise<void> {
    await cluster.killed(VICTIM);
    await cluster.up();
    await isWhole();
  }

  async function isWhole(): Promise<void> {
    await until("all copies are one", PATIENCE_MS, async () => await areOne(lists, operator));
  }

  const tellings = (): number => (cluster.log(VICTIM).match(/"event":"damage-(set-aside|replaced)"/g) ?? []).length;

  /** What is in the lock says nothing. */
  const harmable = (): readonly string[] =>
    filesIn(folder).filter((path) => !path.includes("/damaged/") && basename(path) !== "lock");

  it("tells of it, sets it aside, and is whole again by itself", async () => {
    let harmed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      // Something new in the journal each time, beside what is in snapshots, and snapshots of several times.
      const some = lists.filter((_, index) => index % 3 === round % 3);
      await device.pipe(some.map((id) => `add "more ${round}" --list ${id}\n`).join(""), "batch");
      await device.ok("sync");
      await cluster.killed(VICTIM);
      const before = tellings();
      const files = harmable().filter((path) => lengthOf(path) > 0);
      const chosen = IS_LONG ? files.slice(round % files.length).slice(0, 1) : files;
      for (const path of chosen) flip(path, randomInt(1_000) / 999);
      harmed += chosen.length;
      await cluster.up();
      await isWhole();
      // What stands among the snapshots may be out of date: then nobody misses it.
      const certain = chosen.filter((path) => !path.includes("/snapshots/")).length;
      expect({ chosen, isTold: tellings() - before >= certain }).toMatchObject({ isTold: true });
      expect(await cluster.command("status")).toBe(0);
      expect(await cluster.command("repair")).toBe(0);
      await device.ok("verify");
    }
    const aside = filesIn(join(folder, "damaged"));
    expect(aside.length).toBeGreaterThan(0);
    expect(cluster.log(VICTIM)).toMatch(/"damage-set-aside".*snapshot/);
    console.log(`${harmed} files harmed, ${tellings()} times told of, ${aside.length} files of what was set aside`);
  });
});
