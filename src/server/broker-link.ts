import { bodyFrame, type Frame } from "../protocol/frames.js";
import type { ServerHealth } from "../protocol/cluster-messages.js";
import { Heartbeat, type HeartbeatTimes } from "../protocol/heartbeat.js";
import type { Machine, Millis } from "../protocol/machine.js";
import type { Turn } from "./turn.js";

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

/** What is told to brokers. */
export interface LinkUser {
  announcement(): Frame;
  health(): ServerHealth;
}

const NO_NEWS: Frame = new Uint8Array(0);

/** A server's links to all its brokers. */
export class BrokerLinks {
  readonly #links: readonly BrokerLink[];
  /** What each broker was told last of this server's health. */
  readonly #told: string[] = [];

  constructor(
    readonly turn: Turn,
    brokers: number,
    times: LinkTimes,
    readonly user: LinkUser,
  ) {
    this.#links = Array.from({ length: brokers }, () => new BrokerLink(times));
  }

  start(): void {
    this.#links.forEach((_, broker) => this.#wake(broker));
  }

  heard(broker: number, reannounce: boolean): void {
    this.#step(broker, { type: "heard", reannounce });
  }

  announce(): void {
    this.#links.forEach((_, broker) => this.#step(broker, { type: "announce" }));
  }

  /** Deadlines only ever move to later between two wakes, so that one timer a link is enough. */
  #wake(broker: number): void {
    this.#step(broker, { type: "tick" });
    const deadline = this.#links[broker]?.nextDeadline() ?? null;
    if (deadline !== null) this.turn.after(Math.max(0, deadline - this.turn.now), () => this.#wake(broker));
  }

  #step(broker: number, event: LinkEvent): void {
    for (const { type } of this.#links[broker]?.step(this.turn.now, event) ?? []) {
      if (type === "open") this.turn.emit({ type: "open-broker", broker });
      else if (type === "close") {
        this.turn.emit({ type: "log", event: "broker-silent", facts: { broker } });
        this.turn.emit({ type: "close-broker", broker });
      } else if (type === "announce") {
        this.#told[broker] = "";
        this.turn.emit({ type: "to-broker", broker, message: { type: "ready", body: this.user.announcement() } });
      } else this.turn.emit({ type: "to-broker", broker, message: { type: "heartbeat", body: this.#news(broker) } });
    }
  }

  /** This server's health, where the broker does not know it yet. */
  #news(broker: number): Frame {
    const { lists, hints, requests } = this.user.health();
    const news = `${lists} ${hints} ${requests}`;
    if (this.#told[broker] === news) return NO_NEWS;
    this.#told[broker] = news;
    return bodyFrame({ lists, hints, requests });
  }
}
