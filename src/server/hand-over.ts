import type { Document } from "../crdt/document.js";
import { readingMs } from "../protocol/bounds.js";
import { partitionOf } from "../protocol/hash-ring.js";
import type { ListId, ServerId } from "../protocol/ids.js";
import type { Exchanges } from "./exchanges.js";
import type { Replica } from "./replica.js";
import type { Roster } from "./roster.js";
import type { Turn } from "./turn.js";

/** A list that is here and belongs elsewhere. */
interface Outgoing {
  /** The heirs that are known to have all of it. */
  readonly confirmed: Set<ServerId>;
  /** Raised with every change, which makes earlier confirmations void. */
  generation: number;
  isUnderWay: boolean;
  /** Whether it is here because partitions moved, and not in somebody's stead. */
  readonly isTransfer: boolean;
}

/** Hand-overs at a time, how long one may take, and how long until what could not be given is tried again. */
const AT_A_TIME = 16;
const ATTEMPT_MS = 2_000;
const PAUSE_MS = 1_000;

/**
 * Gives lists to the servers they belong to. There is one rule: a server that has a list of a partition that is not its own
 * gives it to all its heirs, and drops it once each of them has all of it on disk. A hint (Dynamo section 4.6) is such a
 * list, written here while an owner was away; so is every list of a server that is leaving, or that another has relieved.
 */
export class HandOver {
  readonly #outgoing = new Map<ListId, Outgoing>();
  /** Those of them that may be tried now. */
  readonly #ready = new Set<ListId>();
  /** Given to everyone, and kept for as long as this server owns them. */
  readonly #given = new Set<ListId>();
  #underWay = 0;
  #done = 0;
  #isTicking = false;

  /** @param onIdle called when there is nothing left that still waits for somebody */
  constructor(
    readonly turn: Turn,
    readonly replica: Replica,
    readonly exchanges: Exchanges,
    readonly roster: Roster,
    readonly isAlive: (server: ServerId) => boolean,
    readonly onIdle: () => void,
  ) {}

  /** Lists kept for others, with those who are not known to have them yet. */
  *hints(): Iterable<{ readonly list: ListId; readonly missingAt: readonly ServerId[] }> {
    for (const [list, outgoing] of this.#outgoing) {
      if (!outgoing.isTransfer) yield { list, missingAt: this.#missing(list, outgoing) };
    }
  }

  get hintCount(): number {
    let hints = 0;
    for (const { isTransfer } of this.#outgoing.values()) if (!isTransfer) hints++;
    return hints;
  }

  /** Lists given away because partitions moved, of those that have to be. */
  get progress(): { readonly done: number; readonly total: number } {
    return { done: this.#done, total: this.#done + this.#outgoing.size - this.hintCount };
  }

  /** The list has changed, or is new here. */
  onChange(listId: ListId): void {
    if (!this.replica.lists().has(listId)) return;
    const outgoing = this.#outgoing.get(listId);
    if (outgoing !== undefined) {
      outgoing.generation++;
      outgoing.confirmed.clear();
    } else if (this.#belongsElsewhere(listId)) {
      const isLeaving = this.roster.status === "leaving" || this.roster.status === "removed";
      if (this.#given.delete(listId)) this.#done--;
      this.#add(listId, isLeaving);
    }
    this.#tick();
  }

  /** Partitions have moved, or this is the start. */
  onPlacement(): void {
    this.#done -= this.#given.size;
    this.#given.clear();
    for (const listId of this.replica.lists()) {
      if (!this.#belongsElsewhere(listId)) this.#outgoing.delete(listId);
      else if (!this.#outgoing.has(listId)) this.#add(listId, true);
    }
    this.#tryAll();
  }

  /** A peer is back: what waits for it need wait no longer. */
  onAlive(): void {
    this.#tryAll();
  }

  #add(listId: ListId, isTransfer: boolean): void {
    this.#outgoing.set(listId, { confirmed: new Set(), generation: 0, isUnderWay: false, isTransfer });
  }

  #belongsElsewhere(listId: ListId): boolean {
    const partition = partitionOf(listId);
    const { placement } = this.roster;
    // While nobody is known to own anything there is nobody to give it to.
    if (placement.heirs(partition).length === 0) return false;
    return this.roster.status === "leaving" || !placement.isHolder(this.turn.id, partition);
  }

  #missing(listId: ListId, { confirmed }: Outgoing): readonly ServerId[] {
    const heirs = this.roster.placement.heirs(partitionOf(listId));
    return heirs.filter((server) => server !== this.turn.id && !confirmed.has(server));
  }

  #tryAll(): void {
    for (const [listId, { isUnderWay }] of this.#outgoing) if (!isUnderWay) this.#ready.add(listId);
    this.#go();
  }

  /** Tries again in a while, as long as there is something to try. */
  #tick(): void {
    if (this.#isTicking || this.#outgoing.size === 0) return;
    this.#isTicking = true;
    this.turn.after(PAUSE_MS, () => {
      this.#isTicking = false;
      this.#tryAll();
    });
  }

  #go(): void {
    for (const listId of this.#ready) {
      if (this.#underWay >= AT_A_TIME) break;
      this.#ready.delete(listId);
      const outgoing = this.#outgoing.get(listId);
      if (outgoing === undefined || outgoing.isUnderWay) continue;
      const missing = this.#missing(listId, outgoing);
      const reachable = missing.filter(this.isAlive);
      if (missing.length === 0) this.#release(listId);
      else if (reachable.length > 0) this.#give(listId, outgoing, reachable);
    }
    if (this.#outgoing.size === 0) this.onIdle();
    this.#tick();
  }

  #give(listId: ListId, outgoing: Outgoing, servers: readonly ServerId[]): void {
    outgoing.isUnderWay = true;
    this.#underWay++;
    const { generation } = outgoing;
    const waiting = new Set(servers);
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      outgoing.isUnderWay = false;
      this.#underWay--;
      timer.cancel();
      this.exchanges.close(tag);
      if (waiting.size === 0) this.#ready.add(listId);
      this.#go();
    };
    let timer = this.turn.after(ATTEMPT_MS, end);
    const tag = this.exchanges.open(listId, "hand-over", (server, answer) => {
      if (answer === "lacks") return;
      if (answer === "holds" && outgoing.generation === generation) outgoing.confirmed.add(server);
      if (answer === "holds" && waiting.delete(server)) this.turn.counters.handovers++;
      if (answer === "declined" || waiting.size === 0) end();
    });
    const ask = (list: Document): void => {
      if (isOver) return;
      timer.cancel();
      timer = this.turn.after(ATTEMPT_MS + 2 * readingMs(list.text.length), end);
      for (const server of servers) this.exchanges.ask(tag, server, list, null);
    };
    this.replica.use(listId, ask, end);
  }

  /** Everyone who should have it has it. */
  #release(listId: ListId): void {
    const release = (): void => {
      const current = this.#outgoing.get(listId);
      if (current === undefined || this.#missing(listId, current).length > 0) return;
      this.#outgoing.delete(listId);
      if (current.isTransfer) this.#done++;
      if (this.roster.placement.isHolder(this.turn.id, partitionOf(listId))) this.#given.add(listId);
      else {
        this.turn.counters.drops++;
        this.replica.drop(listId);
      }
    };
    // What is still on its way to the disk would otherwise arrive there after the list was let go of.
    this.replica.whenDurable(
      listId,
      () => this.replica.use(listId, release, () => undefined),
      () => undefined,
    );
  }
}
