import { createHash } from "node:crypto";
import { readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { basename, join } from "node:path";
import { Low } from "lowdb";
import { MalformedStateError } from "../crdt/codec.js";
import { isListId, type ListId } from "../protocol/ids.js";
import { DamagedFileError, DurableJsonFile, isErrno, makeFolder, syncFolder } from "../runtime/durable-file.js";
import { LockedError, takeLock, type Lock } from "../runtime/lock.js";
import { randomId, randomSecret } from "../runtime/rng.js";
import { AisleError, EXIT } from "./errors.js";
import { LocalList, type LocalListFile } from "./local-list.js";

/** How long a command waits for another one that is writing. Each holds the lock for a few milliseconds. */
const LOCK_TIMEOUT_MS = 20_000;

/** What the person has chosen. */
export interface Settings {
  readonly brokers: readonly string[];
  readonly current: ListId | null;
  /** Whether the brokers may be talked to in clear text on a network. */
  readonly insecure?: boolean;
}

/** When the cluster was last reached, and last not, in milliseconds since 1970. */
export interface SyncTimes {
  readonly lastSync: number | null;
  readonly lastFailure: number | null;
  /** The broker that answered last. */
  readonly broker: string | null;
}

const NEVER_SYNCED: SyncTimes = { lastSync: null, lastFailure: null, broker: null };

/** A login on this device. `expires` is wall-clock milliseconds since 1970. */
export interface LoginFile {
  readonly name: string;
  readonly account: string;
  readonly login: string;
  readonly token: string;
  readonly expires: number;
  readonly since: number;
}

/**
 * What a registration or a recovery that is under way goes by: asked again after its answer was lost, it has to be the same
 * one, or the name would be taken and the code used up.
 */
export interface Entrance {
  /** What is being done, and for which name. */
  readonly what: string;
  readonly nonce: string;
  readonly login: { readonly id: string; readonly label: string };
  readonly recoveryCodes: readonly string[];
}

/** Says which folder this is, so that a copy of it can tell that it is one. */
interface Device {
  readonly id: string;
  readonly fingerprint: string;
}

/** `$XDG_DATA_HOME/aisle`, or where that is by default. */
export function defaultDataFolder(environment: NodeJS.ProcessEnv): string {
  const home = environment.XDG_DATA_HOME ?? "";
  return join(home === "" ? join(homedir(), ".local", "share") : home, "aisle");
}

/**
 * A device's folder: settings, and one durable file per list. Reading needs no lock, since files are replaced whole;
 * whoever writes holds the folder's lock, so that parallel commands lose nothing.
 */
export class DataFolder {
  private constructor(readonly path: string) {}

  static async open(path: string): Promise<DataFolder> {
    const folder = new DataFolder(path);
    await orUnusable(path, () => makeFolder(folder.#listsPath));
    return folder;
  }

  /** Does the work while no other command writes to this folder. @throws AisleError where another holds on too long */
  async locked<T>(work: () => Promise<T>): Promise<T> {
    const lock = await this.takeLock();
    try {
      return await work();
    } finally {
      await lock.release();
    }
  }

  async takeLock(): Promise<Lock> {
    try {
      return await orUnusable(this.path, () => takeLock(join(this.path, "lock"), LOCK_TIMEOUT_MS));
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
      throw new AisleError(EXIT.failed, "locked", error.message, "wait for that command, or stop it, and try again");
    }
  }

  async settings(): Promise<Settings> {
    return await this.#readJson<Settings>("settings.json", { brokers: [], current: null });
  }

  /** Under the lock. */
  async saveSettings(settings: Settings): Promise<void> {
    await this.#writeJson("settings.json", settings);
  }

  /** The secret by which this device is known, or null before it has needed one. */
  async knownDeviceSecret(): Promise<string | null> {
    return (await this.#readJson<{ readonly secret: string } | null>("identity.json", null))?.secret ?? null;
  }

  /** The same, made on first use; under the lock. */
  async deviceSecret(): Promise<string> {
    const known = await this.knownDeviceSecret();
    if (known !== null) return known;
    const secret = randomSecret();
    await this.#writeJson("identity.json", { secret });
    return secret;
  }

  /** The account that is logged in here, or null. */
  async login(): Promise<LoginFile | null> {
    return (await this.#readJson<{ readonly login: LoginFile | null }>("account.json", { login: null })).login;
  }

  /** Under the lock. */
  async saveLogin(login: LoginFile | null): Promise<void> {
    await this.#writeJson("account.json", { login });
  }

  /** What is under way, or null. */
  async entrance(): Promise<Entrance | null> {
    const { entrance } = await this.#readJson<{ readonly entrance: Entrance | null }>("entrance.json", {
      entrance: null,
    });
    return entrance;
  }

  /** Under the lock. */
  async saveEntrance(entrance: Entrance | null): Promise<void> {
    await this.#writeJson("entrance.json", { entrance });
  }

  async syncTimes(): Promise<SyncTimes> {
    return await this.#readJson<SyncTimes>("sync.json", NEVER_SYNCED);
  }

  /** Under the lock. */
  async saveSyncTimes(times: SyncTimes): Promise<void> {
    await this.#writeJson("sync.json", times);
  }

  async listIds(): Promise<readonly ListId[]> {
    const names = await readdir(this.#listsPath);
    return names.map((name) => basename(name, ".json")).filter(isListId);
  }

  /** The list, or null where this folder has none by that id. @throws AisleError where its file is damaged */
  async readList(id: ListId): Promise<LocalList | null> {
    const path = this.#listPath(id);
    const db = new Low<LocalListFile | null>(new DurableJsonFile(path), null);
    try {
      await orUnusable(path, () => db.read());
      return db.data === null ? null : LocalList.fromFile(db.data);
    } catch (error) {
      if (!(error instanceof DamagedFileError || error instanceof MalformedStateError)) throw error;
      const problem = error instanceof DamagedFileError ? error.message : `${path} is damaged (${error.message})`;
      const hint = `it was left as it is; restore it from a backup, or move it away and run: aisle join ${id}`;
      throw new AisleError(EXIT.failed, "damaged", problem, hint);
    }
  }

  /** Durably, under the lock. */
  async writeList(list: LocalList): Promise<void> {
    await orUnusable(this.path, () =>
      new Low<LocalListFile>(new DurableJsonFile(this.#listPath(list.id)), list.toFile()).write(),
    );
  }

  /** Forgets the list on this device alone, under the lock. */
  async forgetList(id: ListId): Promise<void> {
    await unlink(this.#listPath(id));
    await syncFolder(this.#listsPath);
  }

  /**
   * This folder's device id. A folder whose inode, file system or machine is not the remembered one was copied or restored,
   * and gets a new id; its lists then take new replica ids before they are written. Under the lock.
   */
  async device(): Promise<string> {
    const fingerprint = await this.#fingerprint();
    const known = await this.#readJson<Device | null>("device.json", null);
    if (known?.fingerprint === fingerprint) return known.id;
    const device: Device = { id: randomId(), fingerprint };
    await this.#writeJson("device.json", device);
    return device.id;
  }

  get listsPath(): string {
    return this.#listsPath;
  }

  get #listsPath(): string {
    return join(this.path, "lists");
  }

  #listPath(id: ListId): string {
    return join(this.#listsPath, `${id}.json`);
  }

  async #fingerprint(): Promise<string> {
    const { ino, dev } = await stat(this.path, { bigint: true });
    const machine = await readFile("/etc/machine-id", "utf8").catch(() => hostname());
    return createHash("sha256").update(`${machine.trim()} ${dev} ${ino}`).digest("hex");
  }

  /** Small files that can be made anew: a damaged one is set aside and its default used. */
  async #readJson<T>(name: string, fallback: T): Promise<T> {
    const path = join(this.path, name);
    const db = new Low<T>(new DurableJsonFile(path), fallback);
    try {
      await orUnusable(path, () => db.read());
    } catch (error) {
      if (!(error instanceof DamagedFileError)) throw error;
      await orUnusable(path, () => rename(path, `${path}.damaged`));
      process.stderr.write(
        `aisle: ${error.message}; it was moved to ${basename(path)}.damaged and its defaults are used\n`,
      );
    }
    return db.data;
  }

  async #writeJson(name: string, value: unknown): Promise<void> {
    await orUnusable(this.path, () => new Low<unknown>(new DurableJsonFile(join(this.path, name)), value).write());
  }
}

/** Turns what a file system refuses into one clear line. */
async function orUnusable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reasons: Readonly<Record<string, string>> = {
      EACCES: "permission is denied",
      EROFS: "the file system is read-only",
      ENOSPC: "the disk is full",
      ENOENT: "the folder cannot be made",
      EEXIST: "part of the path is a file",
      EISDIR: "a folder stands where a file should",
      ENOTDIR: "part of the path is a file",
      EDQUOT: "the disk quota is used up",
    };
    const code = Object.keys(reasons).find((candidate) => isErrno(error, candidate));
    if (code === undefined) throw error;
    const message = `cannot use ${path}: ${reasons[code] ?? code}`;
    throw new AisleError(
      EXIT.failed,
      "unusable-folder",
      message,
      "mend that, or choose another folder with --data-dir",
    );
  }
}
