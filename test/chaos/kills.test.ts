import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Cluster, Device } from "../e2e/harness.js";

const ROUNDS = process.env.AISLE_LONG === undefined ? 4 : 25;

describe("kill -9", () => {
  const cluster = new Cluster(1, 2);
  const devices: Device[] = [];

  beforeAll(async () => await cluster.up());
  afterAll(async () => {
    devices.forEach((one) => one.remove());
    await cluster.remove();
  });

  async function pair(): Promise<[Device, Device]> {
    const [ann, ben] = [new Device(cluster.brokers), new Device(cluster.brokers)];
    devices.push(ann, ben);
    const id = await ann.newOpenList("Groceries");
    await ann.ok("sync");
    await ben.ok("join", id);
    return [ann, ben];
  }

  it.each(["broker-1", "server-1", "server-2"])(
    "of %s between any two steps loses no change whose command exited 0",
    async (victim) => {
      const [ann, ben] = await pair();
      let added = 0;
      for (let round = 0; round < ROUNDS; round++) {
        // The victim dies while both are at it: the commands do not care, the changes wait.
        const commands = [ann, ben, ann, ben].map((one) => one.run("add", "milk"));
        cluster.kill(victim);
        for (const { code } of await Promise.all(commands)) {
          expect(code).toBe(0);
          added++;
        }
        await cluster.up();
      }
      for (const one of [ann, ben, ann]) await one.ok("sync");
      expect(await ann.amounts()).toEqual({ milk: `${added}/0` });
      expect(await ben.ok("show", "--digest")).toBe(await ann.ok("show", "--digest"));
    },
  );

  it("of a server and a start on its folder serve what it had acknowledged, to a device that never saw it", async () => {
    const [ann] = await pair();
    await ann.ok("add", "milk", "eggs");
    await ann.ok("sync");
    const [{ id }] = await ann.json<[{ id: string }]>("lists");
    for (const server of ["server-1", "server-2"]) cluster.kill(server);
    ann.remove();
    await cluster.up();
    const cat = new Device(cluster.brokers);
    devices.push(cat);
    await cat.ok("join", id);
    expect(await cat.amounts()).toEqual({ eggs: "1/0", milk: "1/0" });
  });

  it("and the loss of every server's disk: devices bring back what they have", async () => {
    const [ann, ben] = await pair();
    await ann.ok("add", "milk", "eggs");
    for (const one of [ann, ben]) await one.ok("sync");
    for (const server of ["server-1", "server-2"]) {
      cluster.kill(server);
      rmSync(join(cluster.folder, server), { recursive: true });
    }
    await cluster.up();
    // Who may do what was lost as well: it comes back with the device that made the list.
    for (const one of [ann, ben]) await one.ok("sync");
    const cat = new Device(cluster.brokers);
    devices.push(cat);
    const [{ id }] = await ann.json<[{ id: string }]>("lists");
    await cat.ok("join", id);
    expect(await cat.ok("show", "--digest")).toBe(await ann.ok("show", "--digest"));
  });

  it("of the client between any two steps of a sync loses nothing and counts nothing twice", async () => {
    const [ann, ben] = await pair();
    let added = 0;
    for (let delayMs = 0; delayMs < 300; delayMs += 300 / (3 * ROUNDS)) {
      await ann.ok("add", "milk", "--offline");
      added++;
      const sync = ann.start("sync");
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await sync.stop("SIGKILL");
    }
    for (const one of [ann, ben]) await one.ok("sync");
    expect(await ben.amounts()).toEqual({ milk: `${added}/0` });
  });
});
