import { execFileSync, spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { LoginFile } from "../../src/client/data-folder.js";
import { Cluster, Device, Running, temporaryFolder } from "../e2e/harness.js";

const PASSWORD = "correct horse battery staple";
const ITEM = "Xylophone-shaped pastries";

/** Capturing takes Linux, Python and the right to open a packet socket; elsewhere this is one visible skip. */
function canCapture(): boolean {
  try {
    const script = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3).bind(('lo', 0))";
    execFileSync("python3", ["-c", script], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function dataOf(device: Device, name: string): unknown {
  return (JSON.parse(readFileSync(join(device.folder, name), "utf8")) as { data: unknown }).data;
}

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** What crossed the loopback while two people shared a list, and what of it would be worth stealing. */
async function session(curve: boolean): Promise<{ packets: Buffer; secrets: Readonly<Record<string, string>> }> {
  const cluster = new Cluster(1, 2, curve);
  cleanups.push(async () => await cluster.remove());
  const file = join(temporaryFolder(), "packets");
  cleanups.push(() => rmSync(file, { force: true }));
  const capture = new Running(spawn("python3", [resolve("test/interop/capture.py"), file]));
  await capture.until((said) => said.includes("ready"));
  await cluster.up();
  const [ann, ben] = [new Device(cluster.brokers), new Device(cluster.brokers)];
  cleanups.push(() => [ann, ben].forEach((device) => device.remove()));
  for (const [device, name] of [
    [ann, "ann"],
    [ben, "ben"],
  ] as const)
    expect((await device.pipe(`${PASSWORD}\n`, "register", name, "--password-stdin")).code).toBe(0);
  const list = await ann.newList("Groceries");
  await ann.ok("add", ITEM);
  await ann.ok("sync");
  const { invitation } = await ann.json<{ invitation: string }>("share", list);
  const watch = ann.start("watch", "--ndjson");
  await watch.until((seen) => seen.includes('"event":"online"'));
  await ben.ok("join", invitation);
  await ben.ok("add", "bread");
  await watch.until((seen) => seen.includes("bread"));
  await watch.stop("SIGINT");
  capture.child.stdin?.end();
  await new Promise((ended) => capture.child.once("exit", ended));
  const { token } = (dataOf(ann, "account.json") as { login: LoginFile }).login;
  const { secret } = dataOf(ann, "identity.json") as { secret: string };
  return { packets: readFileSync(file), secrets: { item: ITEM, password: PASSWORD, token, device: secret, list } };
}

(canCapture() ? describe : describe.skip)("what crosses the wire", () => {
  it("shows no item, password, token, secret or list id to who captures it, with CURVE on", async () => {
    const { packets, secrets } = await session(true);
    expect(packets.byteLength).toBeGreaterThan(10_000);
    for (const [what, secret] of Object.entries(secrets))
      expect([what, packets.includes(secret)]).toEqual([what, false]);
  }, 120_000);

  it("shows all of that in clear text, so that the claim above could fail", async () => {
    const { packets, secrets } = await session(false);
    for (const [what, secret] of Object.entries(secrets))
      expect([what, packets.includes(secret)]).toEqual([what, true]);
  }, 120_000);
});
