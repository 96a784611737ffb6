import { randomInt } from "node:crypto";
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Operator } from "../../src/client/operator.js";
import { areOne, until } from "../chaos/shoppers.js";
import { Cluster, Device } from "../e2e/harness.js";
import { filesIn, flip } from "./files.js";

const IS_LONG = process.env.AISLE_LONG !== undefined;
const LISTS = IS_LONG ? 24 : 12;
/** How many files are harmed between two starts. */
const AT_A_TIME = IS_LONG ? 1 : 6;
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

  /** Harms some files that were not yet harmed, and answers which of them; those of the journal last. */
  function harm(done: Set<string>): readonly string[] {
    const left = harmable().filter((path) => !done.has(path) && statSync(path).size > 0);
    const chosen = [...left.filter((path) => !isJournal(path)), ...left.filter(isJournal)].slice(0, AT_A_TIME);
    for (const path of chosen) {
      done.add(path);
      flip(path, randomInt(1_000) / 999);
    }
    return chosen;
  }

  it("tells of it, sets it aside, and is whole again by itself", async () => {
    const done = new Set<string>();
    for (let chosen: readonly string[] = []; !chosen.some(isJournal);) {
      // Something new in the journal each time, beside what is in snapshots.
      await device.ok("add", `more ${done.size}`, "--list", "List 0");
      await device.ok("sync");
      await cluster.killed(VICTIM);
      const before = tellings();
      chosen = harm(done);
      await cluster.up();
      await isWhole();
      expect({ chosen, told: tellings() - before }).toMatchObject({ told: chosen.length });
      expect(await cluster.command("status")).toBe(0);
      expect(await cluster.command("repair")).toBe(0);
      await device.ok("verify");
    }
    expect([...done].filter((path) => path.includes("/lists/"))).toHaveLength(LISTS);
    const aside = filesIn(join(folder, "damaged"));
    expect(aside.length).toBeGreaterThan(LISTS);
    console.log(`${done.size} files harmed, each told of, ${aside.length} set aside`);
  });
});

const isJournal = (path: string): boolean => path.includes("/journal/");
