import { readFile } from "node:fs/promises";
import { isErrno } from "./errno.js";

/**
 * Whether the process still holds anything: its ports and its lock are free only once it is a zombie, or gone.
 * @param isMeant whether a command line is that of the program meant: its number may have been given to another since
 */
export async function isThere(pid: number, isMeant: (words: readonly string[]) => boolean): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!isErrno(error, "EPERM")) return false;
  }
  const words = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => null);
  // Where there is no /proc, the number is believed.
  if (words === null) return true;
  // From the moment it begins to end.
  if (words === "") return !(await isZombie(pid));
  return isMeant(words.split("\0"));
}

/** Whether all there still is of it is its exit code, or nothing. */
async function isZombie(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  return stat === null || /^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

/** Nothing happens where it is gone already. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!isErrno(error, "ESRCH")) throw error;
  }
}
