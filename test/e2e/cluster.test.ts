import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Cluster, Device } from "./harness.js";

interface Where {
  readonly digest: string;
  readonly copies: readonly { readonly server: string; readonly role: string; readonly digest: string | null }[];
}

async function aliveServers(device: Device): Promise<string[]> {
  const { servers } = await device.json<{ servers: { id: string; alive: boolean }[] }>("cluster", "status");
  return servers.filter(({ alive }) => alive).map(({ id }) => id);
}

describe("the commands that look at a cluster", () => {
  const cluster = new Cluster(2, 4);
  let ann: Device;

  beforeAll(async () => {
    await cluster.up();
    ann = new Device(cluster.brokers);
    await ann.newList("Groceries");
    await ann.ok("add", "milk", "eggs");
    await ann.ok("sync");
  });

  afterAll(async () => {
    ann.remove();
    await cluster.remove();
  });

  it("show the ring: every partition on three servers, a function of who belongs", async () => {
    const { partitions } = await ann.json<{ partitions: { owners: string[] }[] }>("cluster", "ring");
    expect(partitions).toHaveLength(256);
    expect(new Set(partitions.map(({ owners }) => new Set(owners).size))).toEqual(new Set([3]));
    const { servers } = await ann.json<{ servers: { partitions: number }[] }>("cluster", "status");
    expect(servers.reduce((sum, server) => sum + server.partitions, 0)).toBe(3 * 256);
  });

  it("show where a list is, each copy with the digest that the device shows", async () => {
    const { digest, copies } = await ann.json<Where>("cluster", "where", "Groceries");
    expect(copies.filter(({ role }) => role === "owner").map((copy) => copy.digest)).toEqual([digest, digest, digest]);
    expect((await ann.ok("show", "--digest")).trim()).toBe(digest);
    expect((await ann.run("cluster", "where", "00000000-0000-4000-8000-000000000000")).code).toBe(3);
  });

  it("find nothing to repair, hint or transfer in a cluster at rest", async () => {
    const pairs = await ann.json<{ differing: number; failed: boolean }[]>("cluster", "repair");
    expect(pairs).toHaveLength(4 * 3);
    expect(pairs.every(({ differing, failed }) => differing === 0 && !failed)).toBe(true);
    expect(await ann.json("cluster", "hints")).toEqual([]);
    expect(await ann.json("cluster", "transfers")).toEqual([]);
  });

  it("verify that everything is stored, and exit 6 where a change is on this device alone", async () => {
    const [verified] = await ann.json<[{ verified: boolean; servers: string[] }]>("verify");
    expect(verified.verified).toBe(true);
    expect(verified.servers).toHaveLength(3);
    // One that holds the list is left: another one could not tell who may write to it.
    const { copies } = await ann.json<Where>("cluster", "where", "Groceries");
    const left = copies.find(({ role }) => role === "owner")?.server;
    for (const server of ["server-1", "server-2", "server-3", "server-4"].filter((id) => id !== left))
      await cluster.killed(server);
    // Until the brokers have missed their heartbeats, requests may go to the dead.
    let alive: string[] = [];
    for (let attempt = 0; alive.join() !== left && attempt < 100; attempt++) alive = await aliveServers(ann);
    expect(alive).toEqual([left]);
    await ann.ok("add", "bread", "--offline");
    const { code, stdout } = await ann.run("verify", "--json");
    expect([code, (JSON.parse(stdout) as { pending: number }[])[0]?.pending]).toEqual([6, 1]);
    // With that one alive the change is taken, and not called stored.
    const sync = await ann.run("sync", "--json");
    expect([sync.code, (JSON.parse(sync.stdout) as { pending: number }).pending]).toEqual([5, 1]);
    await cluster.up();
    await ann.ok("sync");
    await ann.ok("verify");
  });

  it("refuse what cannot be done, each with its exit code", async () => {
    expect((await ann.run("cluster", "leave", "server-9")).code).toBe(3);
    expect((await ann.run("cluster", "leave", "../etc")).code).toBe(2);
    expect((await ann.run("cluster", "remove", "server-1")).code).toBe(6);
    const elsewhere = await ann.run(
      "cluster",
      "up",
      "--data",
      cluster.folder,
      "--port-base",
      `${cluster.portBase + 100}`,
    );
    expect([elsewhere.code, elsewhere.stderr]).toEqual([6, expect.stringContaining("runs already, on ports from")]);
    const nobody = new Device();
    expect((await nobody.run("cluster", "hints")).code).toBe(5);
    nobody.remove();
  });

  it("let a server leave, give up a dead one, and start neither again", async () => {
    expect(await cluster.command("leave", "server-4")).toBe(0);
    await cluster.up();
    const { servers } = await ann.json<{ servers: { id: string; status: string; alive: boolean }[] }>(
      "cluster",
      "status",
    );
    expect(servers.at(-1)).toMatchObject({ id: "server-4", status: "removed", alive: false });
    await ann.ok("add", "cheese");
    await ann.ok("sync");

    await cluster.killed("server-3");
    // Until the brokers have missed its heartbeats it counts as alive, and is not given up.
    let code = 6;
    for (let attempt = 0; code === 6 && attempt < 100; attempt++)
      ({ code } = await ann.run("cluster", "remove", "server-3"));
    expect(code).toBe(0);
    await cluster.up();
    expect(
      (await ann.json<{ partitions: { owners: string[] }[] }>("cluster", "ring")).partitions[0]?.owners,
    ).toHaveLength(2);
    await ann.ok("add", "jam");
    await ann.ok("sync");
    await ann.ok("verify");
  });
});
