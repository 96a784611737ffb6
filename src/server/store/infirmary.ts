import { appendFile, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ListId } from "../../protocol/ids.js";
import { makeFolder, syncFolder } from "../../runtime/durable-file.js";
import { isErrno } from "../../runtime/errno.js";
import type { Damage } from "./store.js";

/** Whether the disk has lost something, and not just this process the means to read it, as where it has too many files open. */
export function isOfDisk(error: unknown): boolean {
  return ["EIO", "EUCLEAN", "EBADMSG", "EILSEQ"].some((code) => isErrno(error, code));
}

/**
 * Where what is not as it was written is kept for a person to look at. That it cannot be kept, on a disk that is full or fails,
 * is told with the damage, and is no reason to stop.
 */
export class Infirmary {
  constructor(
    readonly folder: string,
    readonly onDamage: (damage: Damage) => void,
  ) {}

  /** Keeps lines that were part of a file. */
  async keepLines(name: string, lines: readonly string[], listId: ListId | null, problem: string): Promise<void> {
    const path = join(this.folder, name);
    const text = lines.map((line) => `${line}\n`).join("");
    await this.#keep(path, listId, problem, () => appendFile(path, text, { mode: 0o600 }));
  }

  /** Keeps a whole file, which then is in nobody's way. */
  async keepFile(file: string, problem: string): Promise<void> {
    const path = join(this.folder, `${basename(dirname(file))}-${basename(file)}`);
    await this.#keep(path, null, problem, () => rename(file, path));
  }

  async #keep(path: string, listId: ListId | null, problem: string, keep: () => Promise<void>): Promise<void> {
    try {
      await makeFolder(this.folder);
      await keep();
      await syncFolder(this.folder);
      this.onDamage({ path, listId, problem });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.onDamage({ path, listId, problem: `${problem}; and it could not be set aside: ${reason}` });
    }
  }
}
