import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { SignJWT } from "jose";
import type { LoginFile } from "../../src/client/data-folder.js";
import { DurableJsonFile } from "../../src/runtime/durable-file.js";
import { KeyFolder, type TokenKeys } from "../../src/runtime/key-files.js";
import { Cluster, Device, temporaryFolder, itWithCopies } from "./harness.js";

const PEOPLE = ["stranger", "viewer", "editor", "owner", "revoked", "expired", "forged", "foreign"] as const;

type Person = (typeof PEOPLE)[number];

const cluster = new Cluster(1, 3, true);
const devices = new Map<Person, Device>();
let listId = "";

function deviceOf(person: Person): Device {
  const known = devices.get(person);
  if (known !== undefined) return known;
  const made = new Device(cluster.brokers);
  devices.set(person, made);
  return made;
}

async function registered(person: Person): Promise<void> {
  const { code, stderr } = await deviceOf(person).pipe(
    `password of ${person}\n`,
    "register",
    person,
    "--password-stdin",
  );
  if (code !== 0) throw new Error(stderr);
}

/** The editor's token as somebody else would make it: signed with other keys, or good until a moment ago. */
async function tokenLike(login: LoginFile, { keys: [key] }: TokenKeys, lifetimeSeconds: number): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  return await new SignJWT({ name: login.name, login: login.login })
    .setProtectedHeader({ alg: "HS256", kid: key?.id ?? "" })
    .setIssuer("aisle")
    .setAudience("account")
    .setSubject(login.account)
    .setIssuedAt(now - 100)
    .setExpirationTime(now + lifetimeSeconds)
    .sign(Buffer.from(key?.secret ?? "", "base64url"));
}

/** A device that has the list as the editor has it, and says that it is the editor's with a token of its own making. */
async function impostor(person: Person, keys: TokenKeys, lifetimeSeconds: number): Promise<void> {
  const file = new DurableJsonFile<{ login: LoginFile }>(join(deviceOf("editor").folder, "account.json"));
  const login = (await file.read())?.login;
  if (login === undefined) throw new Error("the editor is logged in");
  const token = await tokenLike(login, keys, lifetimeSeconds);
  await new DurableJsonFile(join(deviceOf(person).folder, "account.json")).write({ login: { ...login, token } });
}

/** Gives the device a copy of the list, as a person may have who was let in once. */
function handList(person: Person): void {
  const from = join(deviceOf("editor").folder, "lists");
  const to = join(deviceOf(person).folder, "lists");
  mkdirSync(to, { recursive: true });
  copyFileSync(join(from, `${listId}.json`), join(to, `${listId}.json`));
}

beforeAll(async () => {
  await cluster.up();
  for (const person of ["stranger", "viewer", "editor", "owner", "revoked"] as const) await registered(person);
  const owner = deviceOf("owner");
  listId = await owner.newList("Groceries");
  await owner.ok("add", "surprise cake", "bun x2", "rope", "soap");
  await owner.ok("got", "bun", "1");
  await owner.ok("got", "soap");
  for (const person of ["viewer", "editor", "revoked"] as const) {
    const role = person === "viewer" ? "viewer" : "editor";
    const { invitation } = await owner.json<{ invitation: string }>("share", listId, "--role", role);
    await deviceOf(person).ok("join", invitation);
  }
  await owner.ok("revoke", listId, "revoked");
  const [own, other] = [await new KeyFolder(cluster.keys).tokenKeys(), new KeyFolder(temporaryFolder())];
  const forged: TokenKeys = { keys: own.keys.map(({ id }) => ({ id, secret: "A".repeat(43) })) };
  await impostor("expired", own, -1);
  await impostor("forged", forged, 3_600);
  await impostor("foreign", await other.tokenKeys(), 3_600);
  for (const person of ["stranger", "expired", "forged", "foreign"] as const) handList(person);
}, 120_000);

afterAll(async () => {
  for (const device of devices.values()) device.remove();
  await cluster.remove();
});

/** A command line, `ID` being the list's, and its exit code for each of `PEOPLE` in order. */
type Row = readonly [line: string, ...codes: readonly number[]];

const EVERYBODY = [0, 0, 0, 0, 0, 0, 0, 0] as const;
const MEMBERS = [4, 0, 0, 0, 4, 4, 4, 4] as const;
const EDITORS = [4, 4, 0, 0, 4, 4, 4, 4] as const;
const OWNERS = [4, 4, 4, 0, 4, 4, 4, 4] as const;
const NOBODY = [4, 4, 4, 4, 4, 4, 4, 4] as const;
const LOGGED_IN = [0, 0, 0, 0, 0, 4, 4, 4] as const;

const ROWS: readonly Row[] = [
  // What is on this device stays readable: whoever was let in once has it.
  ["show ID", ...EVERYBODY],
  ["log --list ID", ...EVERYBODY],
  ["export ID", ...EVERYBODY],
  ["lists", ...EVERYBODY],
  ["use ID", ...EVERYBODY],
  ["status", ...EVERYBODY],
  ["whoami", ...EVERYBODY],
  ["logout --dry-run", ...EVERYBODY],
  ["leave ID --dry-run", ...EVERYBODY],
  ["delete ID --local --dry-run", ...EVERYBODY],
  ["sync", ...MEMBERS],
  ["sync --plan", ...EVERYBODY],
  ["join ID", ...MEMBERS],
  ["verify ID", ...MEMBERS],
  ["members ID", ...MEMBERS],
  ["members ID --invitations", ...MEMBERS],
  ["share ID", ...OWNERS],
  ["role ID editor editor", ...OWNERS],
  ["role ID nobody editor", 4, 4, 4, 6, 4, 4, 4, 4],
  ["revoke ID nobody", 4, 4, 4, 6, 4, 4, 4, 4],
  ["revoke ID 0123456789ab", 4, 4, 4, 6, 4, 4, 4, 4],
  ["transfer ID nobody", 4, 4, 4, 6, 4, 4, 4, 4],
  ["open ID", ...OWNERS],
  ["private ID", ...OWNERS],
  ["devices", ...LOGGED_IN],
  ["devices revoke 0123456789", 6, 6, 6, 6, 6, 4, 4, 4],
  ["cluster where ID", ...MEMBERS],
  ["cluster status", ...EVERYBODY],
  ["cluster ring", ...EVERYBODY],
  ["cluster hints", ...EVERYBODY],
  ["cluster transfers", ...EVERYBODY],
  ["cluster repair", ...NOBODY],
  ["cluster leave server-3 --yes", ...NOBODY],
  // That it lives, and is not to be removed, everybody may see.
  ["cluster remove server-3 --yes", 6, 6, 6, 6, 6, 6, 6, 6],
];

/** The same for changes, which are made here first: the exit code is that of the `sync` after, or of the change itself. */
const CHANGES: readonly Row[] = [
  ["add --list ID milk", ...EDITORS],
  ["need --list ID bun 7", ...EDITORS],
  ["got --list ID bun 1", ...EDITORS],
  ["ungot --list ID bun", ...EDITORS],
  ["note --list ID bun fresh", ...EDITORS],
  ["aisle-of --list ID bun bakery", ...EDITORS],
  ["unit --list ID rope bag", ...EDITORS],
  ["remove --list ID bun", ...EDITORS],
  ["clear --list ID", ...EDITORS],
  ["import --list ID FILE", ...EDITORS],
  ["batch FILE --list ID", ...EDITORS],
  ["rename ID Food", ...EDITORS],
  ["delete ID --yes", ...OWNERS],
];

/** To the cluster all changes of items are one kind of request: the short form tries some of the commands. */
const SHORT = /^(add|got|remove|import|rename|delete)/;
const tried = process.env.AISLE_LONG === undefined ? CHANGES.filter(([line]) => SHORT.test(line)) : CHANGES;

/** Something to import, and as a batch something to do. */
const [imported, batch] = ["imported", "batch"].map((name) => join(temporaryFolder(), name)) as [string, string];
writeFileSync(imported, "jam\n");
writeFileSync(batch, "add butter\n");

async function codeOf(person: Person, line: string): Promise<number> {
  const words = line.split(" ").map((word) => {
    if (word === "FILE") return line.startsWith("batch") ? batch : imported;
    return word === "ID" ? listId : word;
  });
  const { code, stderr } = await deviceOf(person).run(...words);
  expect(stderr).not.toContain("surprise cake");
  return code;
}

const digest = async (): Promise<string> => {
  await deviceOf("owner").ok("sync");
  return await deviceOf("owner").ok("show", listId, "--digest");
};

/** Makes the change on the person's device, and sends it. */
async function changeBy(person: Person, line: string): Promise<number> {
  // What they may do now, as far as they are told.
  if (["viewer", "editor", "owner"].includes(person)) await deviceOf(person).run("sync");
  const made = await codeOf(person, line);
  return made === 0 ? await codeOf(person, "sync") : made;
}

describe("what each person may do with somebody's list", () => {
  it.each(ROWS)("%s", async (line, ...expected) => {
    const codes = await Promise.all(PEOPLE.map(async (person) => await codeOf(person, line)));
    expect(asRow(codes)).toEqual(asRow(expected));
  });

  it.each(tried)("%s, and sync", async (line, ...expected) => {
    const owner = deviceOf("owner");
    const isLetIn = (person: Person): boolean => expected[PEOPLE.indexOf(person)] === 0;
    const codes = new Map<Person, number>();
    const before = await digest();
    // Who may not change it has not changed it.
    const refused = PEOPLE.filter((person) => !isLetIn(person));
    await Promise.all(refused.map(async (person) => codes.set(person, await changeBy(person, line))));
    expect(await digest()).toBe(before);
    for (const person of PEOPLE.filter(isLetIn)) {
      codes.set(person, await changeBy(person, line));
      // For the next one's command to have something to change.
      if (line.startsWith("delete")) continue;
      await owner.ok("add", "--list", listId, "bun x2");
      await owner.ok("got", "--list", listId, "bun", "1");
    }
    expect(asRow(PEOPLE.map((person) => codes.get(person) ?? -1))).toEqual(asRow(expected));
  });

  it("watch ID", async () => {
    // The list was deleted in the end, which its members may still watch.
    for (const person of PEOPLE) {
      const watch = deviceOf(person).start("watch", listId);
      const isMember = ["viewer", "editor", "owner"].includes(person);
      if (isMember) await watch.untilSaid((stderr) => stderr.includes("online"));
      const code = isMember ? await watch.stop("SIGINT") : await watch.ended();
      expect([person, code]).toEqual([person, isMember ? 0 : 4]);
      expect(watch.stderr).not.toContain("surprise cake");
    }
  });
});

function asRow(codes: readonly number[]): Partial<Record<Person, number>> {
  return Object.fromEntries(PEOPLE.map((person, index) => [person, codes[index] ?? -1]));
}

describe("a person who is not let in", () => {
  it("gets the same words for a list that is somebody's and for one that is not there", async () => {
    const nowhere = "00000000-0000-4000-8000-000000000000";
    const [there, not] = [await deviceOf("stranger").run("members", listId), new Device(cluster.brokers)];
    const [private_, absent] = [await not.run("join", listId), await not.run("join", nowhere)];
    expect([private_.code, private_.stderr]).toEqual([absent.code, absent.stderr]);
    expect(there.code).toBe(4);
    not.remove();
  });

  it("learns nothing from how long it takes either, as far as a person could tell", async () => {
    const device = new Device(cluster.brokers);
    const tries = 5;
    const timed = async (name: string): Promise<number> => {
      const start = performance.now();
      await device.pipe("not the password\n", "login", name, "--password-stdin");
      return performance.now() - start;
    };
    const [known, unknown]: number[][] = [[], []];
    for (let count = 0; count < tries; count++) {
      known?.push(await timed("viewer"));
      unknown?.push(await timed("nobody-either"));
    }
    const median = (times: readonly number[] = []): number => [...times].sort((a, b) => a - b)[tries >> 1] ?? 0;
    const ratio = median(known) / median(unknown);
    // Without a password to compare with, an answer would take a tenth of the time.
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
    device.remove();
  });

  it("gets the same words for a wrong password and for a name that nobody has", async () => {
    const device = new Device(cluster.brokers);
    const wrong = await device.pipe("not the password\n", "login", "owner", "--password-stdin");
    const absent = await device.pipe("not the password\n", "login", "nobody-at-all", "--password-stdin");
    expect([wrong.code, wrong.stderr]).toEqual([absent.code, absent.stderr]);
    device.remove();
  });

  itWithCopies("finds no password, token or secret in what the cluster keeps on its disks and in its logs", () => {
    const logs = ["broker-1", "server-1", "server-2", "server-3"].map((name) => cluster.log(name)).join("");
    const folder = join(cluster.folder, "server-1", "journal");
    const journal = readFileSync(join(folder, "00000001.jsonl"), "utf8");
    const { token } = (
      JSON.parse(readFileSync(join(deviceOf("owner").folder, "account.json"), "utf8")) as { data: { login: LoginFile } }
    ).data.login;
    const { secret } = (
      JSON.parse(readFileSync(join(deviceOf("owner").folder, "identity.json"), "utf8")) as { data: { secret: string } }
    ).data;
    for (const text of [logs, journal])
      for (const secretText of ["password of owner", token, secret]) expect(text).not.toContain(secretText);
  });
});

describe("the operator", () => {
  it("changes the cluster with the key, whose file has to be private", async () => {
    const key = join(cluster.keys, "operator.key");
    const owner = deviceOf("owner");
    expect((await owner.run("cluster", "repair", "--operator-key", key)).code).toBe(0);
    const loose = join(temporaryFolder(), "operator.key");
    writeFileSync(loose, readFileSync(key), { mode: 0o644 });
    expect((await owner.run("cluster", "repair", "--operator-key", loose)).code).toBe(1);
  });

  it("tells of changes that were refused at every sync, until their author has looked", async () => {
    const [owner, editor] = [deviceOf("owner"), deviceOf("editor")];
    await owner.ok("role", listId, "editor", "viewer");
    await editor.ok("add", "crisps", "--list", listId);
    for (let time = 0; time < 2; time++) expect(await editor.run("sync")).toMatchObject({ code: 4 });
    await editor.ok("status", "--dismiss");
    await editor.ok("sync");
    await owner.ok("role", listId, "editor", "editor");
    await editor.ok("sync");
  });
});
