import { constants } from "node:fs";
import { link, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import type { Adapter } from "lowdb";

/** The file is there but is not what was written to it. It is left as it is. */
export class DamagedFileError extends Error {
  override readonly name = "DamagedFileError";

  constructor(
    readonly path: string,
    problem: string,
  ) {
    super(`${path} is damaged (${problem})`);
  }
}

/** Eight hexadecimal digits that tell a torn or flipped text from the one that was written. */
export function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

const PREFIX = '{"checksum":"';
const MIDDLE = '","data":';
const SUFFIX = "}\n";
const DATA_AT = PREFIX.length + 8 + MIDDLE.length;

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
    const data = text.slice(DATA_AT, -SUFFIX.length);
    const isWhole = text.startsWith(PREFIX) && text.endsWith(SUFFIX);
    if (!isWhole || text.slice(PREFIX.length, PREFIX.length + 8) !== checksumOf(data)) {
      throw new DamagedFileError(this.path, text === "" ? "it is empty" : "its checksum does not match");
    }
    return JSON.parse(data) as T;
  }

  async write(value: T): Promise<void> {
    const data = JSON.stringify(value);
    await replaceFile(this.path, `${PREFIX}${checksumOf(data)}${MIDDLE}${data}${SUFFIX}`);
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
    if (isErrno(error, "EEXIST")) return;
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
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Whether this is the system's error of that code. */
export function isErrno(error: unknown, code: string): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === code;
}
