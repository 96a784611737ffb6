import { documentDigest, type Document } from "../crdt/document.js";
import { readingMs } from "../protocol/bounds.js";
import { partitionOf } from "../protocol/hash-ring.js";
import type { ListId, ServerId } from "../protocol/ids.js";
import type { Millis } from "../protocol/machine.js";
import {
  topicOfServer,
  type ListDigest,
  PARTITIONS_AT_A_TIME,
  type PartitionBuckets,
  type PartitionSum,
  type PeerMessage,
  type Scope,
} from "../protocol/peer-messages.js";
import type { Transfers } from "./transfers.js";
import type { Exchanges } from "./exchanges.js";
import type { HashTree } from "./hash-tree.js";
import type { Questions } from "./questions.js";
import type { Replica } from "./replica.js";
import type { Roster } from "./roster.js";
import type { Turn } from "./turn.js";

export interface AntiEntropyTimes {
  /** Between two rounds, each with the next living peer. */
  readonly antiEntropyIntervalMs: Millis;
}

/** A round that is due. */
interface Waiting {
  readonly scope: Scope;
  readonly callbacks: readonly ((result: RoundResult) => void)[];
}

/** What one round found. */
export interface RoundResult {
  /** Lists that were not the same on both sides. */
  readonly differing: number;
  /** Some of them, or all, could not be mended this time. */
  readonly failed: boolean;
}

/** Lists exchanged at a time, digests computed at a time. */
const LISTS_AT_A_TIME = 128;
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
  readonly #waiting = new Map<ServerId, Waiting>();
  #isBusy = false;
  #lastPeer: ServerId = "";
  #settlesAt: Millis = 0;
  readonly #refreshes: { readonly partitions: readonly number[]; readonly then: () => void }[] = [];
  #isRefreshing = false;
  /** Lists of the refresh under way that the disk would not give. */
  readonly #unreadable = new Set<ListId>();
  /** Lists found to differ since the table last changed, and how many of them are mended. */
  #progress = { done: 0, total: 0 };

  /** @param onRound called after every round with how it went */
  constructor(
    readonly turn: Turn,
    readonly replica: Replica,
    readonly exchanges: Exchanges,
    readonly transfers: Transfers,
    readonly roster: Roster,
    readonly tree: HashTree,
    readonly questions: Questions,
    readonly alive: () => readonly ServerId[],
    readonly times: AntiEntropyTimes,
    readonly onRound: (peer: ServerId, result: RoundResult) => void,
  ) {}

  get progress(): { readonly done: number; readonly total: number } {
    return this.#progress;
  }

  start(): void {
    this.turn.after(this.times.antiEntropyIntervalMs, () => {
      const peers = this.alive();
      const next = peers.find((peer) => peer > this.#lastPeer) ?? peers[0];
      if (next !== undefined) this.round((this.#lastPeer = next), "holder");
      this.start();
    });
  }

  /** Everything moves: what was counted so far was about another table. */
  onPlacement(): void {
    this.#progress = { done: 0, total: 0 };
    if (this.roster.status === "joining") this.#settlesAt = this.turn.now + SETTLING_MS;
    for (const peer of this.alive()) this.round(peer, "heir");
  }

  /**
   * Has a round with the peer as soon as those before it are over. What is held for others who are still joining is only
   * looked at on a schedule: as a rule they take it over before it comes to that.
   */
  round(peer: ServerId, scope: Scope, then?: (result: RoundResult) => void): void {
    const waiting = this.#waiting.get(peer);
    const callbacks = [...(waiting?.callbacks ?? []), ...(then === undefined ? [] : [then])];
    this.#waiting.set(peer, { scope: waiting?.scope === "holder" ? "holder" : scope, callbacks });
    this.#next();
  }

  /** The answering side. A server with another table in mind is not answered: it would compare other partitions. */
  onQuestion(from: ServerId, message: Extract<PeerMessage, { readonly type: "compare" | "buckets" }>): void {
    const { tag } = message;
    const answer = (reply: PeerMessage): void =>
      this.turn.emit({ type: "publish", topic: topicOfServer(from), message: reply });
    if (message.type === "buckets") {
      const lists = message.partitions.flatMap((buckets) => this.tree.differing(buckets));
      answer({ type: "lists", tag, partitions: message.partitions.map(([at]) => this.tree.buckets(at)), lists });
      return;
    }
    if (message.agreement !== this.roster.agreement) {
      answer({ type: "declined", tag });
      return;
    }
    const partitions = this.roster.placement.sharedBy(message.scope, from, this.turn.id);
    this.#refresh(partitions, () => {
      const isEqual = this.tree.top(partitions) === message.sum;
      answer({ type: "partitions", tag, sums: isEqual ? null : this.tree.sums(partitions) });
    });
  }

  #next(): void {
    const [next] = this.#waiting;
    if (this.#isBusy || next === undefined) return;
    if (this.turn.now < this.#settlesAt) {
      this.turn.after(this.#settlesAt - this.turn.now, () => this.#next());
      return;
    }
    const [peer, { scope, callbacks }] = next;
    this.#waiting.delete(peer);
    this.#isBusy = true;
    this.turn.counters.rounds++;
    const { placement } = this.roster;
    this.#begin(peer, scope, ({ differing, failed }) => {
      this.#isBusy = false;
      // What was gone through under another table says nothing about this one.
      const result = { differing, failed: failed || placement !== this.roster.placement };
      this.onRound(peer, result);
      for (const callback of callbacks) callback(result);
      this.#next();
    });
  }

  #begin(peer: ServerId, scope: Scope, then: (result: RoundResult) => void): void {
    const { agreement, placement } = this.roster;
    const partitions = placement.sharedBy(scope, this.turn.id, peer);
    this.#refresh(partitions, () => {
      const sum = this.tree.top(partitions);
      this.questions.ask(
        peer,
        (tag) => ({ type: "compare", tag, agreement, scope, sum }),
        (answer) => {
          if (answer?.type !== "partitions") {
            then({ differing: 0, failed: true });
            return;
          }
          this.#descend(peer, scope, answer.sums === null ? [] : this.#differing(partitions, answer.sums), then);
        },
      );
    });
  }

  #differing(partitions: readonly number[], theirs: readonly PartitionSum[]): readonly number[] {
    const [their, own] = [new Map(theirs), new Map(this.tree.sums(partitions))];
    return partitions.filter((partition) => their.get(partition) !== own.get(partition));
  }

  /** Asks for the lists in what differs, some partitions at a time, then exchanges those that are not the same. */
  #descend(peer: ServerId, scope: Scope, partitions: readonly number[], then: (result: RoundResult) => void): void {
    const found: ListDigest[] = [];
    const next = (from: number): void => {
      const some = partitions.slice(from, from + PARTITIONS_AT_A_TIME);
      if (some.length === 0) {
        this.#exchangeAll(peer, found, then);
        return;
      }
      const buckets = some.map((partition) => this.tree.buckets(partition));
      this.questions.ask(
        peer,
        (tag) => ({ type: "buckets", tag, partitions: buckets }),
        (answer) => {
          if (answer?.type !== "lists") then({ differing: found.length, failed: true });
          else {
            found.push(...this.#unlike(peer, scope, some, answer.partitions, answer.lists));
            next(from + PARTITIONS_AT_A_TIME);
          }
        },
      );
    };
    next(0);
  }

  /**
   * The lists whose digests differ, or that one side lacks; the peer is given what is its own in this scope. The digest is the
   * peer's, or where the peer has no such list this side's.
   */
  #unlike(
    peer: ServerId,
    scope: Scope,
    asked: readonly number[],
    theirs: readonly PartitionBuckets[],
    lists: readonly ListDigest[],
  ): readonly ListDigest[] {
    const their = new Map(lists);
    const wanted = new Set(asked);
    const differing = lists.filter(
      ([listId, digest]) => wanted.has(partitionOf(listId)) && this.tree.digest(listId) !== digest,
    );
    const kept = theirs.filter(
      ([partition]) => wanted.has(partition) && this.roster.placement.isIn(scope, peer, partition),
    );
    const alone = kept.flatMap((buckets) => this.tree.differing(buckets)).filter(([listId]) => !their.has(listId));
    return [...differing, ...alone];
  }

  #exchangeAll(peer: ServerId, lists: readonly ListDigest[], then: (result: RoundResult) => void): void {
    this.#progress = { ...this.#progress, total: this.#progress.total + lists.length };
    const waiting = lists.values();
    let [left, failed] = [lists.length, 0];
    const next = (): void => {
      const { value, done } = waiting.next();
      if (done === true) {
        if (left === 0) then({ differing: lists.length, failed: failed > 0 });
        return;
      }
      this.#level(peer, value, (isLevel) => {
        left--;
        if (!isLevel) failed++;
        const { done, total } = this.#progress;
        // What failed is found again by the next round, and counted then.
        this.#progress = isLevel ? { done: done + 1, total } : { done, total: total - 1 };
        next();
      });
    };
    if (left === 0) then({ differing: 0, failed: false });
    for (let index = Math.min(LISTS_AT_A_TIME, left); index > 0; index--) next();
  }

  /** Brings both sides level on one list, and on disk. */
  #level(peer: ServerId, [listId, digest]: ListDigest, then: (isLevel: boolean) => void): void {
    const onCopied = (isLevel: boolean): void => {
      if (isLevel) then(true);
      else this.#exchange(peer, listId, then);
    };
    if (!this.replica.lists().has(listId)) this.transfers.take(peer, listId, digest, onCopied);
    // It is this side's own, so the peer has none.
    else if (this.tree.digest(listId) === digest) this.transfers.offer(peer, listId, digest, onCopied);
    else this.#exchange(peer, listId, then);
  }

  #exchange(peer: ServerId, listId: ListId, then: (isLevel: boolean) => void): void {
    let isOver = false;
    const end = (isLevel: boolean): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      this.exchanges.close(tag);
      then(isLevel);
    };
    let timer = this.turn.after(EXCHANGE_TIMEOUT_MS, () => end(false));
    const failed = (): void => end(false);
    const tag = this.exchanges.open(listId, "repair", (_peer, answer) => {
      if (answer === "holds") this.replica.whenDurable(listId, () => end(true), failed);
      else if (answer === "declined") end(false);
    });
    const ask = (list: Document): void => {
      if (isOver) return;
      timer.cancel();
      timer = this.turn.after(EXCHANGE_TIMEOUT_MS + 2 * readingMs(list.text.length), () => end(false));
      this.exchanges.askDiffering(tag, peer, list);
    };
    this.replica.use(listId, ask, failed);
  }

  /** Computes what digests are missing, then goes on; a list that cannot be read is left out this time. */
  #refresh(partitions: readonly number[], then: () => void): void {
    // One after the other: whoever asks for the same meanwhile finds it done.
    this.#refreshes.push({ partitions, then });
    if (!this.#isRefreshing) this.#nextRefresh();
  }

  #nextRefresh(): void {
    this.#isRefreshing = true;
    for (let [first] = this.#refreshes; first !== undefined; [first] = this.#refreshes) {
      const { partitions, then } = first;
      const stale = this.tree.stale(partitions).filter((listId) => !this.#unreadable.has(listId));
      if (stale.length > 0) {
        this.#digest(stale.slice(0, DIGESTS_AT_A_TIME), () => this.#nextRefresh());
        return;
      }
      this.#unreadable.clear();
      this.#refreshes.shift();
      then();
    }
    this.#isRefreshing = false;
  }

  /** Calls `then` later, never at once. */
  #digest(lists: readonly ListId[], then: () => void): void {
    let left = lists.length;
    const done = (): void => {
      if (--left === 0) this.turn.after(0, then);
    };
    for (const listId of lists) {
      const use = (list: Document): void => {
        this.tree.set(listId, documentDigest(list));
        done();
      };
      const failed = (): void => {
        this.#unreadable.add(listId);
        done();
      };
      this.replica.useUnopened(listId, use, failed);
    }
  }
}
