import type { HeartbeatTimes } from "../protocol/heartbeat.js";
import { DEFAULT_HEARTBEAT } from "../protocol/heartbeat.js";

export interface BrokerConfig extends HeartbeatTimes {
  /** Where clients send requests, where servers connect, and where watchers subscribe. */
  readonly frontend: string;
  readonly backend: string;
  readonly updates: string;
  /** How long one server may take before the next one is asked. */
  readonly attemptTimeoutMs: number;
  /** Requests under way, and their bodies' bytes, beyond which further ones are turned away. */
  readonly mostPending: number;
  readonly mostPendingBytes: number;
  /**
   * Requests of one connection under way, so that nobody takes up the others' room; one that hashes a password counts for 16,
   * and one of more than `largeBytes` for all.
   */
  readonly mostPendingOfOne: number;
  readonly largeBytes: number;
  /** What one server may have to answer, so many bytes and a little for each request; the others wait here. */
  readonly windowBytes: number;
  readonly requestBytes: number;
}

const LIMITS = {
  attemptTimeoutMs: 1_000,
  mostPending: 10_000,
  mostPendingOfOne: 64,
  largeBytes: 1024 * 1024,
  mostPendingBytes: 64 * 1024 * 1024,
  windowBytes: 256 * 1024,
  requestBytes: 1024,
} as const;

/** @throws RangeError naming the first relation that does not hold */
export function brokerConfig(given: Pick<BrokerConfig, "frontend" | "backend" | "updates">): BrokerConfig {
  const config: BrokerConfig = { ...DEFAULT_HEARTBEAT, ...LIMITS, ...given };
  if (new Set([config.frontend, config.backend, config.updates]).size !== 3) {
    throw new RangeError("frontend, backend and updates need three different endpoints");
  }
  if (config.heartbeatExpiryMs <= 2 * config.heartbeatIntervalMs) {
    throw new RangeError("the heartbeat expiry has to be longer than two intervals");
  }
  return Object.freeze(config);
}
