import { DEFAULT_HEARTBEAT, type HeartbeatTimes } from "../protocol/heartbeat.js";
import { isServerId, type ServerId } from "../protocol/ids.js";

export interface ServerConfig extends HeartbeatTimes {
  readonly id: ServerId;
  /** The backend endpoints of all brokers. */
  readonly brokers: readonly string[];
  /** Where peers may subscribe to this server's changes. */
  readonly publish: string;
  readonly dataDir: string;
  /** How many lists stay in memory while nobody uses them. */
  readonly residentLists: number;
  /** The wait before a silent broker is tried again: doubled each time, up to the longest. */
  readonly reconnectDelayMs: number;
  readonly longestReconnectDelayMs: number;
}

/** @throws RangeError naming what does not hold */
export function serverConfig(given: Pick<ServerConfig, "id" | "brokers" | "publish" | "dataDir">): ServerConfig {
  const config = {
    ...DEFAULT_HEARTBEAT,
    reconnectDelayMs: 100,
    longestReconnectDelayMs: 5_000,
    residentLists: 1_000,
    ...given,
  };
  if (!isServerId(config.id)) {
    throw new RangeError(
      "a server's id has up to 63 lower-case letters, digits and hyphens, and starts with no hyphen",
    );
  }
  if (config.brokers.length === 0) throw new RangeError("a server needs the backend endpoint of at least one broker");
  if (config.heartbeatExpiryMs <= 2 * config.heartbeatIntervalMs) {
    throw new RangeError("the heartbeat expiry has to be longer than two intervals");
  }
  return Object.freeze(config);
}
