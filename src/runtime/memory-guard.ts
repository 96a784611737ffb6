import { monotonicMs } from "./clock.js";
import type { Logger } from "./logger.js";

/** Something that can let go of all its peers and what they have sent, and be there again at once. */
export interface Cuttable {
  readonly name: string;
  cutOff(): Promise<void>;
}

export interface MemoryLimits {
  /** Resident memory, in bytes, from which on peers are cut off, and beyond which that is not enough. */
  readonly suspiciousBytes: number;
  readonly mostBytes: number;
}

/** At some hundred megabytes a second, which is what one peer can send, this is a few megabytes. */
const LOOK_EVERY_MS = 25;

/** How much more than after the last cut makes another one, where memory was not given back. */
const STEP_BYTES = 24 * 1024 * 1024;

/** Two cuts so close to each other mean that the first was of the wrong socket. */
const SOON_MS = 150;

/**
 * Cuts off who fills this process's memory. ZeroMQ hands on a message when its last frame has come and keeps the frames until
 * then, without a limit and out of sight: all that shows of a peer that never ends its message is memory. Closing the socket
 * frees it; whoever meant well connects again by itself. Where malloc does not give it back to the system, in spite of
 * `MALLOC_SETTINGS`, a bit more is allowed each time, up to `mostBytes`; beyond that only a new process helps.
 */
export class MemoryGuard {
  readonly #timer: NodeJS.Timeout;
  #floor = 0;
  #lastCutAt = -Infinity;
  #next = 0;
  #isCutting = false;

  /** @param sockets in the order of suspicion */
  constructor(
    readonly sockets: readonly Cuttable[],
    readonly limits: MemoryLimits,
    readonly logger: Logger,
    readonly onHopeless: () => void,
  ) {
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const { suspiciousBytes, mostBytes } = this.limits;
    if (this.#isCutting || residentBytes() <= Math.max(suspiciousBytes, this.#floor + STEP_BYTES)) return;
    this.#isCutting = true;
    const isSoon = monotonicMs() - this.#lastCutAt < SOON_MS;
    this.#next = isSoon ? (this.#next + 1) % this.sockets.length : 0;
    try {
      const bytes = residentBytes();
      await this.sockets[this.#next]?.cutOff();
      const facts = { socket: this.sockets[this.#next]?.name, bytes, left: residentBytes() };
      this.logger.warn({ event: "peers-cut-off", ...facts });
    } catch (error) {
      this.logger.error({ event: "cut-off-failed", problem: String(error) });
    }
    this.#floor = residentBytes();
    this.#lastCutAt = monotonicMs();
    this.#isCutting = false;
    if (this.#floor > mostBytes) this.onHopeless();
  }
}

function residentBytes(): number {
  return process.memoryUsage.rss();
}

/** For the environment of services, so that glibc gives back what it does not need; other C libraries ignore it. */
export const MALLOC_SETTINGS = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRIM_THRESHOLD_: "131072",
  MALLOC_MMAP_THRESHOLD_: "16000",
} as const;
