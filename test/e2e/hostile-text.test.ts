import { execFileSync, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { DataFolder } from "../../src/client/data-folder.js";
import { Session } from "../../src/client/session.js";
import { Synchronizer } from "../../src/client/synchronizer.js";
import { Workspace } from "../../src/client/workspace.js";
import { writeCredentials } from "../../src/protocol/identity.js";
import { Cluster, Device, Running, temporaryFolder } from "./harness.js";

const ESCAPE = String.fromCharCode(0x1b);
const [CSI, BELL, RIGHT_TO_LEFT, ZERO_WIDTH] = ["\u{9b}", "\u{7}", "\u{202e}", "\u{200b}"] as const;
const TAG = String.fromCodePoint(0xe0041);

/** A new title for the terminal, a cleared screen, text that runs backwards, and letters nobody sees. */
const HOSTILE = `milk${ESCAPE}]0;owned${BELL}${ESCAPE}[2J${CSI}31m${RIGHT_TO_LEFT}${ZERO_WIDTH}${TAG}\u{7f}`;

const FAMILY = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
const PERSIAN = "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{631}";

/** What may never reach a terminal from somebody else. Colour of our own is off where there is none. */
const HARM = new RegExp(
  `[\\u{0}-\\u{8}\\u{b}-\\u{1f}\\u{7f}-\\u{9f}\\u{202a}-\\u{202e}\\u{2066}-\\u{2069}\\u{200b}\\u{e0000}-\\u{e0fff}]`,
  "u",
);

const cluster = new Cluster(1, 1);
let victim: Device;
let listId = "";

/** A member whose program is no Aisle of ours: it checks nothing that is typed. */
async function pushHostileItems(brokers: string): Promise<string> {
  const folder = DataFolder.open(temporaryFolder());
  const workspace = new Workspace(folder);
  const { id } = await workspace.found();
  await workspace.note(id, (list) => list.rights.foundAs(true));
  const items = [HOSTILE, `${HOSTILE} skimmed`, FAMILY, PERSIAN];
  await workspace.change(id, () => [
    { type: "rename", name: `list ${HOSTILE}` },
    ...items.map(
      (name) => ({ type: "add", name, unit: HOSTILE, amount: 2_000, note: HOSTILE, aisle: HOSTILE }) as const,
    ),
  ]);
  workspace.commit();
  const { device } = await workspace.credentials();
  const authentication = (): string => writeCredentials({ device, account: null, operator: null });
  await new Synchronizer(folder, new Session([brokers], authentication)).synchronize(id, 10_000);
  rmSync(folder.path, { recursive: true });
  return id;
}

beforeAll(async () => {
  await cluster.up();
  listId = await pushHostileItems(cluster.brokers);
  victim = new Device(cluster.brokers);
  await victim.ok("join", listId);
});
afterAll(async () => {
  victim.remove();
  await cluster.remove();
});

function hasPython(): boolean {
  try {
    execFileSync("python3", ["-c", "import pty"]);
    return true;
  } catch {
    return false;
  }
}

describe("what a hostile member has typed", () => {
  it.each([
    ["show", ["show"]],
    ["show --json", ["show", "--json"]],
    ["lists", ["lists"]],
    ["lists --ndjson", ["lists", "--ndjson"]],
    ["log", ["log"]],
    ["log --json", ["log", "--json"]],
    ["an error that names candidates", ["got", "mil"]],
    ["an error as JSON", ["got", "mil", "--json"]],
    ["an item's own command", ["got", FAMILY]],
    ["export --format md", ["export", "--format", "md"]],
    ["export --format txt", ["export", "--format", "txt"]],
    ["export --format csv", ["export", "--format", "csv"]],
    ["export --format json", ["export", "--format", "json"]],
    ["status", ["status"]],
    ["verify", ["verify"]],
  ])("is harmless in %s", async (_what, words) => {
    const { stdout, stderr } = await victim.run(...words);
    expect((stdout + stderr).length).toBeGreaterThan(0);
    expect(HARM.exec(stdout + stderr)).toBeNull();
  });

  it("comes back unchanged from JSON, and leaves families of emoji and Persian words as they are", async () => {
    const { items } = await victim.show();
    expect(items.map(({ name }) => name)).toEqual(expect.arrayContaining([HOSTILE, FAMILY, PERSIAN]));
    expect(await victim.ok("show")).toContain(FAMILY);
    expect(await victim.ok("show")).toContain(PERSIAN);
  });

  it.each([
    ["text", []],
    ["events", ["--ndjson"]],
  ])("is harmless in watch, as %s", async (_what, flags) => {
    const watch = victim.start("watch", ...flags);
    await watch.until((seen) => seen.includes("skimmed"));
    await watch.stop("SIGINT");
    expect(HARM.exec(watch.stdout + watch.stderr)).toBeNull();
  });

  (hasPython() ? it : it.skip)("is harmless in interactive mode, on a terminal", async () => {
    // The pseudo-terminal is Python's; what inquirer itself sends to move the cursor is known and taken out.
    const words = [process.execPath, resolve("dist/main.js"), "--no-color"];
    const script = `import pty, sys; pty.spawn(${JSON.stringify(words)})`;
    const child = spawn("python3", ["-c", script], { env: { PATH: process.env.PATH, TERM: "xterm", ...victim.env } });
    const terminal = new Running(child);
    await terminal.until((seen) => seen.includes("online") && seen.includes("owned"));
    child.stdin.write("\u{3}");
    await new Promise((ended) => child.once("exit", ended));
    const cursor = new RegExp(`${ESCAPE}\\[[0-9;?]*[A-Za-z]`, "g");
    const said = terminal.stdout.replaceAll(cursor, "").replaceAll("\u{7}", "").replaceAll("\r", "");
    expect(terminal.stdout).not.toContain(`${ESCAPE}]0;owned`);
    expect(terminal.stdout).not.toContain(`${CSI}31m`);
    expect(HARM.exec(said)).toBeNull();
  });

  it("is refused where it is typed", async () => {
    expect((await victim.run("add", HOSTILE, "--offline")).code).toBe(2);
    expect((await victim.run("rename", listId, HOSTILE, "--offline")).code).toBe(2);
  });
});
