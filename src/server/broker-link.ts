import { Heartbeat, type HeartbeatTimes } from "../protocol/heartbeat.js";
import type { Machine, Millis } from "../protocol/machine.js";

export type LinkEvent =
  | { readonly type: "heard"; readonly reannounce: boolean }
  /** What is announced has changed. */
  | { readonly type: "announce" }
  | { readonly type: "tick" };

export interface LinkEffect {
  readonly type: "open" | "close" | "announce" | "heartbeat";
}

export interface LinkTimes extends HeartbeatTimes {
  readonly reconnectDelayMs: number;
  readonly longestReconnectDelayMs: number;
}

/**
 * A server's side of the Paranoid Pirate towards one broker: announce, heartbeat, and when the broker falls silent drop the
 * socket and come back with a new one, after a wait that doubles while the broker stays away.
 */
export class BrokerLink implements Machine<LinkEvent, LinkEffect> {
  #heartbeat: Heartbeat | null = null;
  #reopenAt: Millis | null = 0;
  #delayMs: number;

  constructor(readonly times: LinkTimes) {
    this.#delayMs = times.reconnectDelayMs;
  }

  step(now: Millis, event: LinkEvent): readonly LinkEffect[] {
    const effects: LinkEffect[] = [];
    if (event.type === "heard" && this.#heartbeat !== null) {
      this.#heartbeat.heard(now);
      this.#delayMs = this.times.reconnectDelayMs;
      if (event.reannounce) effects.push({ type: "announce" });
    }
    if (event.type === "announce" && this.#heartbeat !== null) effects.push({ type: "announce" });
    if (this.#heartbeat?.isExpired(now) === true) {
      this.#heartbeat = null;
      this.#reopenAt = now + this.#delayMs;
      this.#delayMs = Math.min(2 * this.#delayMs, this.times.longestReconnectDelayMs);
      effects.push({ type: "close" });
    }
    if (this.#reopenAt !== null && now >= this.#reopenAt) {
      this.#reopenAt = null;
      this.#heartbeat = new Heartbeat(this.times, now);
      effects.push({ type: "open" }, { type: "announce" });
    }
    if (this.#heartbeat?.takeDue(now) === true) effects.push({ type: "heartbeat" });
    return effects;
  }

  nextDeadline(): Millis | null {
    return this.#heartbeat?.nextDeadline() ?? this.#reopenAt;
  }
}
