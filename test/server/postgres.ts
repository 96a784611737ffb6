import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "@jest/globals";
import { freePortBase } from "../../scripts/free-ports.js";

/** Where Debian puts its server, by version. */
const ROOT = "/usr/lib/postgresql";
const [VERSION] = existsSync(ROOT) ? readdirSync(ROOT).sort().reverse() : [];
const BIN = join(ROOT, VERSION ?? "", "bin");

/** Whether there is a PostgreSQL server to start; else why not. */
export const NO_POSTGRES: string | null =
  VERSION === undefined ? "PostgreSQL is not installed (Debian: postgresql)" : null;

/** Test files run side by side: each worker looks for ports in a region of its own. */
const FIRST_PORT = 30_000 + (Number(process.env.JEST_WORKER_ID ?? 1) % 2) * 1_000 + (process.pid % 8) * 100;

const IS_ROOT = process.getuid?.() === 0;

/** Fast to start and to throw away, and as careful with commits as in earnest. */
const SETTINGS = [
  "listen_addresses = '127.0.0.1'",
  "max_connections = 60",
  "shared_buffers = 32MB",
  "wal_level = replica",
  "max_wal_senders = 8",
  "hot_standby = on",
  "wal_keep_size = '64MB'",
];

/** One PostgreSQL server with a folder, a socket and a port of its own. */
export class PostgresNode {
  private constructor(
    readonly folder: string,
    readonly name: string,
    readonly port: number,
  ) {}

  /** A new primary, running. */
  static async primary(folder: string): Promise<PostgresNode> {
    const node = new PostgresNode(folder, "one", (await freePortBase(FIRST_PORT)) + 1);
    node.#run("initdb", "-D", node.#data, "-U", "aisle", "--auth=trust", "-E", "UTF8", "--no-sync");
    node.configure(...SETTINGS, `port = ${node.port}`, `unix_socket_directories = '${folder}'`);
    writeFileSync(
      join(node.#data, "pg_hba.conf"),
      "local all all trust\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n",
    );
    node.start();
    node.#run("createdb", "-h", folder, "-p", `${node.port}`, "-U", "aisle", "aisle");
    return node;
  }

  /** A standby of this one, running. */
  standby(name: string, port: number): PostgresNode {
    const node = new PostgresNode(this.folder, name, port);
    const from = `host=127.0.0.1 port=${this.port} user=aisle application_name=${name}`;
    node.#run("pg_basebackup", "-D", node.#data, "-d", from, "-R", "--no-sync", "-c", "fast");
    node.configure(`port = ${port}`);
    node.start();
    return node;
  }

  /** Has it follow another primary from here on. */
  follow(primary: PostgresNode): void {
    this.configure(`primary_conninfo = 'host=127.0.0.1 port=${primary.port} user=aisle application_name=${this.name}'`);
    this.#run("pg_ctl", "-D", this.#data, "reload");
  }

  get #data(): string {
    return join(this.folder, this.name);
  }

  configure(...lines: readonly string[]): void {
    appendFileSync(join(this.#data, "postgresql.conf"), lines.map((line) => `${line}\n`).join(""));
  }

  reload(): void {
    this.#run("pg_ctl", "-D", this.#data, "reload");
  }

  start(): void {
    this.#run("pg_ctl", "-D", this.#data, "-l", join(this.folder, `${this.name}.log`), "-w", "-t", "60", "start");
  }

  /** As when the machine dies. */
  kill(): void {
    this.#run("pg_ctl", "-D", this.#data, "-m", "immediate", "stop");
  }

  promote(): void {
    this.#run("pg_ctl", "-D", this.#data, "-w", "-t", "60", "promote");
  }

  query(sql: string, database = "aisle"): string {
    return this.#run(
      "psql",
      "-h",
      this.folder,
      "-p",
      `${this.port}`,
      "-U",
      "aisle",
      "-d",
      database,
      "-Atc",
      sql,
    ).trim();
  }

  stop(): void {
    spawnSync("sh", ["-c", this.#line("pg_ctl", ["-D", this.#data, "-m", "immediate", "stop"])], { stdio: "ignore" });
  }

  #run(program: string, ...words: readonly string[]): string {
    return execFileSync("sh", ["-c", this.#line(program, words)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      cwd: this.folder,
    });
  }

  /** It refuses to run as root. */
  #line(program: string, words: readonly string[]): string {
    const quoted = [join(BIN, program), ...words].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    return IS_ROOT ? `exec su postgres -s /bin/sh -c "${quoted.replaceAll(/["$`\\]/g, "\\$&")}"` : quoted;
  }
}

/** A folder that the server's user may write to. */
export function postgresFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "aisle-pg-"));
  if (IS_ROOT) {
    const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
    chownSync(folder, id("-u"), id("-g"));
  }
  chmodSync(folder, 0o755);
  return folder;
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** A primary for all tests of a suite; answers how to get at it while they run. */
export function primaryForAll(): () => PostgresNode {
  const folder = NO_POSTGRES === null ? postgresFolder() : "";
  let node: PostgresNode;
  beforeAll(async () => {
    node = await PostgresNode.primary(folder);
  }, 60_000);
  afterAll(() => {
    node.stop();
    removeFolder(folder);
  });
  return () => node;
}
