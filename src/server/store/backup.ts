import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, syncFile, syncFolder } from "../../runtime/durable-file.js";
import { isErrno } from "../../runtime/errno.js";

/** What a backup has of a server's folder. */
const JOURNAL = "journal";
const SNAPSHOTS = "snapshots";
const MEMBERSHIP = "membership.json";

/**
 * Copies a server's folder, durably, while the server may go on writing to it. The journal comes first: what leaves it meanwhile
 * is in a pack by then, and packs are copied until there is none that is not there. So all that was acknowledged when this
 * began is in the copy, and a join makes one of it, whatever is in it twice.
 * @returns how many files were copied
 */
export async function copyStore(from: string, to: string): Promise<number> {
  await makeFolder(to);
  let copied = await copyAll(join(from, JOURNAL), join(to, JOURNAL), new Set());
  const packs = new Set<string>();
  for (let before = -1; before !== packs.size;) {
    before = packs.size;
    await copyAll(join(from, SNAPSHOTS), join(to, SNAPSHOTS), packs);
  }
  copied += packs.size + (await copyOne(join(from, MEMBERSHIP), join(to, MEMBERSHIP)));
  await syncFolder(to);
  return copied;
}

async function copyAll(from: string, to: string, done: Set<string>): Promise<number> {
  await makeFolder(to);
  let copied = 0;
  for (const name of await readdir(from)) {
    // What a server is still writing has no name yet.
    if (!name.endsWith(".jsonl") || done.has(name)) continue;
    if ((await copyOne(join(from, name), join(to, name))) === 0) continue;
    done.add(name);
    copied++;
  }
  await syncFolder(to);
  return copied;
}

/** @returns 1, or 0 where it is gone by now */
async function copyOne(from: string, to: string): Promise<number> {
  try {
    await copyFile(from, to);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return 0;
    throw error;
  }
  await syncFile(to);
  return 1;
}
