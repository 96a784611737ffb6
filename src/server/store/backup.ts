import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, replaceFile, syncFile, syncFolder } from "../../runtime/durable-file.js";
import { isErrno } from "../../runtime/errno.js";
import { LAYOUT } from "./layout.js";

/**
 * Copies a server's folder, durably, while the server may go on writing to it. The journal comes first: what leaves it meanwhile
 * is in a pack by then, and packs are copied until there is none that is not there. So all that was acknowledged when this
 * began is in the copy, and a join makes one of it, whatever is in it twice.
 * @returns how many files were copied
 */
export async function copyStore(from: string, to: string): Promise<number> {
  await makeFolder(to);
  const [journal, packs] = [new Set<string>(), new Set<string>()];
  await copyNew(join(from, LAYOUT.journal), join(to, LAYOUT.journal), journal);
  // What was in a pack that goes meanwhile is in one that the last listing need not have.
  while (await copyNew(join(from, LAYOUT.snapshots), join(to, LAYOUT.snapshots), packs));
  const members = await copyOne(join(from, LAYOUT.membership), join(to, LAYOUT.membership));
  // What is in it is older, by the time that somebody uses it, than what its server has told others.
  await replaceFile(join(to, LAYOUT.lost), "");
  return journal.size + packs.size + (members ? 1 : 0);
}

/** @returns whether there was anything that had not been copied */
async function copyNew(from: string, to: string, done: Set<string>): Promise<boolean> {
  await makeFolder(to);
  // What a server is still writing has no name yet.
  const names = (await readdir(from)).filter((name) => name.endsWith(".jsonl") && !done.has(name));
  for (const name of names) if (await copyOne(join(from, name), join(to, name))) done.add(name);
  await syncFolder(to);
  return names.length > 0;
}

/** @returns whether it is still there */
async function copyOne(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
  await syncFile(to);
  return true;
}
