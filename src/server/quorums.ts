import { decodeDocument, Document, encodeDocument } from "../crdt/document.js";
import { readingMs } from "../protocol/bounds.js";
import type { Replication } from "../protocol/cluster-messages.js";
import { partitionOf } from "../protocol/hash-ring.js";
import { topicOf, type ListId, type ServerId } from "../protocol/ids.js";
import { orMalformed } from "../protocol/messages.js";
import type { Millis } from "../protocol/machine.js";
import { topicOfHolders } from "../protocol/peer-messages.js";
import type { ExchangeAnswer, Exchanges } from "./exchanges.js";
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
   * fallbacks took while owners were away still can, until they have handed it over.
   */
  readonly isCertain: boolean;
  /** Whether W others have on disk all that this one shows, which it may not have there itself yet. */
  readonly isSafeElsewhere: boolean;
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
  /** While it is only proposed: what to do where it is not taken. */
  otherwise: (() => void) | null;
  /** The newest write of the list as it was judged. */
  judgedAt: number;
  /** The number of this server's own write where all before it was on disk. */
  soleWrite: number | null;
  isSettled: boolean;
}

/**
 * The two things that a coordinator does with copies: compare R of them, and have a change on W of them. Any server can do
 * it for any document, since the state is a lattice; the document's owners do it as a rule.
 */
export class Quorums {
  readonly #underWay = new Set<Coordination>();
  /** Lists to which a change is proposed that nobody has taken yet. */
  readonly #proposed = new Set<ListId>();

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
      this.#join(listId, document, delta);
      this.#begin(this.#open(listId, kind, delta, this.config.answerAfterMs, then, failed), document);
    };
    this.replica.use(listId, begin, failed);
  }

  /**
   * Whether a change that this server's own copy lets pass may be proposed: its copy and one other are all that have to be
   * compared, all who hold the list live, and nothing else is on its way to them.
   */
  mayPropose(listId: ListId): boolean {
    const owners = this.roster.placement.owners(partitionOf(listId));
    const isQuiet = owners.every((server) => server === this.turn.id || this.isAlive(server));
    const isOneEnough = owners.length > 1 && this.roster.quorumOf(this.config.readQuorum, owners.length) === 2;
    return isQuiet && isOneEnough && this.roster.mayJudge(listId) && !this.#proposed.has(listId);
  }

  /**
   * Compares and stores in one round: the others take `delta` where their copies say of the asker's rights what this one
   * says, and with the first that does two copies have been compared. Only then it is joined here; until then, or where
   * nobody takes it, nothing has happened here, and `otherwise` is called.
   * @param document as `use` just gave it
   */
  propose(
    listId: ListId,
    document: Document,
    delta: Document,
    otherwise: () => void,
    then: Then,
    failed: Failed,
  ): void {
    const coordination = this.#open(listId, "write", delta, this.config.answerAfterMs, then, failed);
    coordination.otherwise = otherwise;
    coordination.judgedAt = this.replica.newestWrite(listId);
    this.#proposed.add(listId);
    // All of them live: its only move is to ask them all.
    coordination.quorum.begin();
    this.exchanges.propose(coordination.tag, coordination.topic, document, delta);
  }

  /** One other has judged as this server did. */
  #accept(coordination: Coordination, delta: Document): void {
    const { listId, failed } = coordination;
    coordination.otherwise = null;
    this.#proposed.delete(listId);
    const begin = (document: Document): void => {
      const wasWritten = this.replica.isWritten(listId);
      const number = this.#join(listId, document, delta);
      coordination.soleWrite = wasWritten ? number : null;
      this.#awaitDisk(coordination);
    };
    this.replica.use(listId, begin, failed);
  }

  #withdraw(coordination: Coordination, otherwise: () => void): void {
    this.#proposed.delete(coordination.listId);
    coordination.isSettled = true;
    this.#end(coordination);
    otherwise();
  }

  /** @returns the number of the write, or null where there was nothing new in it */
  #join(listId: ListId, document: Document, delta: Document): number | null {
    if (document.includes(delta)) return null;
    const number = this.replica.join(listId, document, delta);
    const notify = (): void => this.turn.emit({ type: "notify", topic: topicOf(listId) });
    this.replica.whenDurable(listId, notify, () => undefined);
    return number;
  }

  #begin(coordination: Coordination, document: Document): void {
    this.#move(coordination, coordination.quorum.begin(), document);
    this.#awaitDisk(coordination);
  }

  #awaitDisk(coordination: Coordination): void {
    const { listId, quorum, failed } = coordination;
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
      fallbacks: placement.order(partition).slice(owners.length),
      writeQuorum: wanted,
      readQuorum: this.config.readQuorum,
      isAlive: this.isAlive,
      isWhole: this.roster.isWhole,
    });
    const gives = (peer: ServerId): boolean => delta !== null || owners.includes(peer) || heirs.includes(peer);
    const tag = this.exchanges.open(
      listId,
      "request",
      (peer, reply, isWhole) => this.#onAnswer(coordination, peer, reply, isWhole),
      gives,
    );
    const copies = (): Copies => ({
      stored: quorum.stored,
      wanted,
      replicas: owners.length,
      isCertain: quorum.comparedOwners >= this.roster.quorumOf(this.config.readQuorum, owners.length),
      isSafeElsewhere:
        coordination.soleWrite !== null &&
        coordination.soleWrite === this.replica.newestWrite(listId) &&
        quorum.stored >= wanted,
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
      otherwise: null,
      judgedAt: 0,
      soleWrite: null,
      isSettled: false,
    };
    this.#underWay.add(coordination);
    this.#setTimers(coordination, settleAfterMs);
    return coordination;
  }

  #setTimers(coordination: Coordination, settleAfterMs: Millis): void {
    const { delta, quorum } = coordination;
    // Those who are asked have to read it first.
    const extraMs = delta === null ? 0 : readingMs(delta.text.length);
    const { resendAfterMs, fallbackAfterMs, endAfterMs } = this.config;
    const after = (ms: Millis, work: () => void): Timer => this.turn.after(ms + extraMs, work);
    coordination.timers.push(
      after(Math.min(resendAfterMs, settleAfterMs / 2), () => {
        if (coordination.otherwise !== null) this.#withdraw(coordination, coordination.otherwise);
        // Whoever was given something large has it, as a rule, and has not come to it yet.
        else this.#move(coordination, quorum.resend(), null, extraMs === 0 ? delta : null);
      }),
      after(fallbackAfterMs, () => this.#move(coordination, quorum.askFallbacks(), null)),
      after(settleAfterMs, () => this.#settle(coordination)),
      after(endAfterMs, () => this.#end(coordination)),
    );
  }

  #onAnswer(coordination: Coordination, peer: ServerId, answer: ExchangeAnswer, isWhole: boolean): void {
    const { quorum, otherwise, delta } = coordination;
    if (otherwise !== null && delta !== null) {
      // What judged is not what would take it now, where another change has come between.
      const isAsJudged = this.replica.newestWrite(coordination.listId) === coordination.judgedAt;
      if (answer === "declined" || answer === "objects" || !isWhole || !isAsJudged) {
        this.#withdraw(coordination, otherwise);
        return;
      }
      this.#accept(coordination, delta);
    }
    // Who objected to what another one took is asked like anybody else.
    if (answer === "objects") this.#move(coordination, [{ type: "ask", server: peer }], null);
    else if (answer === "declined") this.#move(coordination, quorum.onDeclined(peer), null);
    else quorum.onAnswer(peer, answer === "holds", isWhole);
    this.#consider(coordination);
  }

  /**
   * @param document the document where it is at hand, else it is looked up
   * @param given what to give with the question; who turns out to lack something is given that
   */
  #move(
    coordination: Coordination,
    moves: readonly QuorumMove[],
    document: Document | null,
    given = coordination.delta,
  ): void {
    if (moves.length === 0) return;
    const { listId, tag, quorum, topic } = coordination;
    const perform = (current: Document): void => {
      for (const move of moves) {
        if (move.type === "publish") this.exchanges.publish(tag, topic, current, given);
        else this.exchanges.ask(tag, move.server, current, given);
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
