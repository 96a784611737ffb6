import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { Dealer } from "zeromq";
import { encodeAccountRequest } from "../../src/protocol/account-messages.js";
import { encodeClientRequest } from "../../src/protocol/frames.js";
import { readAddress } from "../../src/protocol/address.js";
import { toFront } from "../../src/runtime/curve.js";
import { accountDocumentOf } from "../../src/protocol/identity.js";
import { Cluster, Device, run, temporaryFolder, type Outcome, itWithCopies } from "./harness.js";

const cluster = new Cluster(1, 3, true);
const devices: Device[] = [];

beforeAll(async () => await cluster.up(), 60_000);
afterEach(() => devices.splice(0).forEach((one) => one.remove()));
afterAll(async () => await cluster.remove());

function device(brokers = cluster.brokers): Device {
  const made = new Device(brokers);
  devices.push(made);
  return made;
}

const enter = (who: Device, verb: string, name: string, ...secrets: string[]): Promise<Outcome> =>
  who.pipe(`${secrets.join("\n")}\n`, verb, name, "--password-stdin", "--json");

async function codesOf(outcome: Promise<Outcome>): Promise<readonly string[]> {
  const { stdout, stderr, code } = await outcome;
  if (code !== 0) throw new Error(stderr);
  return (JSON.parse(stdout) as { recoveryCodes: string[] }).recoveryCodes;
}

/** Someone with an account of this name and the password `password of NAME`, on a device of their own. */
async function person(name: string, own = device()): Promise<Device> {
  await codesOf(enter(own, "register", name, `password of ${name}`));
  return own;
}

describe("an account", () => {
  it("leaves no recovery code on the device once they were told, nor anything else to register with", async () => {
    const own = device();
    const codes = await codesOf(enter(own, "register", "olga", "olga's password"));
    for (const name of readdirSync(own.folder).filter((one) => one.endsWith(".json")))
      for (const code of codes) expect(readFileSync(join(own.folder, name), "utf8")).not.toContain(code);
    expect((await enter(own, "register", "olga", "olga's password")).code).toBe(6);
  });

  it("is recovered by each of its codes once, which ends its other logins", async () => {
    const first = device();
    const [code = "", next = ""] = await codesOf(enter(first, "register", "rita", "rita's password"));
    const second = device();
    expect((await enter(second, "recover", "rita", code, "another password")).code).toBe(0);
    expect((await first.run("sync")).code).toBe(0);
    expect((await first.run("devices")).code).toBe(4);
    expect((await enter(device(), "recover", "rita", code, "a third password")).code).toBe(6);
    expect((await enter(device(), "recover", "rita", next, "a third password")).code).toBe(0);
    expect((await enter(device(), "login", "rita", "another password")).code).toBe(4);
    expect((await enter(device(), "login", "rita", "a third password")).code).toBe(0);
  });

  it("keeps its password and its devices in its own hands", async () => {
    const own = await person("dora");
    const lost = device();
    await enter(lost, "login", "dora", "password of dora");
    const { device: id } = JSON.parse((await lost.run("whoami", "--json")).stdout) as { device: string };
    expect((await own.run("devices", "revoke", id)).code).toBe(0);
    expect((await lost.run("devices")).code).toBe(4);
    const change = (...secrets: string[]): Promise<Outcome> =>
      own.pipe(`${secrets.join("\n")}\n`, "password", "--password-stdin");
    expect((await change("a wrong one", "the next password")).code).toBe(4);
    expect((await change("password of dora", "the next password")).code).toBe(0);
    // Asked again, as after a lost answer.
    expect((await change("password of dora", "the next password")).code).toBe(0);
    expect((await enter(lost, "login", "dora", "password of dora")).code).toBe(4);
    expect((await enter(lost, "login", "dora", "the next password")).code).toBe(0);
  });

  it("gets the lists that its device made before, by whatever command sends them", async () => {
    const first = device();
    const listId = await first.newList("Picnic", "--offline");
    await first.ok("add", "cake", "--offline");
    await codesOf(enter(first, "register", "pia", "password of pia"));
    const second = device();
    await enter(second, "login", "pia", "password of pia");
    expect(await second.ok("join", listId)).toContain("Picnic");
    expect(await second.ok("show")).toContain("cake");
    expect((await second.run("members", listId)).stdout).toMatch(/^owner +pia$/m);
  });

  it("has a name that cannot pass for another one", async () => {
    for (const name of ["pia\u{fe0f}", "p\u{34f}ia", "\u{3164}", "pi\u{430}"]) {
      expect((await enter(device(), "register", name, "a long password")).code).toBe(2);
    }
  });

  it("goes on as it was for whoever is logged in, where somebody else guesses", async () => {
    const own = await person("gina");
    const stranger = device();
    const codes: number[] = [];
    // One more is forgiven every few seconds.
    while (codes.at(-1) !== 6 && codes.length < 40)
      codes.push((await enter(stranger, "login", "gina", `guess ${codes.length}`)).code);
    expect(codes.filter((code) => code === 4).length).toBeGreaterThanOrEqual(10);
    expect(codes.at(-1)).toBe(6);
    await own.ok("logout");
    expect((await enter(own, "login", "gina", "password of gina")).code).toBe(0);
  }, 120_000);

  it("can be entered from a known device while strangers fill the queue", async () => {
    const own = await person("flora");
    await own.ok("logout");
    const address = readAddress(cluster.brokers);
    const sockets = Array.from({ length: 12 }, () => new Dealer({ linger: 0, ...toFront(address?.key ?? null) }));
    for (const [at, socket] of sockets.entries()) {
      socket.connect(address?.endpoint ?? "");
      for (let count = 0; count < 4; count++) await socket.send(guess(`nobody${at}x${count}`));
    }
    expect((await enter(own, "login", "flora", "password of flora")).code).toBe(0);
    for (const socket of sockets) socket.close();
  });
});

/** Somebody's attempt to log in, who does not wait for the answer. */
function guess(name: string): Uint8Array[] {
  const login = { id: "0123456789", label: "" };
  const body = encodeAccountRequest({ do: "login", name, password: "a guess of mine", login });
  const listId = accountDocumentOf(name);
  const request = { kind: "account", requestId: name, listId, serverId: null, timeoutMs: 5_000, token: "" } as const;
  return [new Uint8Array(0), ...encodeClientRequest({ ...request, body })];
}

describe("with fewer servers than have to know of it", () => {
  itWithCopies(
    "no change of an account counts as done, and the same registration is taken up again",
    async () => {
      const own = await person("wim");
      for (const name of ["server-2", "server-3"]) await cluster.killed(name);
      const change = (): Promise<Outcome> =>
        own.pipe("password of wim\nthe next password\n", "password", "--password-stdin");
      expect((await change()).code).toBe(5);
      const late = device();
      expect((await enter(late, "register", "xaver", "password of xaver")).code).toBe(5);
      await cluster.up();
      expect((await change()).code).toBe(0);
      expect(await codesOf(enter(late, "register", "xaver", "password of xaver"))).toHaveLength(10);
      expect((await late.run("whoami")).stdout).toBe("xaver\n");
    },
    120_000,
  );
});

describe("a list", () => {
  it("is not left with changes that nobody else has seen, unless that is wanted", async () => {
    const [ann, ben] = [await person("ann"), await person("ben")];
    const listId = await ann.newList("Dinner");
    const { invitation } = await ann.json<{ invitation: string }>("share", listId);
    await ben.ok("join", invitation);
    await ann.ok("revoke", listId, "ben");
    await ben.ok("add", "precious", "--offline");
    const { code, stderr } = await ben.run("leave", listId);
    expect([code, stderr]).toEqual([6, expect.stringContaining("1 of your changes that nobody else has seen")]);
    expect(await ben.ok("show")).toContain("precious");
  });

  it("changes hands in one step", async () => {
    const [ann, ben] = [await person("anton"), await person("berta")];
    const listId = await ann.newList("Dinner");
    const { invitation } = await ann.json<{ invitation: string }>("share", listId);
    await ben.ok("join", invitation);
    await ann.ok("transfer", listId, "berta");
    expect(await ben.ok("members", listId)).toMatch(/^owner +berta$/m);
    expect(await ben.ok("members", listId)).toMatch(/^editor +anton$/m);
    // Who is made less cannot come back as more by the invitation they had.
    await ben.ok("role", listId, "anton", "viewer");
    await ann.ok("sync");
    expect((await ann.run("add", "--list", listId, "milk")).code).toBe(4);
  });
});

describe("keys", () => {
  const cluster = new Cluster(1, 1, true);
  beforeAll(async () => await cluster.up(), 60_000);
  afterAll(async () => await cluster.remove());

  const rotate = (...words: string[]): Promise<Outcome> =>
    run(["cluster", "rotate-key", ...words, "--data", cluster.folder], {});

  it("are files that nobody else can read", () => {
    for (const name of ["token", "front", "back", "operator"])
      expect(statSync(join(cluster.keys, `${name}.key`)).mode & 0o777).toBe(0o600);
  });

  it("that sign tokens are replaced while servers run, and logins stay good unless they are to be forgotten", async () => {
    const own = await person("karl", device(cluster.brokers));
    expect((await rotate("token")).code).toBe(0);
    expect((await own.run("devices")).code).toBe(0);
    await cluster.down();
    await cluster.up();
    expect((await own.run("devices")).code).toBe(0);
    expect((await enter(device(cluster.brokers), "login", "karl", "password of karl")).code).toBe(0);
    expect((await rotate("token", "--forget")).code).toBe(0);
    await cluster.down();
    await cluster.up();
    expect((await own.run("devices")).code).toBe(4);
    expect((await rotate("front", "--forget")).code).toBe(2);
  }, 120_000);

  it("of the brokers and of the cluster's own processes are replaced with a restart, and the old ones open nothing", async () => {
    const before = device(cluster.brokers);
    await before.newList("Before");
    for (const key of ["front", "back", "operator"]) expect((await rotate(key)).code).toBe(0);
    await cluster.down();
    await cluster.up();
    expect((await before.run("sync")).code).toBe(5);
    const after = device(cluster.brokers);
    expect(after.brokers).not.toBe(before.brokers);
    await after.newList("After");
    await after.ok("sync");
  }, 120_000);

  it.each([
    ["readable by others", (path: string) => chmodSync(path, 0o640), /chmod 600/],
    ["damaged", (path: string) => writeFileSync(path, '{"keys":[]}', { mode: 0o600 }), /damaged/],
  ])("that are %s stop a service before it starts, which says so and ends", async (_what, spoil, expected) => {
    const folder = temporaryFolder();
    const serverAt = (keys: string): Promise<Outcome> =>
      run(
        [
          "server",
          "--id",
          "s",
          "--broker",
          "tcp://127.0.0.1:9",
          "--publish",
          "tcp://127.0.0.1:45993",
          "--data",
          folder,
        ].concat(["--keys", keys]),
        {},
      );
    const path = join(folder, "token.key");
    writeFileSync(path, readFileSync(join(cluster.keys, "token.key")), { mode: 0o600 });
    spoil(path);
    const { code, stderr } = await serverAt(folder);
    expect([code, stderr]).toEqual([1, expect.stringMatching(expected)]);
    rmSync(folder, { recursive: true });
  });
});

describe("clear text", () => {
  it("is not what a cluster with keys falls back to where --curve is left out", async () => {
    const own = new Cluster(1, 1, true);
    await own.up();
    await own.down();
    const { portBase: base, folder } = own;
    const words = ["--brokers", "1", "--servers", "1", "--port-base", `${base}`, "--data", folder, "--json"];
    const { stdout, stderr } = await run(["cluster", "up", ...words], {});
    expect((JSON.parse(stdout) as { brokers: string[] }).brokers.join()).toContain("#");
    expect(stderr).toContain("--curve");
    await own.remove();
  });

  it("leaves the machine neither from a service nor from a person, unless they insist", async () => {
    const words = [
      "--frontend",
      "tcp://0.0.0.0:45990",
      "--backend",
      "tcp://127.0.0.1:45991",
      "--updates",
      "tcp://127.0.0.1:45992",
    ];
    const { code, stderr } = await run(["broker", ...words], {});
    expect([code, stderr]).toEqual([2, expect.stringContaining("clear text")]);
    const traveller = new Device("tcp://192.0.2.1:5555");
    devices.push(traveller);
    expect((await enter(traveller, "login", "anna", "a long password")).code).toBe(2);
    expect((await traveller.run("sync")).code).toBe(2);
    const insisting = await run(["sync", "--insecure"], traveller.env);
    expect(insisting.code).toBe(5);
  });
});
