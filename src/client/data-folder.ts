import { readdirSync, readFileSync, renameSync, statSync, unlinkSync } from "node:fs";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import crc32 from "crc-32";
import { LowSync } from "lowdb";
import { isListId, type ListId } from "../protocol/ids.js";
import { DurableJsonFileSync, makeFolderSync, syncFolderSync } from "../runtime/durable-file-sync.js";
import { wallClockMs } from "../runtime/clock.js";
import { LockedError, takeLock, type Lock } from "../runtime/lock.js";
import { randomId, randomSecret } from "../runtime/rng.js";
import { printError } from "../runtime/output.js";
import { DamagedFileError } from "../runtime/sealed-json.js";
import { AisleError, EXIT } from "./errors.js";
import { orDamaged, orUnusable, unusable } from "./folder-errors.js";
import { readGlance, writeGlance } from "./glance.js";
import { LocalList } from "./local-list.js";
import type { LocalListFile } from "./local-list-file.js";
import { t } from "./messages.js";
import type { Glance } from "./views.js";

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

/** Whether its token is half used up, and still good. */
export function isToBeRenewed({ since, expires }: LoginFile, now: number): boolean {
  return now >= (since + expires) / 2 && now < expires;
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

/** What is beside the lists. */
export const SMALL_FILES = [
  "settings.json",
  "account.json",
  "entrance.json",
  "identity.json",
  "device.json",
  "sync.json",
] as const;

type SmallFile = (typeof SMALL_FILES)[number];

/** Says which folder this is, so that a copy of it can tell that it is one. */
interface Device {
  readonly id: string;
  readonly fingerprint: string;
}

/** The device of a list that has come here from elsewhere: no folder's. */
const NOWHERE = "";

/**
 * A device's folder: settings, and one durable file per list. Reading needs no lock, since files are replaced whole;
 * whoever writes holds the folder's lock, so that parallel commands lose nothing.
 */
export class DataFolder {
  /** Small files as they were last read, with the stamps they had: one command looks at some of them again and again. */
  readonly #read = new Map<string, { readonly stamp: string; readonly value: unknown }>();

  private constructor(
    readonly path: string,
    readonly isDryRun: boolean,
  ) {}

  /** @param isDryRun nothing that is remembered is written */
  static open(path: string, isDryRun = false): DataFolder {
    const folder = new DataFolder(path, isDryRun);
    orUnusable(path, () => makeFolderSync(folder.#listsPath));
    return folder;
  }

  /** Does the work while no other command writes to this folder. @throws AisleError where another holds on too long */
  async locked<T>(work: () => T | Promise<T>): Promise<T> {
    const lock = await this.takeLock();
    try {
      return await work();
    } finally {
      lock.release();
    }
  }

  async takeLock(): Promise<Lock> {
    try {
      return await takeLock(join(this.path, "lock"), LOCK_TIMEOUT_MS);
    } catch (error) {
      if (!(error instanceof LockedError)) throw unusable(this.path, error);
      throw new AisleError(EXIT.failed, "locked", error.message, t("wait for that command, or stop it, and try again"));
    }
  }

  settings(): Settings {
    return this.#readJson<Settings>("settings.json", { brokers: [], current: null });
  }

  /** Under the lock. */
  saveSettings(settings: Settings): void {
    this.#writeJson("settings.json", settings);
  }

  /** The secret by which this device is known, or null before it has needed one. */
  knownDeviceSecret(): string | null {
    return this.#readJson<{ readonly secret: string } | null>("identity.json", null)?.secret ?? null;
  }

  /** The same, made on first use; under the lock. */
  deviceSecret(): string {
    const known = this.knownDeviceSecret();
    if (known !== null) return known;
    const secret = randomSecret();
    this.#writeJson("identity.json", { secret });
    return secret;
  }

  /** The account that is logged in here, or null. */
  login(): LoginFile | null {
    return this.#readJson<{ readonly login: LoginFile | null }>("account.json", { login: null }).login;
  }

  /** Under the lock. */
  saveLogin(login: LoginFile | null): void {
    this.#writeJson("account.json", { login });
  }

  /** What is under way, or null. */
  entrance(): Entrance | null {
    const { entrance } = this.#readJson<{ readonly entrance: Entrance | null }>("entrance.json", {
      entrance: null,
    });
    return entrance;
  }

  /** Under the lock. */
  saveEntrance(entrance: Entrance | null): void {
    this.#writeJson("entrance.json", { entrance });
  }

  syncTimes(): SyncTimes {
    return this.#readJson<SyncTimes>("sync.json", NEVER_SYNCED);
  }

  /** Under the lock. What `status` says, and whom the next command asks first: nobody waits for the disk over that. */
  saveSyncTimes(times: SyncTimes): void {
    orUnusable(this.path, () => new DurableJsonFileSync(join(this.path, "sync.json")).writeLazily(times));
  }

  listIds(): readonly ListId[] {
    const names = readdirSync(this.#listsPath);
    return names.map((name) => basename(name, ".json")).filter(isListId);
  }

  /** The list, or null where this folder has none by that id. @throws AisleError where its file is damaged */
  readList(id: ListId): LocalList | null {
    const path = this.#listPath(id);
    return orDamaged(id, path, () => {
      const file = new DurableJsonFileSync<LocalListFile | null>(path);
      const db = new LowSync<LocalListFile | null>(file, null);
      orUnusable(path, () => db.read());
      if (db.data === null) return null;
      // A copy, or what a backup had: it belongs to no folder until it is changed in one.
      const isHere = db.data.birth === undefined || file.isOf(db.data.birth);
      const list = LocalList.fromFile(isHere ? db.data : { ...db.data, device: NOWHERE });
      list.bringBack(wallClockMs());
      return list;
    });
  }

  /** What it looks like, where its file says so. @throws AisleError where its file is damaged */
  readGlance(id: ListId): Glance | null {
    const path = this.#listPath(id);
    const file = new DurableJsonFileSync(path);
    return orDamaged(id, path, () =>
      readGlance(
        id,
        orUnusable(path, () => file.readHead()),
      ),
    );
  }

  /** Equal for two looks at the list's file between which nobody wrote it: files are replaced whole. */
  listStamp(id: ListId): string {
    return stampOf(this.#listPath(id));
  }

  /** Durably, under the lock. */
  writeList(list: LocalList): void {
    const withBirth = (form: LocalListFile, birth: string): LocalListFile => ({ ...form, birth });
    const file = new DurableJsonFileSync(this.#listPath(list.id), () => writeGlance(list), withBirth);
    orUnusable(this.path, () => new LowSync(file, list.toFile()).write());
  }

  /** Forgets the list on this device alone, under the lock. */
  forgetList(id: ListId): void {
    unlinkSync(this.#listPath(id));
    syncFolderSync(this.#listsPath);
  }

  /**
   * This folder's device id. A folder whose inode, file system or machine is not the remembered one was copied or restored,
   * and gets a new id; its lists then take new replica ids before they are written. Under the lock.
   */
  device(): string {
    const fingerprint = this.#fingerprint();
    const known = this.#readJson<Device | null>("device.json", null);
    if (known?.fingerprint === fingerprint) return known.id;
    const device: Device = { id: randomId(), fingerprint };
    this.#writeJson("device.json", device);
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

  #fingerprint(): string {
    const { ino, dev } = statSync(this.path, { bigint: true });
    const machine = machineId();
    return crc32.str(`${machine.trim()} ${dev} ${ino}`).toString(16);
  }

  /** Small files that can be made anew: a damaged one is set aside and its default used. */
  #readJson<T>(name: SmallFile, fallback: T): T {
    const path = join(this.path, name);
    const stamp = orUnusable(path, () => stampOf(path));
    if (stamp === "") return fallback;
    const known = this.#read.get(name);
    if (known?.stamp === stamp) return known.value as T;
    const db = new LowSync<T>(new DurableJsonFileSync(path), fallback);
    try {
      orUnusable(path, () => db.read());
    } catch (error) {
      if (!(error instanceof DamagedFileError)) throw error;
      if (this.isDryRun) printError(t`aisle: ${error.message}; its defaults are used\n`);
      else {
        orUnusable(path, () => renameSync(path, `${path}.damaged`));
        printError(t`aisle: ${error.message}; it was moved to ${basename(path)}.damaged and its defaults are used\n`);
      }
    }
    this.#read.set(name, { stamp, value: db.data });
    return db.data;
  }

  #writeJson(name: SmallFile, value: unknown): void {
    if (this.isDryRun) return;
    orUnusable(this.path, () => new LowSync<unknown>(new DurableJsonFileSync(join(this.path, name)), value).write());
  }
}

/** Equal for two looks at a file between which nobody replaced it; empty where there is none. */
function stampOf(path: string): string {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  return file === undefined ? "" : `${file.ino} ${file.size} ${file.mtimeNs}`;
}

function machineId(): string {
  try {
    return readFileSync("/etc/machine-id", "utf8");
  } catch {
    return hostname();
  }
}
