import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Cluster, Device } from "./harness.js";

/** All that a list can hold, or enough to take everyone who reads it longer than anything else. */
const ITEMS = process.env.AISLE_LONG === undefined ? 30_000 : 100_000;

describe("a list of very many items", () => {
  const cluster = new Cluster(2, 3);
  const devices: Device[] = [];

  beforeAll(async () => await cluster.up());
  afterAll(async () => {
    for (const device of devices) device.remove();
    await cluster.remove();
  });

  it("is brought to the cluster in one go, and fetched from it", async () => {
    const [ann, ben] = [new Device(cluster.brokers), new Device(cluster.brokers)];
    devices.push(ann, ben);
    const id = await ann.newOpenList("Stock");
    const lines = Array.from({ length: ITEMS }, (_, item) => `thing ${item}\n`).join("");
    expect((await ann.pipe(lines, "import", "-", "--offline")).code).toBe(0);
    await ann.ok("sync");
    await ann.ok("verify");
    await ben.ok("join", id);
    expect((await ben.show()).items).toHaveLength(ITEMS);
    await ben.ok("add", "thing 7");
    await ben.ok("verify");
  }, 120_000);
});
