import { constants } from "node:fs";
import { link, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Adapter } from "lowdb";
import { isErrno } from "./errno.js";
import { sealed, unsealed } from "./sealed-json.js";

/**
 * A JSON file for lowdb that is either the old or the new one after any crash: written beside, fsynced, renamed over, and
 * the folder fsynced. A checksum of the data, in the file, tells damage from content.
 */
export class DurableJsonFile<T> implements Adapter<T> {
  constructor(readonly path: string) {}

  /** Null where there is no file. @throws DamagedFileError */
  async read(): Promise<T | null> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (error) {
      if (isErrno(error, "ENOENT")) return null;
      throw error;
    }
    return unsealed(this.path, text) as T;
  }

  async write(value: T): Promise<void> {
    await replaceFile(this.path, sealed(value));
  }
}

/** Makes `text` the content of the file, durably and all at once, readable by its owner alone. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await placeFile(path, text, rename);
}

/** The same for a file that is to be made once: where several processes try, the first one's stays. */
export async function createFile(path: string, text: string): Promise<void> {
  await placeFile(path, text, async (temporary) => {
    await link(temporary, path).catch((error: unknown) => {
      if (!isErrno(error, "EEXIST")) throw error;
    });
    await rm(temporary);
  });
}

async function placeFile(
  path: string,
  text: string,
  place: (temporary: string, path: string) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
    await place(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes the folder and those above it, durably and private to the user. (Node's own recursive mkdir never returns below /proc.) */
export async function makeFolder(path: string): Promise<void> {
  const make = async (): Promise<void> => {
    await mkdir(path, { mode: 0o700 });
  };
  try {
    await make();
  } catch (error) {
    if (isErrno(error, "EEXIST")) {
      // Whoever made it may have died before it was durable; but not in a place where this process may not even look.
      await syncFolder(dirname(path)).catch((closed: unknown) => {
        if (!isErrno(closed, "EACCES")) throw closed;
      });
      return;
    }
    if (!isErrno(error, "ENOENT") || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    // Another process may have been quicker.
    await make().catch((again: unknown) => {
      if (!isErrno(again, "EEXIST")) throw again;
    });
  }
  await syncFolder(dirname(path));
}

/** Makes renames and unlinks in the folder durable. */
export async function syncFolder(path: string): Promise<void> {
  await syncFile(path);
}

/** Makes what was written to the file durable, by whomever. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
