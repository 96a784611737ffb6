import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { writeAddress } from "../../src/protocol/address.js";
import { KeyFolder } from "../../src/runtime/key-files.js";
import { run, temporaryFolder, type Outcome } from "../e2e/harness.js";

const PATIENCE_MS = 60_000;
const program = resolve("dist/main.js");

/** What crosses a network is encrypted; both sides have been given the same keys. */
const keys = new KeyFolder(temporaryFolder());

/** Two network namespaces with a cable between them, which can be pulled. */
class Net {
  readonly left = `aisle-left-${process.pid}`;
  readonly right = `aisle-right-${process.pid}`;

  static isAllowed(): boolean {
    try {
      const name = `aisle-try-${process.pid}`;
      execFileSync("ip", ["netns", "add", name], { stdio: "ignore" });
      execFileSync("ip", ["netns", "del", name], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  }

  make(): void {
    const ip = (...words: string[]): void => void execFileSync("ip", words);
    for (const name of [this.left, this.right]) ip("netns", "add", name);
    ip("-n", this.left, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", this.right);
    for (const [name, address] of [
      [this.left, "10.231.7.1/24"],
      [this.right, "10.231.7.2/24"],
    ] as const) {
      ip("-n", name, "addr", "add", address, "dev", "cable");
      ip("-n", name, "link", "set", "lo", "up");
      ip("-n", name, "link", "set", "cable", "up");
    }
  }

  plug(isIn: boolean): void {
    execFileSync("ip", ["-n", this.left, "link", "set", "cable", isIn ? "up" : "down"]);
  }

  remove(): void {
    for (const name of [this.left, this.right]) execFileSync("ip", ["netns", "del", name]);
  }
}

/** What runs a command there. `ip netns exec` would take a copy of all mounts along, and keep those of other tests from ending. */
const within = (namespace: string): readonly string[] => ["nsenter", `--net=/run/netns/${namespace}`];

/** One side: a broker, some servers and a device, all within its namespace. */
class Side {
  readonly folder = temporaryFolder();
  readonly #processes: ChildProcess[] = [];

  constructor(
    readonly namespace: string,
    readonly host: string,
  ) {}

  get broker(): string {
    return `tcp://${this.host}:5555`;
  }

  get backend(): string {
    return `tcp://${this.host}:5575`;
  }

  startBroker(): void {
    const updates = `tcp://${this.host}:5595`;
    this.#start("broker", "--frontend", this.broker, "--backend", this.backend, "--updates", updates);
  }

  publish(number: number): string {
    return `tcp://${this.host}:${5600 + number}`;
  }

  startServer(number: number, backends: readonly string[], peers: readonly string[]): void {
    const publish = this.publish(number);
    const others = peers.filter((peer) => peer !== publish).flatMap((peer) => ["--peer", peer]);
    const place = ["--publish", publish, "--data", join(this.folder, `server-${number}`)];
    this.#start("server", "--id", `server-${number}`, "--broker", ...backends, ...place, ...others);
  }

  /** Runs `aisle` as the device of this side. */
  async run(...words: string[]): Promise<Outcome> {
    const { publicKey: key } = await keys.curveKeys("front");
    const address = writeAddress({ endpoint: this.broker, key });
    const env = { AISLE_DATA_DIR: join(this.folder, "device"), AISLE_BROKERS: address };
    return await run(words, env, "", within(this.namespace));
  }

  async ok(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...words);
    if (code !== 0) throw new Error(`aisle ${words.join(" ")} exited ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Runs the command, synchronising before it shows anything, until what it prints satisfies the condition. */
  async until(condition: (stdout: string) => boolean, ...words: string[]): Promise<void> {
    const end = Date.now() + PATIENCE_MS;
    for (let seen = ""; !condition(seen);) {
      if (Date.now() > end) throw new Error(`aisle ${words.join(" ")} goes on saying: ${seen}`);
      if (words[0] === "show") await this.run("sync");
      const { code, stdout, stderr } = await this.run(...words);
      seen = code === 0 ? stdout : stderr;
    }
  }

  remove(): void {
    for (const process of this.#processes) process.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  #start(...words: string[]): void {
    const keyed = ["--curve", "--keys", keys.path];
    const [enter = "", ...line] = [...within(this.namespace), process.execPath, program, ...words, ...keyed];
    this.#processes.push(spawn(enter, line, { stdio: "ignore" }));
  }
}

interface Status {
  readonly servers: readonly { readonly alive: boolean; readonly status: string }[];
}

const areAlive =
  (count: number) =>
  (stdout: string): boolean => {
    if (!stdout.startsWith("{")) return false;
    const { servers } = JSON.parse(stdout) as Status;
    return servers.filter(({ alive, status }) => alive && status === "member").length === count;
  };

// Where the machine allows no network namespaces this is one visible skip.
const isPossible = Net.isAllowed();

(isPossible ? describe : describe.skip)("a network that falls apart between real processes (with `ip netns`)", () => {
  const net = new Net();
  const [left, right] = [new Side(net.left, "10.231.7.1"), new Side(net.right, "10.231.7.2")];

  beforeAll(async () => {
    net.make();
    for (const side of [left, right]) side.startBroker();
    const placed = [left, left, right, right, right].map((side, index) => ({ side, number: index + 1 }));
    const peers = placed.map(({ side, number }) => side.publish(number));
    for (const { side, number } of placed) side.startServer(number, [left.backend, right.backend], peers);
    for (const side of [left, right]) await side.until(areAlive(5), "cluster", "status", "--json");
  });

  afterAll(() => {
    for (const side of [left, right]) side.remove();
    net.remove();
    rmSync(keys.path, { recursive: true, force: true });
  });

  it("takes writes on both sides, and is one again with nothing lost once it heals", async () => {
    const { id } = JSON.parse(await left.ok("new", "Groceries", "--json", "--offline")) as { id: string };
    await left.ok("open", id, "--offline");
    await left.ok("add", "milk");
    await left.ok("sync");
    await right.ok("join", id);

    net.plug(false);
    await left.until(areAlive(2), "cluster", "status", "--json");
    await right.until(areAlive(3), "cluster", "status", "--json");
    for (const [side, item] of [
      [left, "2 milk"],
      [left, "eggs"],
      [right, "4 milk"],
      [right, "bread"],
    ] as const) {
      await side.ok("add", item, "--offline");
      // Acknowledged: on two servers of this side.
      await side.ok("sync");
    }

    net.plug(true);
    for (const side of [left, right]) await side.until(areAlive(5), "cluster", "status", "--json");
    const isAll = (stdout: string): boolean => {
      if (!stdout.startsWith("{")) return false;
      const { items } = JSON.parse(stdout) as { items: { name: string; needed: number }[] };
      const amounts = Object.fromEntries(items.map(({ name, needed }) => [name, needed]));
      return JSON.stringify(amounts) === JSON.stringify({ bread: 1, eggs: 1, milk: 7 });
    };
    for (const side of [left, right]) await side.until(isAll, "show", "--json", "--list", id);
    await left.until((stdout) => stdout.trim() === "[]", "cluster", "hints", "--json");
    await left.until((stdout) => stdout.includes("ok"), "verify");
    expect(await left.ok("show", "--digest")).toBe(await right.ok("show", "--digest"));
  });
});
