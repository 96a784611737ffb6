import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { monotonicMs } from "./clock.js";
import { isErrno } from "./errno.js";
import type { Logger } from "./logger.js";

/** Something that can let go of all its peers and of what they have sent, and be there again. */
export interface Cuttable {
  readonly name: string;
  cutOff(): Promise<void>;
  listenAgain(): Promise<void>;
}

export interface MemoryLimits {
  /** Resident memory beside V8's heap, in bytes, from which on peers are cut off, and beyond which that is not enough. */
  readonly suspiciousBytes: number;
  readonly mostBytes: number;
}

/** What a connection that means well comes to, with ZeroMQ's buffers and pipes for it. */
const CONNECTION_BYTES = 128 * 1024;

/** So many are allowed for: whoever opens more of them buys nothing by it. */
const MOST_CONNECTIONS = 1_024;
const COUNT_EVERY_MS = 1_000;

/** Twice what a peer on the same machine can send: memory is looked at again before it could be filled. */
const MOST_BYTES_A_MS = 2 * 2 ** 20;
/** Between two looks, each of which takes as long as several requests do. */
const [LOOK_AFTER_MS, LOOK_BEFORE_MS] = [10, 100];

/** How much more than after the last cut makes another one, where memory was not given back. */
const STEP_BYTES = 24 * 2 ** 20;

/** What malloc gives back comes in one piece, some time after the socket was closed. */
const RELEASE_MS = 150;

/** It takes up to 50 ms, in which nobody is answered. */
const COLLECT_EVERY_MS = 1_000;

/** No noise of the program itself. */
const GROWTH_BYTES = 8 * 2 ** 20;

/**
 * Cuts off who fills this process's memory. ZeroMQ hands on a message when its last frame has come and keeps the frames until
 * then, without a limit and out of sight: all that shows of a peer that never ends its message is memory. Closing the socket
 * frees it, and the guilty socket is the one without which memory stops growing; whoever meant well connects again by itself.
 * Where malloc does not give it back to the system, in spite of `MALLOC_SETTINGS`, a bit more is allowed each time, up to
 * `mostBytes`; beyond that only a new process helps.
 */
export class MemoryGuard {
  #timer: NodeJS.Timeout | null = null;
  #floor = 0;
  #mostConnections = 0;
  #countAt = 0;
  #collectAt = 0;
  readonly #collectGarbage = garbageCollector();
  #isStopped = false;

  /** @param sockets in the order of suspicion */
  constructor(
    readonly sockets: readonly Cuttable[],
    readonly limits: MemoryLimits,
    readonly logger: Logger,
    readonly onHopeless: () => void,
  ) {
    void this.#next();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer ?? undefined);
  }

  /** Looks, and again when there could be something to see. */
  async #next(): Promise<void> {
    let room = 0;
    try {
      room = this.limits.suspiciousBytes - process.memoryUsage.rss();
      if (room <= 0) await this.#look();
    } catch (error) {
      // The system tells it by a file, and connections have taken all that may be open: they are no memory yet.
      if (!isErrno(error, "EMFILE") && !isErrno(error, "ENFILE")) throw error;
    }
    if (this.#isStopped) return;
    const afterMs = Math.min(Math.max(LOOK_AFTER_MS, room / MOST_BYTES_A_MS), LOOK_BEFORE_MS);
    this.#timer = setTimeout(() => void this.#next(), afterMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const { suspiciousBytes, mostBytes } = this.limits;
    const bytes = nativeBytes();
    if (bytes <= Math.max(suspiciousBytes, this.#floor + STEP_BYTES)) return;
    const connectionBytes = this.#connections() * CONNECTION_BYTES;
    if (bytes <= suspiciousBytes + connectionBytes) return;
    // Frames that were dealt with hold on to their memory until V8 looks for them, and it sees only what little its heap has of them.
    if (monotonicMs() >= this.#collectAt) {
      this.#collectGarbage();
      this.#collectAt = monotonicMs() + COLLECT_EVERY_MS;
      return;
    }
    if (bytes > mostBytes + connectionBytes) {
      this.stop();
      this.onHopeless();
      return;
    }
    try {
      const cut = await this.#cut();
      this.#floor = nativeBytes();
      this.logger.warn({ event: "peers-cut-off", sockets: cut, bytes, left: this.#floor });
    } catch (error) {
      // Some of the sockets may be away for good.
      this.logger.error({ event: "cut-off-failed", problem: String(error) });
      this.stop();
      this.onHopeless();
    }
  }

  /** The most there have been: what one took may not be given back when it ends. Counting many takes a while. */
  #connections(): number {
    if (monotonicMs() >= this.#countAt) {
      this.#mostConnections = Math.min(MOST_CONNECTIONS, Math.max(this.#mostConnections, openFiles()));
      this.#countAt = monotonicMs() + COUNT_EVERY_MS;
    }
    return this.#mostConnections;
  }

  /** Takes away sockets until memory grows no more, then brings them back. */
  async #cut(): Promise<readonly string[]> {
    const away: Cuttable[] = [];
    for (const socket of this.sockets) {
      away.push(socket);
      await socket.cutOff();
      if (!(await stillGrows())) break;
    }
    for (const socket of away) await socket.listenAgain();
    return away.map(({ name }) => name);
  }
}

/** Waits until memory has fallen, grows on, or the time is up. What is new while the old is being freed would keep it from falling. */
async function stillGrows(): Promise<boolean> {
  const end = monotonicMs() + RELEASE_MS;
  const first = nativeBytes();
  for (let [before, lowest] = [Infinity, first]; monotonicMs() < end;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_AFTER_MS));
    const now = nativeBytes();
    if (now > lowest + GROWTH_BYTES) return true;
    if (now >= before && now < first / 2) return false;
    [before, lowest] = [now, Math.min(lowest, now)];
  }
  return false;
}

/** V8's own, which Node hands out on demand alone. */
function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

/** What V8's heap takes is bounded by V8, and is garbage for the most part where there is much to do. */
function nativeBytes(): number {
  const { rss, heapTotal } = process.memoryUsage();
  return rss - heapTotal;
}

/** Connections, and a few others; none where the system does not say. */
function openFiles(): number {
  try {
    return readdirSync("/dev/fd").length;
  } catch {
    return 0;
  }
}

/** For the environment of services, so that glibc gives back what it does not need; other C libraries ignore it. */
export const MALLOC_SETTINGS = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRIM_THRESHOLD_: "131072",
  MALLOC_MMAP_THRESHOLD_: "16000",
} as const;
