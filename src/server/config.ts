import type { Replication } from "../protocol/cluster-messages.js";
import { DEFAULT_HEARTBEAT, type HeartbeatTimes } from "../protocol/heartbeat.js";
import { isEndpoint, isServerId, type ServerId } from "../protocol/ids.js";
import type { AntiEntropyTimes } from "./anti-entropy.js";
import type { LinkTimes } from "./broker-link.js";
import type { QuorumTimes } from "./quorum.js";

export interface ServerConfig extends HeartbeatTimes, LinkTimes, Replication, QuorumTimes, AntiEntropyTimes {
  readonly id: ServerId;
  /** The backend endpoints of all brokers. */
  readonly brokers: readonly string[];
  /** Where this server publishes to its peers, as it binds it and as they should connect to it. */
  readonly publish: string;
  readonly advertised: string;
  /** Where other servers publish, to find the cluster by while no broker is up. */
  readonly peers: readonly string[];
  readonly dataDir: string;
  /** Whether the cluster has an operator's key, without which nobody may change it. */
  readonly hasOperator: boolean;
  /** How long a server that comes back with lists may look for others to compare them with before it serves. */
  readonly compareFirstMs: number;
  /** Whether the store is one that all servers share. */
  readonly isShared: boolean;
  /** How many lists stay in memory while nobody uses them. */
  readonly residentLists: number;
}

const DEFAULTS = {
  ...DEFAULT_HEARTBEAT,
  replicas: 3,
  writeQuorum: 2,
  readQuorum: 2,
  reconnectDelayMs: 100,
  longestReconnectDelayMs: 5_000,
  // All within the broker's patience with one server, which is a second.
  compareWithinMs: 200,
  resendAfterMs: 150,
  fallbackAfterMs: 300,
  answerAfterMs: 700,
  endAfterMs: 1_500,
  antiEntropyIntervalMs: 5_000,
  compareFirstMs: 3_000,
  residentLists: 1_000,
  peers: [],
  hasOperator: false,
  isShared: false,
} as const;

type Given = Pick<ServerConfig, "id" | "brokers" | "publish" | "dataDir"> & Partial<ServerConfig>;

/** @throws RangeError naming what does not hold */
export function serverConfig(given: Given): ServerConfig {
  const config: ServerConfig = { ...DEFAULTS, advertised: given.publish, ...given };
  const requirements: readonly (readonly [boolean, string])[] = [
    [
      isServerId(config.id),
      "a server's id has up to 63 lower-case letters, digits and hyphens, and starts with no hyphen",
    ],
    [
      [...config.brokers, ...config.peers, config.advertised].every(isEndpoint),
      "an endpoint looks like tcp://127.0.0.1:5575; use --advertise where --publish is bound to all addresses",
    ],
    [config.brokers.length > 0, "a server needs the backend endpoint of at least one broker"],
    [
      config.heartbeatExpiryMs > 2 * config.heartbeatIntervalMs,
      "the heartbeat expiry has to be longer than two intervals",
    ],
    [
      Number.isInteger(config.residentLists) && config.residentLists >= 0,
      "how many lists stay in memory is a number from 0 on",
    ],
    [isCount(config.replicas) && config.replicas <= 16, "a list is kept on 1 to 16 servers (N)"],
    [isCount(config.writeQuorum) && config.writeQuorum <= config.replicas, "the write quorum has to be from 1 to N"],
    [isCount(config.readQuorum) && config.readQuorum <= config.replicas, "the read quorum has to be from 1 to N"],
    [
      config.readQuorum + config.writeQuorum > config.replicas,
      "read and write quorum have to overlap: R + W has to be more than N",
    ],
    [
      !config.isShared || (config.replicas === 1 && config.writeQuorum === 1 && config.readQuorum === 1),
      "a shared store keeps the copies itself: start every server with --replicas 1 --write-quorum 1 --read-quorum 1",
    ],
    [
      config.resendAfterMs < config.fallbackAfterMs &&
        config.fallbackAfterMs < config.answerAfterMs &&
        config.answerAfterMs < config.endAfterMs,
      "a coordinator resends, then looks for a fallback, then answers, then ends",
    ],
  ];
  for (const [holds, problem] of requirements) if (!holds) throw new RangeError(problem);
  return Object.freeze(config);
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}
