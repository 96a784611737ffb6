import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Cluster, Device, Running } from "../e2e/harness.js";

/** What the client says of itself, one line a check. */
interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly got: unknown;
}

const CLAIMS = [
  "registers",
  "refuses a wrong password",
  "logs in with the right password",
  "founds a list",
  "has an item stored on enough servers",
  "reads its item back",
  "makes the same canonical form",
  "invites to its list",
  "refuses a token signed with another key",
  "refuses a token without a signature",
  "refuses a token of nonsense",
  "refuses a stranger",
  "refuses who says nothing of themselves",
  "refuses the id of no list",
  "refuses to found a list under another id",
  "refuses a token that is too long",
  "refuses a body that is too deep",
  "refuses a body that is not JSON",
  "refuses an unknown version",
  "refuses an unknown version of another shape",
  "refuses an unknown kind",
  "refuses too few words",
  "refuses a line without an end",
  "closes on a message over 32 MiB and 8 KiB",
  "serves a new connection afterwards",
  "does not speak to a broker of another key",
  "is not spoken to in clear text",
  "reads what the command line wrote",
  "adds to an item of another",
  "makes the same canonical form of a shared list",
  "has this digest of a shared list",
  "refuses a replica that does not name its newest operation",
  "is let in before",
  "waits for its revocation",
  "refuses a replay after the revocation",
  "refuses a new request after the revocation",
];

const python = ["/usr/bin/python3", "python3"].find(
  (program) => spawnSync(program, ["-c", "import sys, zmq; sys.exit(not zmq.has('curve'))"]).status === 0,
);

const cluster = new Cluster(1, 3, true);

function checksIn(stdout: string): readonly Check[] {
  const lines = stdout.split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Check);
}

function told(stdout: string, check: string): string {
  return String(checksIn(stdout).find((one) => one.check === check)?.got);
}

/** Starts the client under the name, with an invitation by the device to its list. */
async function startClient(program: string, name: string, owner: Device, listId: string): Promise<Running> {
  const { invitation } = await owner.json<{ invitation: string }>("share", listId);
  const script = resolve("test/interop/client.py");
  // Without -B Python would leave its compiled form beside the source.
  return new Running(spawn(program, ["-B", script, name, invitation, cluster.brokers]));
}

(python === undefined ? describe.skip : describe)("a client in Python, made from the documents alone", () => {
  let owner: Device;
  let client: Running | undefined;
  let exitCode: number | null = null;
  const seen = { shared: {}, digest: "", founded: {} };

  beforeAll(async () => {
    await cluster.up();
    owner = new Device(cluster.brokers);
    const { code, stderr } = await owner.pipe("correct horse\n", "register", "ann", "--password-stdin");
    if (code !== 0) throw new Error(stderr);
    const listId = await owner.newList("Groceries");
    await owner.ok("add", "eggs x6");
    await owner.ok("got", "eggs", "2");
    await owner.ok("sync");

    const running = await startClient(python ?? "", "monty", owner, listId);
    client = running;
    const closed = once(running.child, "close") as Promise<[number | null]>;
    const waits = running.until((stdout) => stdout.includes("waits for its revocation"));
    // A client that ends before says why, and nobody waits for a line that does not come.
    const ended = closed.then(() => Promise.reject(new Error(`${running.stdout}${running.stderr}`)));
    await Promise.race([waits, ended]);
    await owner.ok("sync");
    seen.shared = await owner.amounts();
    seen.digest = (await owner.show()).digest;
    await owner.ok("revoke", listId, "monty");
    await owner.ok("join", told(running.stdout, "invites to its list"));
    await owner.ok("use", "Pythons");
    seen.founded = await owner.amounts();
    running.child.stdin?.end("revoked\n");
    [exitCode] = await closed;
  }, 60_000);

  afterAll(async () => {
    await client?.stop("SIGKILL");
    owner.remove();
    await cluster.remove();
  });

  it("holds every claim of its scenario", () => {
    const checks = checksIn(client?.stdout ?? "");
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(checks.map(({ check }) => check)).toEqual(CLAIMS);
    expect({ exitCode, stderr: client?.stderr }).toEqual({ exitCode: 0, stderr: "" });
  });

  it("writes what the command line shows, on a list of either", () => {
    expect(seen.shared).toEqual({ eggs: "12/2", Milk: "2/0" });
    expect(seen.founded).toEqual({ Milk: "2/0" });
  });

  it("has the same bytes of a list as the command line", () => {
    expect(told(client?.stdout ?? "", "has this digest of a shared list")).toBe(seen.digest);
  });
});
