import { join } from "node:path";
import type { JWK } from "jose";
import type { BrokerMessage, TaggedRequest } from "../protocol/broker-messages.js";
import type { ListId } from "../protocol/ids.js";
import type { Member } from "../protocol/membership.js";
import type { PeerMessage } from "../protocol/peer-messages.js";
import { Driver } from "../runtime/driver.js";
import { createFileSync } from "../runtime/durable-file-sync.js";
import type { CurveKeys, TokenKeys } from "../runtime/key-files.js";
import type { Vitals } from "../runtime/metrics.js";
import { monotonicMs } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import { randomTag } from "../runtime/rng.js";
import { BrokerConnection } from "./broker-connection.js";
import { CredentialChecker } from "./credential-checker.js";
import type { ServerConfig } from "./config.js";
import { MembersFile } from "./members-file.js";
import { ServerNode } from "./node.js";
import { Notices } from "./notices.js";
import { PeerSockets } from "./peer-sockets.js";
import { JournalStore, SEGMENT_BYTES } from "./store/journal-store.js";
import { LAYOUT } from "./store/layout.js";
import type { Store } from "./store/store.js";
import { Passwords } from "./passwords.js";
import type { ServerEffect, ServerEvent, Work, WorkResult } from "./turn.js";

export interface ServerKeys {
  /** Reads what tokens are signed with, as it is now. */
  readonly readToken: () => Promise<TokenKeys>;
  /** The operator's public key, where there is an operator. */
  readonly operator: JWK | null;
  /** The URL of the database that all servers share, or null where each has a journal of its own. */
  readonly database: string | null;
  /** The folder of what makes its tables. */
  readonly migrations: string;
  /** The cluster's own key, or null where its processes talk in clear text. */
  readonly curve: CurveKeys | null;
}

export interface RunningServer {
  /** Finishes what is being written, says goodbye, and lets go of the folder. */
  stop(): Promise<void>;
  /** How it is, and how long its appends take: told to `onAppended`, in seconds. */
  vitals(): Vitals;
  onAppended: (seconds: number) => void;
  /** Rejects when the server cannot go on. */
  readonly failed: Promise<never>;
  /** Resolves when it has left the cluster as it was asked to, and has nothing more to do. */
  readonly left: Promise<void>;
}

/**
 * Opens the data folder and serves its lists through the brokers.
 * @throws LockedError where the folder is in use, and where the endpoint to publish on cannot be bound
 */
export async function startServer(config: ServerConfig, keys: ServerKeys, logger: Logger): Promise<RunningServer> {
  let server: Server | null = null;
  const damaged: ListId[] = [];
  const onCompactionFailed = (error: unknown): void =>
    logger.error({ event: "compaction-failed", problem: String(error) });
  const openJournal = async (): Promise<Store> =>
    await JournalStore.open(config.dataDir, {
      segmentBytes: SEGMENT_BYTES,
      onDamage: ({ path, listId, problem }) => {
        logger.error({ event: "damage-set-aside", path, problem });
        if (listId === null) createFileSync(join(config.dataDir, LAYOUT.lost));
        else if (server === null) damaged.push(listId);
        else server.onDamaged(listId);
      },
      onCompactionFailed,
    });
  const openDatabase = async (url: string): Promise<Store> => {
    const { PostgresStore } = await import("./store/postgres-store.js");
    const onTrouble = (problem: string | null): void =>
      problem === null
        ? logger.info({ event: "database-is-back" })
        : logger.error({ event: "database-is-away", problem });
    return await PostgresStore.open(url, { migrations: keys.migrations, onTrouble, onCompactionFailed });
  };
  const members = new MembersFile(config.dataDir, logger);
  const isAlone = keys.database === null && members.isAlone();
  const store = keys.database === null ? await openJournal() : await openDatabase(keys.database);
  const remembered = await members.read(config.id, isAlone);
  const sockets = await PeerSockets.bind(config.id, config.publish, keys.curve, logger);
  server = new Server(config, keys, logger, store, members, sockets, remembered);
  for (const listId of damaged) server.onDamaged(listId);
  logger.info({ event: "server-started", config, lists: store.count() });
  return server;
}

/** With which peers begin what ends on this server's disk. */
const BEGINNINGS: ReadonlySet<PeerMessage["type"]> = new Set(["sync", "offer", "copied"]);

class Server implements RunningServer {
  readonly #driver: Driver<ServerEvent, ServerEffect>;
  readonly #node: ServerNode;
  onAppended: (seconds: number) => void = () => undefined;
  readonly #connections: readonly BrokerConnection[];
  readonly #notices = new Notices((topics) => {
    for (const connection of this.#connections) connection.send({ type: "notice", topics });
  });
  #isStopping = false;
  #saved: Promise<void> = Promise.resolve();
  readonly failed: Promise<never>;
  readonly left: Promise<void>;
  #fail: (error: Error) => void = () => undefined;
  #leave: () => void = () => undefined;

  readonly #credentials: CredentialChecker;
  readonly #passwords = new Passwords();

  constructor(
    config: ServerConfig,
    keys: ServerKeys,
    readonly logger: Logger,
    readonly store: Store,
    readonly members: MembersFile,
    readonly sockets: PeerSockets,
    remembered: readonly Member[],
  ) {
    this.failed = new Promise((_resolve, reject) => (this.#fail = reject));
    this.left = new Promise((resolve) => (this.#leave = resolve));
    this.#credentials = new CredentialChecker(keys.readToken, keys.operator);
    const lists = new Map([...store.lists()].map((listId) => [listId, store.digest(listId)]));
    const node = new ServerNode(config, { firstTag: randomTag(), members: remembered, lists });
    this.#node = node;
    const onError = (error: unknown): void => logger.error({ event: "step-failed", problem: String(error) });
    this.#driver = new Driver(node, (effect) => this.#perform(effect), { type: "tick" }, onError);
    this.#connections = config.brokers.map((endpoint, broker) => {
      const onMessage = (message: BrokerMessage): void => {
        if (message.type !== "requests") this.#driver.post({ type: "broker", broker, message });
        else for (const tagged of message.requests) void this.#onRequest(broker, tagged);
      };
      return new BrokerConnection(endpoint, keys.curve, logger, onMessage);
    });
    sockets.listen({
      onPeerMessage: (from, message) => {
        if (!this.#isStopping || !BEGINNINGS.has(message.type)) this.#driver.post({ type: "peer", from, message });
      },
      onIntroduced: (member) => this.#driver.post({ type: "introduced", member }),
    });
    this.#driver.start((now) => node.start(now));
  }

  /** Who asks is found out first. While stopping, what is under way is finished and nothing new begun. */
  async #onRequest(broker: number, { tag, request }: TaggedRequest): Promise<void> {
    if (this.#isStopping) return;
    const caller = await this.#credentials.check(request).catch((error: unknown) => {
      // The broker asks another server when this one's time is up.
      this.logger.error({ event: "keys-unreadable", problem: String(error) });
      return null;
    });
    if (caller !== null) this.#driver.post({ type: "request", broker, tag, request, caller });
  }

  #work(job: number, work: Work): void {
    this.#result(work).then(
      (result) => this.#driver.post({ type: "worked", job, result }),
      (error: unknown) => {
        this.logger.error({ event: "work-failed", work: work.type, problem: String(error) });
        this.#driver.post({ type: "worked", job, result: null });
      },
    );
  }

  async #result(work: Work): Promise<WorkResult | null> {
    if (work.type === "sign") return { type: "signed", ...(await this.#credentials.sign(work.claims)) };
    const hash = await this.#passwords.derive(work);
    return hash === null ? null : { type: "derived", hash };
  }

  onDamaged(listId: ListId): void {
    this.#driver.post({ type: "damaged", listId });
  }

  vitals(): Vitals {
    const { gauges, isReady } = this.#node.vitals();
    return { counters: this.#node.counters, gauges: { ...gauges, journalBytes: this.store.journalBytes }, isReady };
  }

  async stop(): Promise<void> {
    // First what is being written, whose answers still go out; then goodbye.
    this.#isStopping = true;
    await this.store.close();
    await this.#saved;
    this.#notices.flush();
    for (const connection of this.#connections) connection.send({ type: "goodbye" });
    this.#driver.stop();
    await Promise.all(this.#connections.map((connection) => connection.close()));
    await this.sockets.close();
    this.logger.info({ event: "server-stopped" });
  }

  #perform(effect: ServerEffect): void {
    switch (effect.type) {
      case "publish":
        this.sockets.publish(effect.topic, effect.message);
        break;
      case "listen":
        this.sockets.subscribe(effect.topics);
        break;
      case "connect":
        this.sockets.connect(effect.endpoint);
        break;
      case "disconnect":
        this.sockets.disconnect(effect.endpoint);
        break;
      case "open-broker":
        this.#connections[effect.broker]?.open();
        break;
      case "close-broker":
        void this.#connections[effect.broker]?.close();
        break;
      case "to-broker":
        this.#connections[effect.broker]?.send(effect.message);
        break;
      case "notify":
        this.#notices.add(effect.topic);
        break;
      case "work":
        this.#work(effect.job, effect.work);
        break;
      case "load":
        this.#load(effect.listId);
        break;
      case "persist":
        this.#persist(effect);
        break;
      case "drop":
        this.store.drop(effect.listId).catch((error: unknown) => {
          // It comes back at the next start, and is handed over again.
          this.logger.error({ event: "drop-failed", list: effect.listId, problem: String(error) });
        });
        break;
      case "save-members":
        this.#saved = this.members.save(effect.members);
        break;
      case "log":
        this.logger.info({ event: effect.event, ...effect.facts });
        break;
      case "stop":
        if (effect.reason === null) this.#leave();
        else this.#fail(new Error(effect.reason));
        break;
    }
  }

  #load(listId: string): void {
    this.store.read(listId).then(
      (list) => this.#driver.post({ type: "loaded", listId, list }),
      (error: unknown) => this.#driver.post({ type: "load-failed", listId, problem: String(error) }),
    );
  }

  #persist({ number, listId, delta }: Extract<ServerEffect, { type: "persist" }>): void {
    // Groups are flushed in order, so the end of one append is the end of all before it.
    const began = monotonicMs();
    this.store.append([{ listId, delta }]).then(
      () => {
        this.onAppended((monotonicMs() - began) / 1_000);
        this.#driver.post({ type: "persisted", through: number });
      },
      (error: unknown) => {
        this.logger.error({ event: "storage-failed", problem: String(error) });
        this.#driver.post({ type: "persist-failed", problem: String(error) });
      },
    );
  }
}
