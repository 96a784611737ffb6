import { join } from "node:path";
import { Low } from "lowdb";
import { ProtocolError } from "../protocol/errors.js";
import { bodyFrame } from "../protocol/frames.js";
import type { Member } from "../protocol/membership.js";
import { decodeMembers, type ServerHealth } from "../protocol/messages.js";
import { Driver } from "../runtime/driver.js";
import { DamagedFileError, DurableJsonFile } from "../runtime/durable-file.js";
import type { Logger } from "../runtime/logger.js";
import { BrokerConnection, type ConnectionUser } from "./broker-connection.js";
import type { ServerConfig } from "./config.js";
import { Replica, type ReplicaEffect, type ReplicaEvent } from "./replica.js";
import { Roster, TwinError } from "./roster.js";
import { JournalStore } from "./store/journal-store.js";
import type { Store } from "./store/store.js";

const SEGMENT_BYTES = 8 * 1024 * 1024;

export interface RunningServer {
  /** Finishes what is being written, says goodbye, and lets go of the folder. */
  stop(): Promise<void>;
  /** Rejects when the server cannot go on. */
  readonly failed: Promise<never>;
}

/** Opens the data folder and serves its lists through the brokers. @throws LockedError where the folder is in use */
export async function startServer(config: ServerConfig, logger: Logger): Promise<RunningServer> {
  const store = await JournalStore.open(config.dataDir, {
    segmentBytes: SEGMENT_BYTES,
    onDamage: ({ path, problem }) => logger.error({ event: "damage-set-aside", path, problem }),
    onCompactionFailed: (error) => logger.error({ event: "compaction-failed", problem: String(error) }),
  });
  const roster = await RosterFile.open(config, logger);
  const server = new Server(config, logger, store, roster);
  logger.info({ event: "server-started", ...config, lists: store.count() });
  return server;
}

/** The roster with its file: what is learnt is written down, one write at a time. */
class RosterFile {
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    readonly roster: Roster,
    readonly db: Low<readonly Member[]>,
    readonly logger: Logger,
  ) {}

  static async open({ id, publish, dataDir }: ServerConfig, logger: Logger): Promise<RosterFile> {
    const db = new Low<readonly Member[]>(new DurableJsonFile(join(dataDir, "membership.json")), []);
    try {
      await db.read();
    } catch (error) {
      // The table is everyone's; the brokers bring it back.
      if (!(error instanceof DamagedFileError)) throw error;
      logger.error({ event: "damage-replaced", path: error.path, problem: error.message });
    }
    const file = new RosterFile(new Roster(id, publish, db.data), db, logger);
    await file.save();
    return file;
  }

  save(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      this.db.data = this.roster.members();
      await this.db.write().catch((error: unknown) => {
        this.logger.error({ event: "membership-not-saved", problem: String(error) });
      });
    });
    return this.#writing;
  }
}

class Server implements RunningServer {
  readonly #replica: Replica;
  readonly #driver: Driver<ReplicaEvent, ReplicaEffect>;
  readonly #connections: readonly BrokerConnection[];
  #isStopping = false;
  readonly failed: Promise<never>;
  #fail: (error: Error) => void = () => undefined;

  constructor(
    config: ServerConfig,
    readonly logger: Logger,
    readonly store: Store,
    readonly file: RosterFile,
  ) {
    this.failed = new Promise((_resolve, reject) => (this.#fail = reject));
    this.#replica = new Replica(config.id, config.residentLists);
    const onError = (error: unknown): void => logger.error({ event: "request-failed", problem: String(error) });
    // A replica has no deadlines of its own, so its tick is never posted; any event without effect will do.
    const tick: ReplicaEvent = { type: "persisted", through: 0 };
    this.#driver = new Driver(this.#replica, (effect) => this.#perform(effect), tick, onError);
    this.#connections = config.brokers.map((endpoint, broker) => {
      const user: ConnectionUser = {
        announcement: () => bodyFrame(file.roster.announcement()),
        health: () => bodyFrame(this.#health()),
        onMembers: (body) => this.#learn(body),
        onRequest: (request) => {
          if (this.#isStopping) return;
          this.#driver.post({ type: "request", asker: { broker, tag: request.tag }, request });
        },
      };
      return new BrokerConnection(endpoint, user, logger, config);
    });
  }

  async stop(): Promise<void> {
    // First what is being written, whose answers still go out; then goodbye.
    this.#isStopping = true;
    await this.store.close();
    await Promise.all(this.#connections.map((connection) => connection.close()));
    this.#driver.stop();
    this.logger.info({ event: "server-stopped" });
  }

  #health(): ServerHealth {
    return { lists: this.store.count(), hints: 0, requests: this.#replica.requests };
  }

  #learn(body: Uint8Array): void {
    try {
      const { changed, announce } = this.file.roster.learn(decodeMembers(body));
      if (changed || announce) void this.file.save();
      if (announce) for (const connection of this.#connections) connection.announce();
    } catch (error) {
      if (error instanceof TwinError) this.#fail(error);
      else if (!(error instanceof ProtocolError)) throw error;
      this.logger.warn({ event: "message-refused", problem: error.message });
    }
  }

  #perform(effect: ReplicaEffect): void {
    switch (effect.type) {
      case "load":
        this.#load(effect.listId);
        break;
      case "persist":
        this.#persist(effect);
        break;
      case "reply": {
        const { broker, tag } = effect.asker;
        this.#connections[broker]?.send({ type: "replies", replies: [{ tag, ...effect.reply }] });
        break;
      }
      case "notify":
        for (const connection of this.#connections) connection.send({ type: "notice", topics: [effect.topic] });
        break;
      case "log":
        this.logger.error({ event: "request-failed", problem: effect.problem });
        break;
    }
  }

  #load(listId: string): void {
    this.store.read(listId).then(
      (list) => this.#driver.post({ type: "loaded", listId, list }),
      (error: unknown) => this.#driver.post({ type: "load-failed", listId, problem: String(error) }),
    );
  }

  #persist({ number, listId, delta }: Extract<ReplicaEffect, { type: "persist" }>): void {
    // Groups are flushed in order, so the end of one append is the end of all before it.
    this.store.append([{ listId, delta }]).then(
      () => this.#driver.post({ type: "persisted", through: number }),
      (error: unknown) => {
        this.logger.error({ event: "storage-failed", problem: String(error) });
        this.#driver.post({ type: "persist-failed", problem: String(error) });
      },
    );
  }
}
