import { digestOf } from "../crdt/codec.js";
import { partitionOf } from "../protocol/hash-ring.js";
import type { ListId, ServerId } from "../protocol/ids.js";
import type { Millis } from "../protocol/machine.js";
import { topicOfServer, type ListDigest, type PartitionSum, type PeerMessage } from "../protocol/peer-messages.js";
import type { ShoppingList } from "../crdt/shopping-list.js";
import type { Exchanges } from "./exchanges.js";
import type { HashTree } from "./hash-tree.js";
import { Questions } from "./questions.js";
import type { Replica } from "./replica.js";
import type { Roster } from "./roster.js";
import type { Turn } from "./turn.js";

export interface AntiEntropyTimes {
  /** Between two rounds, each with the next living peer. */
  readonly antiEntropyIntervalMs: Millis;
}

/** What one round found. */
export interface RoundResult {
  /** Lists that were not the same on both sides. */
  readonly differing: number;
  /** Some of them, or all, could not be mended this time. */
  readonly failed: boolean;
}

/** Partitions whose buckets travel in one message, lists exchanged at a time, digests computed at a time. */
const PARTITIONS_AT_A_TIME = 8;
const LISTS_AT_A_TIME = 16;
const DIGESTS_AT_A_TIME = 64;

const EXCHANGE_TIMEOUT_MS = 2_000;

/**
 * How long the table has to be at rest before a server that joins fetches anything: where several come at once, each
 * should fetch what will be its own in the end, and nothing that the next of them takes over.
 */
const SETTLING_MS = 1_000;

/**
 * Finds and mends what replication missed: a server walks its hash tree against a peer's, from the top down, and exchanges
 * the lists that differ (Dynamo section 4.7). The same round fills a server that has joined, and one that lost its disk.
 */
export class AntiEntropy {
  readonly #questions: Questions;
  readonly #waiting = new Map<ServerId, ((result: RoundResult) => void)[]>();
  #isBusy = false;
  #lastPeer: ServerId = "";
  #settlesAt: Millis = 0;
  /** Lists found to differ since the table last changed, and how many of them are mended. */
  #progress = { done: 0, total: 0 };

  /** @param onRound called after every round with how it went */
  constructor(
    readonly turn: Turn,
    readonly replica: Replica,
    readonly exchanges: Exchanges,
    readonly roster: Roster,
    readonly tree: HashTree,
    readonly alive: () => readonly ServerId[],
    readonly times: AntiEntropyTimes,
    readonly onRound: (peer: ServerId, result: RoundResult) => void,
  ) {
    this.#questions = new Questions(turn);
  }

  get progress(): { readonly done: number; readonly total: number } {
    return this.#progress;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  start(): void {
    this.turn.after(this.times.antiEntropyIntervalMs, () => {
      const peers = this.alive();
      const next = peers.find((peer) => peer > this.#lastPeer) ?? peers[0];
      if (next !== undefined) this.round((this.#lastPeer = next));
      this.start();
    });
  }

  /** Everything moves: what was counted so far was about another table. */
  onPlacement(): void {
    this.#progress = { done: 0, total: 0 };
    if (this.roster.status === "joining") this.#settlesAt = this.turn.now + SETTLING_MS;
    for (const peer of this.alive()) this.round(peer);
  }

  /** Has a round with the peer as soon as those before it are over. */
  round(peer: ServerId, then?: (result: RoundResult) => void): void {
    const waiting = this.#waiting.get(peer) ?? [];
    if (then !== undefined) waiting.push(then);
    this.#waiting.set(peer, waiting);
    this.#next();
  }

  /** The answering side. */
  onQuestion(from: ServerId, message: Extract<PeerMessage, { readonly type: "compare" | "buckets" }>): void {
    const answer = (reply: PeerMessage): void =>
      this.turn.emit({ type: "publish", topic: topicOfServer(from), message: reply });
    if (message.type === "buckets") {
      const lists = message.partitions.flatMap((buckets) => this.tree.differing(buckets));
      answer({ type: "lists", tag: message.tag, lists });
      return;
    }
    const partitions = this.#between(from, this.turn.id);
    this.#refresh(partitions, () => {
      const isEqual = this.tree.top(partitions) === message.sum;
      answer({ type: "partitions", tag: message.tag, sums: isEqual ? [] : this.tree.sums(partitions) });
    });
  }

  onAnswer(from: ServerId, message: Extract<PeerMessage, { readonly type: "partitions" | "lists" }>): void {
    this.#questions.onAnswer(from, message);
  }

  #next(): void {
    const [next] = this.#waiting;
    if (this.#isBusy || next === undefined) return;
    if (this.turn.now < this.#settlesAt) {
      this.turn.after(this.#settlesAt - this.turn.now, () => this.#next());
      return;
    }
    const [peer, callbacks] = next;
    this.#waiting.delete(peer);
    this.#isBusy = true;
    this.turn.counters.rounds++;
    this.#begin(peer, (result) => {
      this.#isBusy = false;
      this.onRound(peer, result);
      for (const callback of callbacks) callback(result);
      this.#next();
    });
  }

  #begin(peer: ServerId, then: (result: RoundResult) => void): void {
    const partitions = this.#between(this.turn.id, peer);
    this.#refresh(partitions, () => {
      const sum = this.tree.top(partitions);
      this.#questions.ask(
        peer,
        (tag) => ({ type: "compare", tag, sum }),
        (answer) => {
          if (answer?.type !== "partitions") {
            then({ differing: 0, failed: true });
            return;
          }
          this.#descend(peer, answer.sums === null ? [] : this.#differing(partitions, answer.sums), then);
        },
      );
    });
  }

  #differing(partitions: readonly number[], theirs: readonly PartitionSum[]): readonly number[] {
    const [their, own] = [new Map(theirs), new Map(this.tree.sums(partitions))];
    return partitions.filter((partition) => their.get(partition) !== own.get(partition));
  }

  /** Asks for the lists in what differs, some partitions at a time, then exchanges those that are not the same. */
  #descend(peer: ServerId, partitions: readonly number[], then: (result: RoundResult) => void): void {
    const found: ListId[] = [];
    const next = (from: number): void => {
      const some = partitions.slice(from, from + PARTITIONS_AT_A_TIME);
      if (some.length === 0) {
        this.#exchangeAll(peer, found, then);
        return;
      }
      const buckets = some.map((partition) => this.tree.buckets(partition));
      this.#questions.ask(
        peer,
        (tag) => ({ type: "buckets", tag, partitions: buckets }),
        (answer) => {
          if (answer?.type !== "lists") then({ differing: found.length, failed: true });
          else {
            found.push(...this.#unlike(peer, some, answer.lists));
            next(from + PARTITIONS_AT_A_TIME);
          }
        },
      );
    };
    next(0);
  }

  /**
   * The lists whose digests differ, or that one side lacks, within the buckets that the peer told of. What the peer will
   * not keep is not given to it.
   */
  #unlike(peer: ServerId, partitions: readonly number[], theirs: readonly ListDigest[]): readonly ListId[] {
    const their = new Map(theirs);
    const wanted = new Set(partitions);
    const unlike = theirs.filter(
      ([listId, digest]) => wanted.has(partitionOf(listId)) && this.tree.digest(listId) !== digest,
    );
    const kept = partitions.filter((partition) => this.roster.placement.isHeir(peer, partition));
    const own = kept.flatMap((partition) => [...this.tree.listsOf(partition)]);
    const alone = own.filter((listId) => !their.has(listId));
    return [...unlike.map(([listId]) => listId), ...alone];
  }

  #exchangeAll(peer: ServerId, lists: readonly ListId[], then: (result: RoundResult) => void): void {
    this.#progress = { ...this.#progress, total: this.#progress.total + lists.length };
    const waiting = [...lists];
    let [left, failed] = [lists.length, false];
    const next = (): void => {
      const listId = waiting.shift();
      if (listId === undefined) {
        if (left === 0) then({ differing: lists.length, failed });
        return;
      }
      this.#exchange(peer, listId, (isLevel) => {
        left--;
        failed ||= !isLevel;
        if (isLevel) this.#progress = { ...this.#progress, done: this.#progress.done + 1 };
        next();
      });
    };
    if (left === 0) then({ differing: 0, failed: false });
    for (let index = Math.min(LISTS_AT_A_TIME, left); index > 0; index--) next();
  }

  /** Brings both sides level on one list, and on disk. */
  #exchange(peer: ServerId, listId: ListId, then: (isLevel: boolean) => void): void {
    let isOver = false;
    const end = (isLevel: boolean): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      this.exchanges.close(tag);
      then(isLevel);
    };
    const timer = this.turn.after(EXCHANGE_TIMEOUT_MS, () => end(false));
    const failed = (): void => end(false);
    const tag = this.exchanges.open(listId, "repair", (_peer, answer) => {
      if (answer === "holds") this.replica.whenDurable(listId, () => end(true), failed);
      else if (answer === "declined") end(false);
    });
    this.replica.use(listId, (list) => this.exchanges.askDiffering(tag, peer, list), failed);
  }

  /** The partitions that a round is about: those which the initiator keeps and the other has. */
  #between(initiator: ServerId, answerer: ServerId): readonly number[] {
    return this.roster.placement.keptWith(initiator, answerer);
  }

  /** Computes what digests are missing, then goes on; a list that cannot be read is left out this time. */
  #refresh(partitions: readonly number[], then: () => void): void {
    const stale = [...this.tree.stale(partitions)];
    let left = stale.length;
    if (left === 0) then();
    const next = (): void => {
      const listId = stale.pop();
      if (listId === undefined) return;
      const done = (): void => {
        if (--left === 0) then();
        else next();
      };
      const use = (list: ShoppingList): void => {
        this.tree.set(listId, digestOf(list));
        done();
      };
      this.replica.use(listId, use, done);
    };
    for (let index = Math.min(DIGESTS_AT_A_TIME, left); index > 0; index--) next();
  }
}
