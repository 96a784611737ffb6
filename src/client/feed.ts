import { HEARTBEAT_TOPIC, type Update } from "../protocol/updates.js";
import type { HeartbeatTimes } from "../protocol/heartbeat.js";
import type { Machine, Millis } from "../protocol/machine.js";

export type FeedEvent =
  | { readonly type: "update"; readonly update: Update }
  /** The socket is being opened towards another or the same broker. */
  | { readonly type: "opened" }
  | { readonly type: "tick" };

export type FeedEffect =
  /** The watched list may have changed: fetch once. */
  | { readonly type: "fetch" }
  /** The feed has been silent for too long: open it anew. */
  | { readonly type: "reopen" };

/**
 * What a watcher makes of a broker's feed. Notices may be lost, so it fetches once whenever it cannot be sure: on a new
 * connection's first word on its topic, after a gap in the heartbeats, and when the broker turns out to be another run.
 */
export class Feed implements Machine<FeedEvent, FeedEffect> {
  #epoch: string | null = null;
  #sequence = 0;
  #isGreeted = false;
  #expiresAt: Millis | null = null;

  constructor(
    readonly topic: string,
    readonly times: HeartbeatTimes,
  ) {}

  step(now: Millis, event: FeedEvent): readonly FeedEffect[] {
    switch (event.type) {
      case "opened":
        this.#isGreeted = false;
        this.#expiresAt = now + this.times.heartbeatExpiryMs;
        return [];
      case "update":
        this.#expiresAt = now + this.times.heartbeatExpiryMs;
        return this.#onUpdate(event.update) ? [{ type: "fetch" }] : [];
      case "tick":
        if (this.#expiresAt === null || now < this.#expiresAt) return [];
        this.#expiresAt = null;
        return [{ type: "reopen" }];
    }
  }

  nextDeadline(): Millis | null {
    return this.#expiresAt;
  }

  /** Whether this update is a reason to fetch. */
  #onUpdate({ topic, type, epoch, sequence }: Update): boolean {
    const isOtherRun = this.#epoch !== null && epoch !== this.#epoch;
    const isGap = topic === HEARTBEAT_TOPIC && !isOtherRun && sequence > this.#sequence + 1 && this.#isGreeted;
    if (topic === HEARTBEAT_TOPIC || isOtherRun) this.#sequence = sequence;
    this.#epoch = epoch;
    const isGreeting = topic === this.topic && !this.#isGreeted;
    if (isGreeting) {
      this.#isGreeted = true;
      this.#sequence = sequence;
    }
    return isGreeting || isOtherRun || isGap || (topic === this.topic && type === "moved");
  }
}
