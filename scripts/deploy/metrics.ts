import { Router } from "../../src/broker/router.js";
import { brokerConfig } from "../../src/broker/config.js";
import { decodeStatus } from "../../src/protocol/cluster-messages.js";
import { serverConfig } from "../../src/server/config.js";
import { ServerNode } from "../../src/server/node.js";

const GAUGES = [
  "aisle_broker_servers",
  "aisle_broker_waiting",
  "aisle_server_lists",
  "aisle_server_hints",
  "aisle_server_peers",
  "aisle_server_journal_bytes",
  "aisle_server_resident_lists",
];
const HISTOGRAMS = ["aisle_server_append_seconds", "aisle_broker_request_seconds", "nodejs_gc_duration_seconds"];

/** What prom-client tells of any process on Linux. */
const PROCESS = [
  ...["user_seconds_total", "system_seconds_total", "seconds_total"].map((name) => `process_cpu_${name}`),
  ...["start_time_seconds", "resident_memory_bytes", "virtual_memory_bytes", "heap_bytes", "open_fds", "max_fds"].map(
    (name) => `process_${name}`,
  ),
  ...["", "_min", "_max", "_mean", "_stddev", "_p50", "_p90", "_p99"].map(
    (part) => `nodejs_eventloop_lag${part}_seconds`,
  ),
  ...["resources", "resources_total", "handles", "handles_total", "requests", "requests_total"].map(
    (name) => `nodejs_active_${name}`,
  ),
  ...["heap_size_total", "heap_size_used", "external_memory"].map((name) => `nodejs_${name}_bytes`),
  ...["total", "used", "available"].map((name) => `nodejs_heap_space_size_${name}_bytes`),
  "nodejs_version_info",
];

/** Every name that an expression may use. */
export function knownMetrics(): ReadonlySet<string> {
  const counters = [...namesOf("broker", brokerCounters()), ...namesOf("server", serverCounters())];
  const parts = HISTOGRAMS.flatMap((name) => [`${name}_bucket`, `${name}_sum`, `${name}_count`]);
  // Prometheus itself says of every target whether it is up.
  return new Set([...counters, ...GAUGES, ...parts, ...PROCESS, "up"]);
}

function namesOf(role: string, counters: readonly string[]): readonly string[] {
  return counters.map(
    (name) => `aisle_${role}_${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_total`,
  );
}

/** As a broker tells them to `aisle cluster status`. */
function brokerCounters(): readonly string[] {
  const [frontend, backend, updates] = [1, 2, 3].map((port) => `tcp://127.0.0.1:${port}`);
  const config = brokerConfig({ frontend: frontend ?? "", backend: backend ?? "", updates: updates ?? "" });
  const request = {
    requestId: "1",
    kind: "status",
    listId: null,
    serverId: null,
    timeoutMs: 1_000,
    body: new Uint8Array(),
  } as never;
  const effects = new Router(config, "1", 1).step(0, { type: "request", client: "1", request });
  const reply = effects.find((effect) => effect.type === "reply")?.reply;
  const counters = reply === undefined ? {} : decodeStatus(reply.body).counters;
  // How many are under way now is no count of what has been.
  return Object.keys(counters).filter((name) => name !== "pending" && name !== "waiting");
}

function serverCounters(): readonly string[] {
  const given = { id: "server-1", brokers: ["tcp://127.0.0.1:1"], publish: "tcp://127.0.0.1:2", dataDir: "" };
  const node = new ServerNode(serverConfig(given), { firstTag: 1, members: [], lists: new Map() });
  return Object.keys(node.counters);
}
