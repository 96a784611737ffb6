import { decodeDocument, Document, encodeDocument } from "../crdt/document.js";
import type { Replication } from "../protocol/cluster-messages.js";
import { partitionOf } from "../protocol/hash-ring.js";
import { topicOf, type ListId, type ServerId } from "../protocol/ids.js";
import { orMalformed } from "../protocol/messages.js";
import type { Millis } from "../protocol/machine.js";
import { topicOfHolders } from "../protocol/peer-messages.js";
import type { Exchanges } from "./exchanges.js";
import { Quorum, type QuorumMove, type QuorumPlan, type QuorumTimes } from "./quorum.js";
import type { Replica } from "./replica.js";
import type { Roster } from "./roster.js";
import type { Timer, Turn } from "./turn.js";

/** How it stands with a document's copies. */
export interface Copies {
  /** How many servers are known to have on disk all that this one has. */
  readonly stored: number;
  /** How many make a change acknowledged (W), and how many will have it in time (N). */
  readonly wanted: number;
  readonly replicas: number;
  /**
   * Whether R of the owners' copies were compared, so that a change that W owners have cannot have been missed. One that
   * stand-ins took while owners were away still can, until they have handed it over.
   */
  readonly isCertain: boolean;
}

/** What it throws is logged and goes no further: whoever asks for an answer takes care of that (see `refusing`). */
export type Then = (document: Document, copies: Copies) => void;
export type Failed = (problem: string) => void;

/** What takes rights away is written strictly. */
export type WriteKind = Exclude<QuorumPlan["kind"], "read">;

/** A record that others, or the next start, could not read would stop more than itself. @throws ProtocolError */
function requireReadable({ access, accounts }: Document): void {
  orMalformed(() => decodeDocument(encodeDocument(new Document(undefined, access, accounts))));
}

interface Coordination {
  readonly listId: ListId;
  readonly quorum: Quorum;
  readonly tag: number;
  /** Of those who hold the list. */
  readonly topic: string;
  readonly delta: Document | null;
  readonly copies: () => Copies;
  readonly then: Then;
  readonly failed: Failed;
  readonly timers: Timer[];
  isSettled: boolean;
}

/**
 * The two things that a coordinator does with copies: compare R of them, and have a change on W of them. Any server can do
 * it for any document, since the state is a lattice; the document's owners do it as a rule.
 */
export class Quorums {
  readonly #underWay = new Set<Coordination>();

  constructor(
    readonly turn: Turn,
    readonly replica: Replica,
    readonly exchanges: Exchanges,
    readonly roster: Roster,
    readonly isAlive: (server: ServerId) => boolean,
    readonly config: Replication & QuorumTimes,
  ) {}

  get size(): number {
    return this.#underWay.size;
  }

  /**
   * Calls `then` with the newest document that can be put together from R copies, or from those that answer in time; what
   * others had and this server lacked is joined here.
   */
  assemble(listId: ListId, withinMs: Millis, then: Then, failed: Failed): void {
    this.replica.use(
      listId,
      (document) => this.#begin(this.#open(listId, "read", null, withinMs, then, failed), document),
      failed,
    );
  }

  /**
   * Joins `delta` in and calls `then` once it is on disk on W servers, or on as many as can be had in time.
   */
  store(listId: ListId, delta: Document, kind: WriteKind, then: Then, failed: Failed): void {
    requireReadable(delta);
    const begin = (document: Document): void => {
      if (!document.includes(delta)) {
        this.replica.join(listId, document, delta);
        const notify = (): void => this.turn.emit({ type: "notify", topic: topicOf(listId) });
        this.replica.whenDurable(listId, notify, () => undefined);
      }
      this.#begin(this.#open(listId, kind, delta, this.config.answerAfterMs, then, failed), document);
    };
    this.replica.use(listId, begin, failed);
  }

  #begin(coordination: Coordination, document: Document): void {
    const { listId, quorum, failed } = coordination;
    this.#move(coordination, quorum.begin(), document);
    this.replica.whenDurable(
      listId,
      () => {
        quorum.onStoredHere();
        this.#consider(coordination);
      },
      (problem) => {
        if (!coordination.isSettled) failed(problem);
        coordination.isSettled = true;
        this.#end(coordination);
      },
    );
  }

  #open(
    listId: ListId,
    kind: QuorumPlan["kind"],
    delta: Document | null,
    settleAfterMs: Millis,
    then: Then,
    failed: Failed,
  ): Coordination {
    const partition = partitionOf(listId);
    const { placement } = this.roster;
    const owners = placement.owners(partition);
    const heirs = placement.heirs(partition).filter((server) => !owners.includes(server));
    const wanted = this.roster.quorumOf(this.config.writeQuorum, owners.length);
    const quorum = new Quorum({
      kind,
      self: this.turn.id,
      owners,
      heirs,
      standIns: placement.order(partition).slice(owners.length),
      writeQuorum: wanted,
      readQuorum: this.config.readQuorum,
      isAlive: this.isAlive,
      isWhole: this.roster.isWhole,
    });
    const gives = (peer: ServerId): boolean => delta !== null || owners.includes(peer) || heirs.includes(peer);
    const tag = this.exchanges.open(
      listId,
      "request",
      (peer, reply, isWhole) => {
        if (reply === "declined") this.#move(coordination, quorum.onDeclined(peer), null);
        else quorum.onAnswer(peer, reply === "holds", isWhole);
        this.#consider(coordination);
      },
      gives,
    );
    const copies = (): Copies => ({
      stored: quorum.stored,
      wanted,
      replicas: owners.length,
      isCertain: quorum.comparedOwners >= this.roster.quorumOf(this.config.readQuorum, owners.length),
    });
    const coordination: Coordination = {
      listId,
      quorum,
      tag,
      topic: topicOfHolders(placement.holderNames(partition)),
      delta,
      copies,
      then,
      failed,
      timers: [],
      isSettled: false,
    };
    this.#underWay.add(coordination);
    const { resendAfterMs, standInAfterMs, endAfterMs } = this.config;
    coordination.timers.push(
      this.turn.after(Math.min(resendAfterMs, settleAfterMs / 2), () =>
        this.#move(coordination, quorum.resend(), null),
      ),
      this.turn.after(standInAfterMs, () => this.#move(coordination, quorum.standIn(), null)),
      this.turn.after(settleAfterMs, () => this.#settle(coordination)),
      this.turn.after(endAfterMs, () => this.#end(coordination)),
    );
    return coordination;
  }

  /** @param document the document where it is at hand, else it is looked up */
  #move(coordination: Coordination, moves: readonly QuorumMove[], document: Document | null): void {
    if (moves.length === 0) return;
    const { listId, delta, tag, quorum, topic } = coordination;
    const perform = (current: Document): void => {
      for (const move of moves) {
        if (move.type === "publish") this.exchanges.publish(tag, topic, current, delta);
        else this.exchanges.ask(tag, move.server, current, delta);
        if (move.type === "ask" && document === null) this.turn.counters.retries++;
        if (move.type === "ask" && quorum.isHint(move.server)) this.turn.counters.hints++;
      }
    };
    if (document !== null) perform(document);
    else this.replica.use(listId, perform, () => undefined);
  }

  #consider(coordination: Coordination): void {
    if (coordination.quorum.isSettled()) this.#settle(coordination);
    if (coordination.isSettled && coordination.quorum.isComplete()) this.#end(coordination);
  }

  /** Tells what has come together. Not all of it has to be on this server's disk yet. */
  #settle(coordination: Coordination): void {
    if (coordination.isSettled) return;
    coordination.isSettled = true;
    const { listId, then, failed, copies } = coordination;
    this.replica.use(listId, (document) => then(document, copies()), failed);
  }

  #end(coordination: Coordination): void {
    this.#settle(coordination);
    this.#underWay.delete(coordination);
    this.exchanges.close(coordination.tag);
    for (const timer of coordination.timers) timer.cancel();
  }
}
