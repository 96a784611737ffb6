import { spawn, type ChildProcess } from "node:child_process";
import { open, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { safeParse } from "valibot";
import { MembersSchema } from "../protocol/membership.js";
import { DurableJsonFile, makeFolder, replaceFile } from "../runtime/durable-file.js";
import { isErrno } from "../runtime/errno.js";
import { writeAddress } from "../protocol/address.js";
import type { KeyFolder } from "../runtime/key-files.js";
import { MALLOC_SETTINGS } from "../runtime/memory-guard.js";
import { monotonicMs } from "../runtime/clock.js";
import { isThere, signal } from "../runtime/processes.js";
import { AisleError, EXIT, usageError } from "./errors.js";
import { t } from "./messages.js";

export interface ClusterShape {
  readonly brokers: number;
  readonly servers: number;
  readonly portBase: number;
  /** Whether its processes encrypt what they tell each other and their clients. */
  readonly curve: boolean;
  /** The file with the URL of the database that its servers share, or null where each keeps its lists itself. */
  readonly storeUrlFile: string | null;
}

type Role = "broker" | "server";

/** Which of a cluster's processes: the K-th (from 1) of its role. */
interface Part {
  readonly role: Role;
  readonly number: number;
}

const MOST_BROKERS = 20;
const MOST_SERVERS = 40;
const POLL_MS = 25;
const STOP_BUDGET_MS = 10_000;

/** Where broker K listens: everything of a cluster is within a hundred ports of its base. */
function endpointsOf(portBase: number, number: number): { frontend: string; backend: string; updates: string } {
  const at = (offset: number): string => `tcp://127.0.0.1:${portBase + offset + number - 1}`;
  return { frontend: at(0), backend: at(MOST_BROKERS), updates: at(2 * MOST_BROKERS) };
}

function publishOf(portBase: number, number: number): string {
  return `tcp://127.0.0.1:${portBase + 3 * MOST_BROKERS + number - 1}`;
}

/** @throws AisleError */
export function checkShape(shape: ClusterShape): void {
  const within = (value: number, most: number): boolean => Number.isInteger(value) && value >= 1 && value <= most;
  if (!within(shape.brokers, MOST_BROKERS))
    throw usageError(t`a cluster on one machine has 1 to ${MOST_BROKERS} brokers`);
  if (!within(shape.servers, MOST_SERVERS))
    throw usageError(t`a cluster on one machine has 1 to ${MOST_SERVERS} servers`);
  if (!within(shape.portBase, 65_435)) throw usageError(t("the port base is a number from 1 to 65435"));
}

/** A whole cluster on this machine: its processes' pid files, logs and data, all in one folder. */
export class LocalCluster {
  readonly #children = new Map<number, ChildProcess>();

  constructor(
    readonly folder: string,
    /** The program to start, this one: the path of its main script. */
    readonly program: string,
  ) {}

  /** The keys of its processes and, where it has any, of its operator. */
  get keysFolder(): string {
    return join(this.folder, "keys");
  }

  /** The addresses that people connect to, with the key that the brokers prove to have. */
  async frontends({ brokers, portBase, curve }: ClusterShape): Promise<readonly string[]> {
    const key = curve ? (await (await this.#keys()).curveKeys("front")).publicKey : null;
    return Array.from({ length: brokers }, (_, index) =>
      writeAddress({ endpoint: endpointsOf(portBase, index + 1).frontend, key }),
    );
  }

  /** Whether it was started with encryption last: nobody gives that up by leaving out a flag. */
  async hasCurve(): Promise<boolean> {
    return (await this.#knownShape())?.curve ?? false;
  }

  /** Where its servers kept their lists last: they do not move by leaving out a flag. */
  async storeUrlFile(): Promise<string | null> {
    return (await this.#knownShape())?.storeUrlFile ?? null;
  }

  /** Makes what keys are missing before any process needs them. */
  async #makeKeys(curve: boolean): Promise<void> {
    const keys = await this.#keys();
    await keys.tokenKeys();
    if (!curve) return;
    await keys.curveKeys("front");
    await keys.curveKeys("back");
    await keys.makeOperator();
  }

  async #keys(): Promise<KeyFolder> {
    // Cryptography is slow to load, for commands that are about lists alone.
    const { KeyFolder } = await import("../runtime/key-files.js");
    return new KeyFolder(this.keysFolder);
  }

  /**
   * Starts what of the cluster is dead or new, except for servers that have left it. Returns the names of what was started,
   * of what has left, and of servers that are down and were not asked for.
   */
  async start(shape: ClusterShape): Promise<{
    readonly started: readonly string[];
    readonly removed: readonly string[];
    readonly down: readonly string[];
  }> {
    for (const name of ["run", "log"]) await makeFolder(join(this.folder, name));
    const parts = partsOf(shape);
    const known = await this.#knownShape();
    if (known !== null && known.portBase !== shape.portBase) await this.#requireDown(known);
    if (known !== null && known.brokers < shape.brokers) {
      // Servers are told of their brokers when they start; new brokers mean new servers.
      await this.#stopParts((await this.#parts()).filter(({ role }) => role === "server"));
    }
    // Clear text and ciphertext do not understand each other.
    if (known !== null && known.curve !== true && shape.curve) await this.stop();
    const missing: Part[] = [];
    const removed: string[] = [];
    const gone = await this.#removedServers();
    for (const part of parts) {
      if ((await this.#runningPid(part)) !== null) continue;
      if (gone.has(nameOf(part))) removed.push(nameOf(part));
      else missing.push(part);
    }
    for (const { role, number } of missing)
      if (role === "broker") await requireFree(endpointsOf(shape.portBase, number));
    await this.#makeKeys(shape.curve);
    await replaceFile(this.#shapePath, `${JSON.stringify(shape)}\n`);
    for (const part of missing) await this.#spawn(part, shape);
    const asked = new Set(parts.map(nameOf));
    const down: string[] = [];
    for (const name of await this.#serverFolders()) {
      if (asked.has(name) || gone.has(name)) continue;
      const part: Part = { role: "server", number: Number(name.slice("server-".length)) };
      if ((await this.#runningPid(part)) === null) down.push(name);
    }
    return { started: missing.map(nameOf), removed, down };
  }

  /** Its processes would not find the new ones. @throws AisleError */
  async #requireDown({ portBase }: Pick<ClusterShape, "portBase">): Promise<void> {
    for (const part of await this.#parts()) {
      if ((await this.#runningPid(part)) === null) continue;
      const message = t`the cluster in ${this.folder} runs already, on ports from ${portBase}`;
      const hint = t`stop it with \`aisle cluster down --data ${this.folder}\`, or name another folder with --data`;
      throw new AisleError(EXIT.refused, "runs-elsewhere", message, hint);
    }
  }

  async #serverFolders(): Promise<readonly string[]> {
    const names = await readdir(this.folder).catch(() => []);
    return names.filter((name) => /^server-[0-9]+$/.test(name));
  }

  /** The servers that have left, as far as any server's own table says. */
  async #removedServers(): Promise<ReadonlySet<string>> {
    const removed = new Set<string>();
    for (const name of await this.#serverFolders()) {
      const table = await new DurableJsonFile(join(this.folder, name, "membership.json")).read().catch(() => null);
      const members = safeParse(MembersSchema, table);
      for (const { id, status } of members.success ? members.output : []) if (status === "removed") removed.add(id);
    }
    return removed;
  }

  /** Stops every process of the cluster, politely and then not; returns the names of what ran. */
  async stop(): Promise<readonly string[]> {
    return await this.#stopParts(await this.#parts());
  }

  /** The names of the processes that should run and do not. */
  async dead(shape: ClusterShape): Promise<readonly string[]> {
    const dead: string[] = [];
    const gone = await this.#removedServers();
    for (const part of partsOf(shape).filter((one) => !gone.has(nameOf(one))))
      if ((await this.#runningPid(part)) === null) dead.push(nameOf(part));
    return dead;
  }

  /** The last thing a process said, to explain why it died. */
  async lastWords(name: string): Promise<string> {
    const log = await readFile(this.#logPath(name), "utf8").catch(() => "");
    return log.trimEnd().split("\n").at(-1)?.slice(0, 300) ?? "";
  }

  get #shapePath(): string {
    return join(this.folder, "run", "cluster.json");
  }

  #logPath(name: string): string {
    return join(this.folder, "log", `${name}.log`);
  }

  #pidPath(part: Part): string {
    return join(this.folder, "run", `${nameOf(part)}.pid`);
  }

  async #knownShape(): Promise<(Omit<ClusterShape, "curve" | "storeUrlFile"> & Partial<ClusterShape>) | null> {
    try {
      return JSON.parse(await readFile(this.#shapePath, "utf8")) as ClusterShape;
    } catch {
      return null;
    }
  }

  async #parts(): Promise<readonly Part[]> {
    let names: readonly string[];
    try {
      names = await readdir(join(this.folder, "run"));
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw error;
    }
    return names.flatMap((name) => {
      const match = /^(broker|server)-([0-9]+)$/.exec(basename(name, ".pid"));
      return match === null ? [] : [{ role: match[1] as Role, number: Number(match[2]) }];
    });
  }

  /** The process's id, or null where it is dead or the number has been given to another program since. */
  async #runningPid(part: Part): Promise<number | null> {
    const pid = Number(await readFile(this.#pidPath(part), "utf8").catch(() => ""));
    if (!Number.isInteger(pid) || pid <= 0) return null;
    const child = this.#children.get(pid);
    if (child !== undefined) return child.exitCode === null && child.signalCode === null ? pid : null;
    const mark = part.role === "server" ? nameOf(part) : "--frontend";
    const isMeant = (words: readonly string[]): boolean => words.includes(part.role) && words.includes(mark);
    return (await isThere(pid, isMeant)) ? pid : null;
  }

  async #spawn(part: Part, { portBase, brokers, servers, curve, storeUrlFile }: ClusterShape): Promise<void> {
    const { frontend, backend, updates } = endpointsOf(portBase, part.number);
    const backends = Array.from({ length: brokers }, (_, index) => endpointsOf(portBase, index + 1).backend);
    const publish = publishOf(portBase, part.number);
    const others = Array.from({ length: servers }, (_, index) => publishOf(portBase, index + 1));
    const peers = others.filter((other) => other !== publish).flatMap((peer) => ["--peer", peer]);
    const data = join(this.folder, nameOf(part));
    const keys = ["--keys", this.keysFolder, ...(curve ? ["--curve"] : [])];
    const store = storeUrlFile === null ? [] : ["--store", "postgres", "--store-url-file", storeUrlFile];
    const words =
      part.role === "broker"
        ? [
            "broker",
            "--frontend",
            frontend,
            "--backend",
            backend,
            "--updates",
            updates,
            ...keys,
            "--pid-file",
            this.#pidPath(part),
          ]
        : [
            "server",
            "--id",
            nameOf(part),
            "--broker",
            ...backends,
            "--publish",
            publish,
            "--data",
            data,
            ...peers,
            ...keys,
            ...store,
          ];
    const log = await open(this.#logPath(nameOf(part)), "a", 0o600);
    const child = spawn(process.execPath, [this.program, ...words], {
      detached: true,
      env: { ...MALLOC_SETTINGS, ...process.env },
      stdio: ["ignore", "ignore", log.fd],
    });
    child.unref();
    await log.close();
    const { pid = 0 } = child;
    this.#children.set(pid, child);
    await replaceFile(this.#pidPath(part), `${pid}\n`);
  }

  async #stopParts(parts: readonly Part[]): Promise<readonly string[]> {
    const running: { readonly part: Part; readonly pid: number }[] = [];
    for (const part of parts) {
      const pid = await this.#runningPid(part);
      if (pid !== null) running.push({ part, pid });
      else await rm(this.#pidPath(part), { force: true });
    }
    // Servers first, so that their goodbyes find their brokers.
    running.sort((a, b) => (a.part.role < b.part.role ? 1 : -1));
    for (const { pid } of running) signal(pid, "SIGTERM");
    const deadline = monotonicMs() + STOP_BUDGET_MS;
    for (const { part, pid } of running) {
      while ((await this.#runningPid(part)) === pid) {
        if (monotonicMs() > deadline) signal(pid, "SIGKILL");
        if (monotonicMs() > deadline + STOP_BUDGET_MS) {
          throw new AisleError(EXIT.failed, "not-stopped", t`${nameOf(part)} (process ${pid}) does not stop`);
        }
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      await rm(this.#pidPath(part), { force: true });
    }
    return running.map(({ part }) => nameOf(part));
  }
}

function partsOf({ brokers, servers }: ClusterShape): readonly Part[] {
  const parts = (role: Role, count: number): Part[] =>
    Array.from({ length: count }, (_, index) => ({ role, number: index + 1 }));
  return [...parts("broker", brokers), ...parts("server", servers)];
}

function nameOf({ role, number }: Part): string {
  return `${role}-${number}`;
}

/** @throws AisleError where another process listens already: two clusters on one set of ports would mix their servers */
async function requireFree(endpoints: ReturnType<typeof endpointsOf>): Promise<void> {
  for (const endpoint of Object.values(endpoints)) {
    const port = Number(endpoint.slice(endpoint.lastIndexOf(":") + 1));
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) continue;
    const hint = t("is another cluster up, with another --data folder? stop it, or choose another --port-base");
    throw new AisleError(EXIT.refused, "port-taken", t`port ${port} is taken by another program`, hint);
  }
}
