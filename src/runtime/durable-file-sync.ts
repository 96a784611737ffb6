import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type { SyncAdapter } from "lowdb";
import { isErrno } from "./errno.js";
import { sealed, unsealed, unsealedHead } from "./sealed-json.js";

/** Where the file system does not keep it. */
const UNKNOWN_BIRTH = "0";

/**
 * `DurableJsonFile` for a process that does one thing at a time: a command is over before threads for its files would have
 * been started.
 */
export class DurableJsonFileSync<T> implements SyncAdapter<T> {
  #birth = UNKNOWN_BIRTH;

  /**
   * @param headOf what of a value is to be readable without the rest
   * @param withBirth a value that says in which file it was written
   */
  constructor(
    readonly path: string,
    readonly headOf: (value: T) => unknown = () => undefined,
    readonly withBirth: (value: T, birth: string) => T = (value) => value,
  ) {}

  /** Null where there is no file. @throws DamagedFileError */
  read(): T | null {
    try {
      const file = openSync(this.path, "r");
      try {
        this.#birth = birthOf(file);
        return unsealed(this.path, readFileSync(file, "utf8")) as T;
      } finally {
        closeSync(file);
      }
    } catch (error) {
      if (isErrno(error, "ENOENT")) return null;
      throw error;
    }
  }

  /** Whether what was read was written in this very file, and has not come here as a copy or from a backup; true where nobody can tell. */
  isOf(birth: string): boolean {
    return [birth, UNKNOWN_BIRTH].includes(this.#birth);
  }

  /** What `headOf` made of it; null where there is no file, or no head in it. @throws DamagedFileError */
  readHead(): unknown {
    try {
      return unsealedHead(this.path, readFileSync(this.path, "utf8"));
    } catch (error) {
      if (isErrno(error, "ENOENT")) return null;
      throw error;
    }
  }

  write(value: T): void {
    this.#replace(value, true);
    syncFolderSync(dirname(this.path));
  }

  /** Replaces the file whole, and leaves it to the system when that reaches the disk: for what a power cut may take. */
  writeLazily(value: T): void {
    this.#replace(value, false);
  }

  #replace(value: T, isFlushed: boolean): void {
    const temporary = join(dirname(this.path), `.${basename(this.path)}.tmp`);
    try {
      const file = openSync(temporary, "w", 0o600);
      try {
        writeFileSync(file, sealed(this.withBirth(value, birthOf(file)), this.headOf(value)));
        if (isFlushed) fdatasyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(temporary, this.path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }
}

/** When a file was made, in nanoseconds, which no copy of it, and nothing that is written over it, has in common with it. */
function birthOf(file: number): string {
  return fstatSync(file, { bigint: true }).birthtimeNs.toString();
}

/** Makes an empty file, durably. */
export function createFileSync(path: string): void {
  const file = openSync(path, "w", 0o600);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncFolderSync(dirname(path));
}

/** Makes the folder and those above it, durably and private to the user. */
export function makeFolderSync(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (isErrno(error, "EEXIST")) {
      // Whoever made it may have died before it was durable, and so before anything was in it.
      if (readdirSync(path).length === 0)
        for (const above of [dirname(path), dirname(dirname(path))]) syncWhereAllowed(above);
      return;
    }
    if (!isErrno(error, "ENOENT") || dirname(path) === path) throw error;
    makeFolderSync(dirname(path));
    makeBeside(path);
  }
  syncFolderSync(dirname(path));
}

function syncWhereAllowed(path: string): void {
  try {
    syncFolderSync(path);
  } catch (error) {
    if (!isErrno(error, "EACCES")) throw error;
  }
}

/** Its parent is there; another process may have been quicker. */
function makeBeside(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

/** Makes renames and unlinks in the folder durable. */
export function syncFolderSync(path: string): void {
  const folder = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
