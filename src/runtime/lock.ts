import { open, readFile } from "node:fs/promises";
import { tryLock, unlock } from "fs-native-extensions";
import { monotonicMs } from "./clock.js";

/** Somebody else holds the lock and keeps it. */
export class LockedError extends Error {
  override readonly name = "LockedError";
}

export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes the lock that `path` stands for, waiting up to `timeoutMs` for another holder. The kernel keeps the lock on the
 * open file, so that a holder that dies has let go at once; the file's content only names the holder.
 * @throws LockedError naming the holder
 */
export async function takeLock(path: string, timeoutMs: number): Promise<Lock> {
  const file = await open(path, "a+", 0o600);
  const deadline = monotonicMs() + timeoutMs;
  try {
    while (!tryLock(file.fd)) {
      if (monotonicMs() >= deadline) throw new LockedError(`${path} is held by process ${await holderOf(path)}`);
      await new Promise((resolve) => setTimeout(resolve, 2 + (monotonicMs() % 5)));
    }
    await file.truncate(0);
    await file.write(`${process.pid}\n`);
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    async release() {
      unlock(file.fd);
      await file.close();
    },
  };
}

async function holderOf(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => "");
  return /^[0-9]+/.exec(text)?.[0] ?? "unknown";
}
