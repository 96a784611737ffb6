import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { tryLock, unlock } from "fs-native-extensions";
import { monotonicMs } from "./clock.js";

/** Somebody else holds the lock and keeps it. */
export class LockedError extends Error {
  override readonly name = "LockedError";
}

export interface Lock {
  release(): void;
}

/**
 * Takes the lock that `path` stands for, waiting up to `timeoutMs` for another holder. The kernel keeps the lock on the
 * open file, so that a holder that dies has let go at once; the file's content only names the holder.
 * @throws LockedError naming the holder
 */
export async function takeLock(path: string, timeoutMs: number): Promise<Lock> {
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  const deadline = monotonicMs() + timeoutMs;
  try {
    while (!tryLock(file)) {
      if (monotonicMs() >= deadline) throw new LockedError(`${path} is held by process ${holderOf(path)}`);
      await new Promise((resolve) => setTimeout(resolve, 2 + (monotonicMs() % 5)));
    }
    // What an earlier holder left after the line says nothing.
    writeSync(file, `${process.pid}\n`, 0);
  } catch (error) {
    closeSync(file);
    throw error;
  }
  return {
    release() {
      unlock(file);
      closeSync(file);
    },
  };
}

function holderOf(path: string): string {
  try {
    return /^[0-9]+/.exec(readFileSync(path, "utf8"))?.[0] ?? "unknown";
  } catch {
    return "unknown";
  }
}
