import { execFile, execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, it } from "@jest/globals";
import type { ItemView } from "../../src/client/views.js";
import { freePortBase } from "../../scripts/free-ports.js";

/** The database server that clusters under test share, where they are to be tried on one: see postgres.test.ts. */
const SHARED = process.env.AISLE_TEST_DATABASE;

/** For tests of what several copies are for, and of the files that they are kept in: a database that all share has none. */
export const itWithCopies = SHARED === undefined ? it : it.skip;

export const program = resolve("dist/main.js");

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder that goes away with the test process's last hook. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "aisle-test-"));
}

/**
 * Runs `aisle` to its end; a command that takes longer than a minute has failed.
 * @param wrapper a program, with its first arguments, that runs it
 */
export function run(
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  input = "",
  wrapper: readonly string[] = [],
): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = {
      env: { PATH: process.env.PATH, HOME: "/nonexistent", ...env },
      timeout: 60_000,
      maxBuffer: 64 * 1024 * 1024,
    };
    const [command = "", ...line] = [...wrapper, process.execPath, program, ...words];
    const child = execFile(command, line, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
    // A command that does not read its input may be gone before it is written.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

/** One device: a data folder, and the brokers it knows. */
export class Device {
  readonly folder = temporaryFolder();

  constructor(
    readonly brokers = "tcp://127.0.0.1:9",
    readonly extra: NodeJS.ProcessEnv = {},
  ) {}

  get env(): NodeJS.ProcessEnv {
    return { AISLE_DATA_DIR: this.folder, AISLE_BROKERS: this.brokers, ...this.extra };
  }

  run(...words: string[]): Promise<Outcome> {
    return run(words, this.env);
  }

  pipe(input: string, ...words: string[]): Promise<Outcome> {
    return run(words, this.env, input);
  }

  /** Runs a command that has to succeed; answers its output. */
  async ok(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...words);
    if (code !== 0) throw new Error(`aisle ${words.join(" ")} exited ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  async json<T>(...words: string[]): Promise<T> {
    return JSON.parse(await this.ok(...words, "--json")) as T;
  }

  /** Makes a list and answers its id. */
  async newList(name: string, ...flags: string[]): Promise<string> {
    return (await this.json<{ id: string }>("new", name, ...flags)).id;
  }

  /** Makes a list that whoever knows its id may edit, and answers that. */
  async newOpenList(name: string): Promise<string> {
    const id = await this.newList(name, "--offline");
    await this.ok("open", id, "--offline");
    return id;
  }

  show(): Promise<{ items: ItemView[]; pending: number; digest: string }> {
    return this.json("show");
  }

  /** Amounts by name, `needed/acquired`. */
  async amounts(): Promise<Record<string, string>> {
    const { items } = await this.show();
    return Object.fromEntries(items.map(({ name, needed, acquired }) => [name, `${needed}/${acquired}`]));
  }

  start(...words: string[]): Running {
    return new Running(spawn(process.execPath, [program, ...words], { env: { PATH: process.env.PATH, ...this.env } }));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A maker of devices whose brokers do not exist; each is removed after its test. */
export function offlineDevices(): (extra?: NodeJS.ProcessEnv) => Device {
  const devices: Device[] = [];
  afterEach(() => devices.splice(0).forEach((one) => one.remove()));
  return (extra = {}) => {
    const made = new Device(undefined, extra);
    devices.push(made);
    return made;
  };
}

/** A command that goes on running; its output can be waited for. */
export class Running {
  stdout = "";
  stderr = "";
  #onOutput: () => void = () => undefined;

  constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      this.#onOutput();
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.#onOutput();
    });
  }

  /** Until the output so far satisfies the condition. */
  async until(condition: (stdout: string) => boolean): Promise<void> {
    await this.#wait(() => condition(this.stdout));
  }

  /** The same for what it says to people. */
  async untilSaid(condition: (stderr: string) => boolean): Promise<void> {
    await this.#wait(() => condition(this.stderr));
  }

  async #wait(isOver: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      // A bound for hangs: what ends the wait is the output.
      const timer = setTimeout(() => reject(new Error(`never seen; so far: ${this.stdout}${this.stderr}`)), 60_000);
      this.#onOutput = () => {
        if (!isOver()) return;
        clearTimeout(timer);
        resolve();
      };
      this.#onOutput();
    });
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const gone = this.ended();
    this.child.kill(signal);
    return await gone;
  }

  /** The exit code, once it has ended by itself. */
  async ended(): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    return await new Promise<number | null>((resolve) => this.child.once("exit", resolve));
  }
}

/** A cluster of real processes, started and stopped through the command line. */
export class Cluster {
  readonly folder = temporaryFolder();
  #portBase = 0;
  #brokers: readonly string[] = [];

  constructor(
    public brokerCount: number,
    public serverCount: number,
    readonly curve = false,
  ) {}

  get portBase(): number {
    return this.#portBase;
  }

  /** Their addresses, as the last `up` said. */
  get brokers(): string {
    return this.#brokers.join(",");
  }

  /** Where the keys of its processes are. */
  get keys(): string {
    return join(this.folder, "keys");
  }

  async up(): Promise<void> {
    if (this.#portBase === 0) this.#portBase = await nextPortBase();
    const shape = [
      "--brokers",
      `${this.brokerCount}`,
      "--servers",
      `${this.serverCount}`,
      "--port-base",
      `${this.#portBase}`,
    ];
    if (this.curve) shape.push("--curve");
    if (SHARED !== undefined) shape.push("--store", "postgres", "--store-url-file", this.#database(SHARED));
    const { code, stdout, stderr } = await run(["cluster", "up", ...shape, "--data", this.folder, "--json"], {});
    if (code !== 0) throw new Error(`cluster up exited ${code}: ${stderr}`);
    this.#brokers = (JSON.parse(stdout) as { brokers: string[] }).brokers;
  }

  /** A database of its own. @param url that of the server's first one */
  #database(url: string): string {
    const file = join(this.folder, "database-url");
    if (existsSync(file)) return file;
    const name = `cluster_${randomUUID().replaceAll("-", "")}`;
    execFileSync("psql", [url, "-qc", `CREATE DATABASE ${name}`]);
    writeFileSync(file, url.replace(/[^/]*$/, name), { mode: 0o600 });
    return file;
  }

  /** Runs `aisle cluster …` on it; answers the exit code. */
  async command(...words: string[]): Promise<number> {
    const { code, stderr } = await run(["cluster", ...words], {
      AISLE_BROKERS: this.brokers,
      AISLE_DATA_DIR: this.folder,
    });
    if (code !== 0) console.error(stderr);
    return code;
  }

  async down(): Promise<void> {
    await run(["cluster", "down", "--data", this.folder], {});
  }

  pid(name: string): number {
    return Number(readFileSync(join(this.folder, "run", `${name}.pid`), "utf8"));
  }

  /** Waits until the process is gone. */
  async killed(name: string): Promise<void> {
    const pid = this.pid(name);
    process.kill(pid, "SIGKILL");
    while (existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[2] !== "Z") {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  kill(name: string, signal: NodeJS.Signals = "SIGKILL"): void {
    process.kill(this.pid(name), signal);
  }

  log(name: string): string {
    return readFileSync(join(this.folder, "log", `${name}.log`), "utf8");
  }

  async remove(): Promise<void> {
    await this.down();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Test files run side by side: each worker looks for ports in a region of its own. */
let nextBase = 20_000 + (Number(process.env.JEST_WORKER_ID ?? 1) % 2) * 6_000 + (process.pid % 30) * 100;

async function nextPortBase(): Promise<number> {
  const base = await freePortBase(nextBase);
  nextBase = base + 100;
  return base;
}

export interface RealLists {
  readonly source: string;
  readonly files: readonly string[];
}

/** Real shoppers' lists where they are beside the repository, else our own samples. */
export function realLists(): RealLists {
  const shared = resolve("../shared/data");
  const folder = existsSync(shared) ? shared : resolve("data/samples");
  const files = readdirSync(folder)
    .filter((name) => /\.(txt|tsv)$/.test(name))
    .map((name) => join(folder, name));
  return { source: folder === shared ? "the shared lists" : "the samples in data/samples", files };
}
