import type { Millis } from "./machine.js";

/** How often a peer shows itself, and after how long a silence it counts as gone. */
export interface HeartbeatTimes {
  readonly heartbeatIntervalMs: number;
  readonly heartbeatExpiryMs: number;
}

export const DEFAULT_HEARTBEAT: HeartbeatTimes = { heartbeatIntervalMs: 500, heartbeatExpiryMs: 2_000 };

/** One side of a heartbeating pair (ZeroMQ Guide, "Paranoid Pirate pattern"): any message is a sign of life. */
export class Heartbeat {
  #nextSendAt: Millis;
  #expiresAt: Millis;

  constructor(
    readonly times: HeartbeatTimes,
    now: Millis,
  ) {
    this.#nextSendAt = now + times.heartbeatIntervalMs;
    this.#expiresAt = now + times.heartbeatExpiryMs;
  }

  heard(now: Millis): void {
    this.#expiresAt = now + this.times.heartbeatExpiryMs;
  }

  isExpired(now: Millis): boolean {
    return now >= this.#expiresAt;
  }

  /** Whether it is time to send a heartbeat; if so, the next one is due an interval later. */
  takeDue(now: Millis): boolean {
    if (now < this.#nextSendAt) return false;
    this.#nextSendAt = now + this.times.heartbeatIntervalMs;
    return true;
  }

  nextDeadline(): Millis {
    return Math.min(this.#nextSendAt, this.#expiresAt);
  }
}
