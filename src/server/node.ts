import type { ServerHealth } from "../protocol/cluster-messages.js";
import type { BrokerMessage } from "../protocol/broker-messages.js";
import { bodyFrame } from "../protocol/frames.js";
import { partitionOf } from "../protocol/hash-ring.js";
import type { ListId, ServerId } from "../protocol/ids.js";
import type { Machine, Millis } from "../protocol/machine.js";
import type { Member } from "../protocol/membership.js";
import { EVERYONE, type PeerMessage } from "../protocol/peer-messages.js";
import { decodeMembers } from "../protocol/cluster-messages.js";
import { AntiEntropy, type RoundResult } from "./anti-entropy.js";
import { BrokerLinks } from "./broker-link.js";
import type { ServerConfig } from "./config.js";
import { Accounts } from "./accounts.js";
import { Authority } from "./authority.js";
import { Transfers } from "./transfers.js";
import { Coordinator } from "./coordinator.js";
import { Jobs } from "./jobs.js";
import { Quorums } from "./quorums.js";
import { Exchanges } from "./exchanges.js";
import { HandOver } from "./hand-over.js";
import { HashTree } from "./hash-tree.js";
import { Peers } from "./peers.js";
import { Questions } from "./questions.js";
import { Readiness } from "./readiness.js";
import { Replica } from "./replica.js";
import { RequestHandler } from "./request-handler.js";
import { Roster } from "./roster.js";
import { Tenure } from "./tenure.js";
import { Timers } from "./timers.js";
import type { Counters, ServerEffect, ServerEvent, Timer, Turn } from "./turn.js";

/** How soon a round that failed is tried again. */
const RETRY_ROUND_MS = 1_000;

/** What a server begins with. */
export interface Beginnings {
  /** Random: an answer to a question of an earlier run must not pass for one of this run. */
  readonly firstTag: number;
  /** What survived the restart. */
  readonly members: readonly Member[];
  /** What is on disk, with its digest where that is known. */
  readonly lists: ReadonlyMap<ListId, string | null>;
}

/**
 * A whole server as one machine: its parts decide, and share a clock, timers and effects. The shell gives it sockets and a
 * disk; the simulator gives it worse ones.
 */
export class ServerNode implements Machine<ServerEvent, ServerEffect>, Turn {
  readonly id: ServerId;
  readonly counters: Counters = {
    requests: 0,
    declined: 0,
    retries: 0,
    hints: 0,
    handovers: 0,
    drops: 0,
    readRepairs: 0,
    repairs: 0,
    rounds: 0,
    received: 0,
    expiries: 0,
  };
  readonly #timers = new Timers();
  readonly #replica: Replica;
  readonly #transfers: Transfers;
  readonly #exchanges: Exchanges;
  readonly #questions: Questions;
  readonly #roster: Roster;
  readonly #peers: Peers;
  readonly #tree = new HashTree();
  readonly #antiEntropy: AntiEntropy;
  readonly #handOver: HandOver;
  readonly #quorums: Quorums;
  readonly #jobs = new Jobs(this);
  readonly #links: BrokerLinks;
  readonly #requests: RequestHandler;
  readonly #tenure: Tenure;
  readonly #readiness: Readiness;
  /** Those with whom a round is going to be tried again. */
  readonly #retried = new Set<ServerId>();
  #now: Millis = 0;
  #nextTag: number;
  #effects: ServerEffect[] = [];

  constructor(
    readonly config: ServerConfig,
    beginnings: Beginnings,
  ) {
    this.id = config.id;
    this.#nextTag = beginnings.firstTag;
    const isAlive = (server: ServerId): boolean => this.#peers.isAlive(server);
    this.#replica = new Replica(
      this,
      config.residentLists,
      beginnings.lists.keys(),
      (listId) => this.#onChange(listId),
      config.isShared,
    );
    const others = beginnings.members.filter(({ id, status }) => id !== config.id && status !== "removed");
    this.#readiness = new Readiness(this, this.#replica.lists().size > 0 && others.length > 0, config);
    for (const [listId, digest] of beginnings.lists) {
      this.#tree.invalidate(listId);
      if (digest !== null) this.#tree.set(listId, digest);
    }
    this.#roster = new Roster(
      this,
      config.advertised,
      config,
      config.isShared ? 0 : config.peers.length,
      beginnings.members,
      (moved) => this.#onTable(moved),
    );
    this.#peers = new Peers(this, this.#roster, config.peers, config, (peer) => this.#onAlive(peer));
    this.#tenure = new Tenure(this, this.#roster, this.#peers, this.#replica, config.peers.length);
    const mayJudge = (listId: ListId): boolean => this.#readiness.isReady && this.#roster.mayJudge(listId);
    this.#questions = new Questions(this);
    this.#transfers = new Transfers(this, this.#replica, this.#tree, this.#questions, () => this.#roster.isWhole);
    this.#exchanges = new Exchanges(this, this.#replica, () => this.#roster.isWhole, mayJudge);
    this.#antiEntropy = new AntiEntropy(
      this,
      this.#replica,
      this.#exchanges,
      this.#transfers,
      this.#roster,
      this.#tree,
      this.#questions,
      () => this.#peers.alive(),
      config,
      (peer, result) => this.#onRound(peer, result),
    );
    this.#handOver = new HandOver(this, this.#replica, this.#exchanges, this.#roster, isAlive, () =>
      this.#tenure.onGivenAway(),
    );
    this.#quorums = new Quorums(this, this.#replica, this.#exchanges, this.#roster, isAlive, config);
    const authority = new Authority(this, this.#replica, this.#roster, this.#questions, isAlive, config.readQuorum);
    this.#links = new BrokerLinks(this, config.brokers.length, config, {
      announcement: () => bodyFrame(this.#roster.announcement()),
      health: () => this.#health(),
    });
    this.#requests = new RequestHandler(this, {
      replica: this.#replica,
      roster: this.#roster,
      peers: this.#peers,
      questions: this.#questions,
      antiEntropy: this.#antiEntropy,
      handOver: this.#handOver,
      coordinator: new Coordinator(this, this.#replica, this.#quorums, authority, config),
      accounts: new Accounts(this, this.#replica, this.#quorums, this.#jobs, config),
      hasOperator: config.hasOperator,
      isReady: () => this.#readiness.isReady,
      replication: config,
    });
  }

  get now(): Millis {
    return this.#now;
  }

  nextTag(): number {
    return this.#nextTag++;
  }

  emit(effect: ServerEffect): void {
    this.#effects.push(effect);
  }

  after(delayMs: Millis, then: () => void): Timer {
    return this.#timers.set(this.#now + delayMs, then);
  }

  /** Things under way for somebody, all of which end by themselves: for whoever wants to see that they do. */
  get underWay(): number {
    return this.#quorums.size + this.#exchanges.size + this.#questions.size + this.#jobs.size;
  }

  get hints(): number {
    return this.#handOver.hintCount;
  }

  get members(): readonly Member[] {
    return this.#roster.members();
  }

  /** Whether the list is one that this server is to keep. */
  owns(listId: ListId): boolean {
    return this.#roster.placement.isHolder(this.id, partitionOf(listId));
  }

  /** Begins; called once, before any `step`. */
  start(now: Millis): readonly ServerEffect[] {
    this.#now = now;
    this.#readiness.start();
    this.#roster.save();
    this.#peers.start();
    this.#links.start();
    this.#antiEntropy.start();
    this.#handOver.onPlacement();
    this.#tenure.start();
    return this.#take();
  }

  step(now: Millis, event: ServerEvent): readonly ServerEffect[] {
    // A clock that stands still or leaps is the shell's or the machine's; one that goes back would be neither.
    this.#now = Math.max(this.#now, now);
    this.#dispatch(event);
    this.#timers.run(this.#now);
    return this.#take();
  }

  nextDeadline(): Millis | null {
    return this.#timers.nextDeadline();
  }

  #take(): readonly ServerEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #dispatch(event: ServerEvent): void {
    switch (event.type) {
      case "broker":
        this.#onBrokerMessage(event.broker, event.message);
        break;
      case "request":
        this.#onRequest(event);
        break;
      case "worked":
        this.#jobs.onWorked(event.job, event.result);
        break;
      case "peer":
        this.#peers.heard(event.from);
        this.#onPeerMessage(event.from, event.message);
        break;
      case "introduced":
        this.#peers.onIntroduced(event.member);
        break;
      case "loaded":
        this.#replica.onLoaded(event.listId, event.list);
        break;
      case "load-failed":
        this.#replica.onLoadFailed(event.listId, event.problem);
        break;
      case "persisted":
        this.#replica.onPersisted(event.through);
        break;
      case "persist-failed":
        this.#replica.onPersistFailed(event.problem);
        break;
      case "damaged":
        this.#replica.onDamaged(event.listId);
        break;
      case "tick":
        break;
    }
  }

  #onBrokerMessage(broker: number, message: Exclude<BrokerMessage, { type: "requests" }>): void {
    this.#links.heard(broker, message.type === "reannounce");
    if (message.type === "members") this.#tenure.learn(decodeMembers(message.body));
  }

  #onRequest({ broker, tag, request, caller }: Extract<ServerEvent, { type: "request" }>): void {
    this.#links.heard(broker, false);
    this.counters.requests++;
    this.#requests.onRequest(request, caller, (reply) => {
      this.emit({ type: "to-broker", broker, message: { type: "replies", replies: [{ tag, reply }] } });
    });
  }

  #onPeerMessage(from: ServerId, message: PeerMessage): void {
    switch (message.type) {
      case "beat":
        this.#peers.onBeat(from, message.table);
        break;
      case "members":
        this.#tenure.learn(message.members);
        this.#roster.compareReplication(from, message.replication);
        break;
      case "sync":
        this.#exchanges.onSync(from, message);
        break;
      case "synced":
        this.#exchanges.onSynced(from, message);
        break;
      case "declined":
        this.#exchanges.onDeclined(from, message.tag);
        this.#questions.onAnswer(from, message);
        break;
      case "objected":
        this.#exchanges.onObjected(from, message.tag);
        break;
      case "describe":
        this.#transfers.onDescribe(from, message);
        break;
      case "compare":
      case "buckets":
        this.#antiEntropy.onQuestion(from, message);
        break;
      case "fetch":
        this.#transfers.onFetch(from, message);
        break;
      case "copy":
        this.#transfers.onCopy(from, message);
        break;
      case "offer":
        this.#transfers.onOffer(from, message);
        break;
      case "described":
      case "fetched":
      case "taken":
      case "copied":
      case "partitions":
      case "lists":
        this.#questions.onAnswer(from, message);
        break;
    }
  }

  /** @param moved whether partitions have other owners or heirs now */
  #onTable(moved: boolean): void {
    this.emit({ type: "publish", topic: EVERYONE, message: this.#roster.table() });
    this.#links.announce();
    this.#peers.reconnect();
    if (!moved) return;
    this.#tenure.onPlacement();
    this.#handOver.onPlacement();
    this.#antiEntropy.onPlacement();
  }

  #onAlive(peer: ServerId): void {
    this.#antiEntropy.round(peer, "heir");
    this.#handOver.onAlive();
  }

  #onRound(peer: ServerId, { failed }: RoundResult): void {
    if (failed) {
      if (this.#retried.has(peer)) return;
      this.#retried.add(peer);
      this.after(RETRY_ROUND_MS, () => {
        this.#retried.delete(peer);
        if (this.#peers.isAlive(peer)) this.#antiEntropy.round(peer, "heir");
      });
      return;
    }
    this.#readiness.onLevelWith(peer);
    this.#tenure.onLevelWith(peer);
  }

  /** For who supervises it. */
  vitals(): { readonly gauges: Readonly<Record<string, number>>; readonly isReady: boolean } {
    const { lists, hints } = this.#health();
    const gauges = { lists, hints, peers: this.#peers.alive().length, residentLists: this.#replica.residents };
    return { gauges, isReady: this.#readiness.isReady && this.#roster.status === "member" };
  }

  #health(): ServerHealth {
    return { lists: this.#replica.listCount, hints: this.#handOver.hintCount, requests: this.counters.requests };
  }

  #onChange(listId: ListId): void {
    if (this.#replica.lists().has(listId)) this.#tree.invalidate(listId);
    else this.#tree.remove(listId);
    this.#handOver.onChange(listId);
  }
}
