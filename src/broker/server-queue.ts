import { DEFAULT_HEARTBEAT, Heartbeat, type HeartbeatTimes } from "../protocol/heartbeat.js";
import type { ServerId } from "../protocol/ids.js";
import type { Millis } from "../protocol/machine.js";
import type { ServerHealth } from "../protocol/cluster-messages.js";
import type { PendingRequest } from "./pending-requests.js";
import { SendWindow } from "./send-window.js";
import { WaitingLine } from "./waiting-line.js";

/** A ZeroMQ routing id as text: one connection of a server, new each time it reconnects. */
export type Connection = string;

/** A server as long as it lives, as the broker sees it. */
export interface LiveServer {
  readonly id: ServerId;
  readonly connection: Connection;
  readonly heartbeat: Heartbeat;
  /** What it was asked and has not answered, and who waits for it to have room for more. */
  readonly window: SendWindow;
  readonly line: WaitingLine<PendingRequest>;
  health: ServerHealth | null;
  /** The number of its last use among all uses; becoming ready counts as a use. */
  lastUse: number;
}

/**
 * The live servers, and which of them was used least recently (ZeroMQ Guide, "Paranoid Pirate queue"): a server enters by
 * saying it is ready, any message refreshes it, and silence past its expiry removes it.
 */
export class ServerQueue {
  #uses = 0;
  readonly #byId = new Map<ServerId, LiveServer>();
  readonly #byConnection = new Map<Connection, LiveServer>();

  constructor(
    readonly windowBytes: number,
    readonly times: HeartbeatTimes = DEFAULT_HEARTBEAT,
  ) {}

  get size(): number {
    return this.#byId.size;
  }

  /** Admits a server, in place of its own earlier connection if there was one. */
  ready(id: ServerId, connection: Connection, now: Millis): LiveServer {
    const earlier = this.#byId.get(id);
    if (earlier !== undefined) this.remove(earlier);
    const server: LiveServer = {
      id,
      connection,
      heartbeat: new Heartbeat(this.times, now),
      window: new SendWindow(this.windowBytes),
      line: earlier?.line ?? new WaitingLine(),
      health: earlier?.health ?? null,
      lastUse: ++this.#uses,
    };
    this.#byId.set(id, server);
    this.#byConnection.set(connection, server);
    return server;
  }

  /** The server behind a connection, refreshed; null where it has to announce itself first. */
  heard(connection: Connection, now: Millis): LiveServer | null {
    const server = this.#byConnection.get(connection) ?? null;
    server?.heartbeat.heard(now);
    return server;
  }

  remove(server: LiveServer): void {
    if (this.#byId.get(server.id) === server) this.#byId.delete(server.id);
    if (this.#byConnection.get(server.connection) === server) this.#byConnection.delete(server.connection);
  }

  /** Removes the servers whose silence is past their expiry, and returns them. */
  purge(now: Millis): readonly LiveServer[] {
    const expired = [...this.#byId.values()].filter((server) => server.heartbeat.isExpired(now));
    for (const server of expired) this.remove(server);
    return expired;
  }

  /** The least recently used server that is not excluded; it becomes the most recently used. */
  next(excluded: readonly ServerId[]): LiveServer | null {
    let least: LiveServer | null = null;
    for (const server of this.#byId.values())
      if (!excluded.includes(server.id) && server.lastUse < (least?.lastUse ?? Infinity)) least = server;
    return least === null ? null : this.#used(least);
  }

  /** The first live server of a preference list that is not excluded. */
  firstOf(preference: readonly ServerId[], excluded: readonly ServerId[]): LiveServer | null {
    for (const id of preference) {
      const server = this.#byId.get(id);
      if (server !== undefined && !excluded.includes(id)) return this.#used(server);
    }
    return null;
  }

  get(id: ServerId): LiveServer | null {
    return this.#byId.get(id) ?? null;
  }

  servers(): Iterable<LiveServer> {
    return this.#byId.values();
  }

  nextDeadline(): Millis | null {
    let earliest: Millis | null = null;
    for (const server of this.#byId.values()) {
      const deadline = server.heartbeat.nextDeadline();
      if (earliest === null || deadline < earliest) earliest = deadline;
    }
    return earliest;
  }

  #used(server: LiveServer): LiveServer {
    server.lastUse = ++this.#uses;
    return server;
  }
}
