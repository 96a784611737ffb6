import {
  closeSync,
  constants,
  fdatasyncSync,
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

/**
 * `DurableJsonFile` for a process that does one thing at a time: a command is over before threads for its files would have
 * been started.
 */
export class DurableJsonFileSync<T> implements SyncAdapter<T> {
  /** @param headOf what of a value is to be readable without the rest */
  constructor(
    readonly path: string,
    readonly headOf: (value: T) => unknown = () => undefined,
  ) {}

  /** Null where there is no file. @throws DamagedFileError */
  read(): T | null {
    try {
      return unsealed(this.path, readFileSync(this.path, "utf8")) as T;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return null;
      throw error;
    }
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
        writeFileSync(file, sealed(value, this.headOf(value)));
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
