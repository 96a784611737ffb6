import { copyOf, documentDigest, NOWHERE, type Document, type Position } from "../crdt/document.js";
import { topicOf, type ListId, type ServerId } from "../protocol/ids.js";
import { topicOfServer, type PeerMessage, type Purpose } from "../protocol/peer-messages.js";
import type { Replica } from "./replica.js";
import type { Turn } from "./turn.js";

type Sync = Extract<PeerMessage, { readonly type: "sync" }>;
type Synced = Extract<PeerMessage, { readonly type: "synced" }>;

/** What a peer's answer came to. `lacks` is not the last word: what it lacks is on its way to it. */
export type ExchangeAnswer = "holds" | "lacks" | "objects" | "declined";

interface Exchange {
  readonly listId: ListId;
  readonly purpose: Purpose;
  /** @param isWhole whether the peer has all that it ever said it has */
  readonly onAnswer: (peer: ServerId, answer: ExchangeAnswer, isWhole: boolean) => void;
  /** Whether the peer should be given what it lacks. */
  readonly gives: (peer: ServerId) => boolean;
  /** How often each peer was given what it lacked. */
  readonly given: Map<ServerId, number>;
}

/** Once brings a peer level; more happens only while others write the same list. */
const MOST_GIVEN = 4;

/**
 * Brings peers level with this server on a list, and this server with them: each side says what it has seen and gives what
 * the other lacks. Everything between servers that moves lists is one of these: replication, read repair, hand-over of
 * hints, streaming, anti-entropy.
 */
export class Exchanges {
  readonly #open = new Map<number, Exchange>();

  constructor(
    readonly turn: Turn,
    readonly replica: Replica,
    readonly isWhole: () => boolean,
    /** Whether this server's copy may be one of the R by which a request is judged. */
    readonly mayJudge: (listId: ListId) => boolean,
  ) {}

  get size(): number {
    return this.#open.size;
  }

  /** @param onAnswer `holds` where the peer has on disk all that this server had when `open` was called, or more */
  open(
    listId: ListId,
    purpose: Purpose,
    onAnswer: Exchange["onAnswer"],
    gives: Exchange["gives"] = () => true,
  ): number {
    const tag = this.turn.nextTag();
    this.#open.set(tag, { listId, purpose, onAnswer, gives, given: new Map() });
    return tag;
  }

  close(tag: number): void {
    this.#open.delete(tag);
  }

  /** Asks all that listen to the topic, giving them `delta`. */
  publish(tag: number, topic: string, list: Document, delta: Document | null): void {
    const exchange = this.#open.get(tag);
    if (exchange !== undefined) this.#send(topic, tag, exchange, list, delta, null);
  }

  /**
   * Asks all that listen to the topic to take `delta`, which this server has not taken itself, if their copy of the list
   * would have them judge as it was judged here; they hold it then, or they object.
   */
  propose(tag: number, topic: string, list: Document, delta: Document): void {
    const exchange = this.#open.get(tag);
    // The position as it was judged, and not as it will be when this step is over.
    const judged = { position: copyOf(list.position) };
    if (exchange === undefined) return;
    this.#send(topic, tag, { listId: exchange.listId, purpose: "proposal" }, judged, delta, null);
  }

  /** Asks one peer, giving it `delta`. */
  ask(tag: number, peer: ServerId, list: Document, delta: Document | null): void {
    this.publish(tag, topicOfServer(peer), list, delta);
  }

  /** Asks one peer that is known to differ, in a way that may not show in what both have seen. */
  askDiffering(tag: number, peer: ServerId, list: Document): void {
    const exchange = this.#open.get(tag);
    if (exchange !== undefined) this.#send(topicOfServer(peer), tag, exchange, list, null, documentDigest(list));
  }

  /** A peer asks: takes in what it gives, and answers once that is on disk. */
  onSync(from: ServerId, sync: Sync): void {
    const { tag, listId, purpose, position, delta, digest } = sync;
    const topic = topicOfServer(from);
    const decline = (problem: string): void => {
      this.turn.emit({ type: "log", event: "declined", facts: { list: listId, problem } });
      this.turn.emit({ type: "publish", topic, message: { type: "declined", tag } });
    };
    const answer = (list: Document): void => {
      if (purpose === "proposal") {
        if (this.#agrees(list, sync)) this.onSync(from, agreed(sync));
        else this.turn.emit({ type: "publish", topic, message: { type: "objected", tag } });
        return;
      }
      if (delta !== null && !(purpose === "request" && list.includes(delta))) {
        if (purpose !== "request") {
          this.#count(listId);
          this.#notify(listId);
        }
        this.replica.join(listId, list, delta);
      }
      const found =
        purpose === "hand-over"
          ? { delta: null, position: lackedBy(list, position, delta) }
          : answerTo(list, position, delta, digest);
      const tell = (): void => {
        const message = {
          type: "synced",
          tag,
          delta: found.delta,
          position: found.position,
          whole: this.isWhole(),
        } as const;
        this.turn.emit({ type: "publish", topic, message });
      };
      this.replica.whenDurable(listId, tell, decline);
    };
    this.replica.use(listId, answer, decline);
  }

  /** A peer has answered: takes in what it gives, and gives it what it lacks. */
  onSynced(from: ServerId, { tag, delta, position, whole }: Synced): void {
    const exchange = this.#open.get(tag);
    if (exchange === undefined) return;
    const { listId, purpose, onAnswer, gives, given } = exchange;
    if (delta === null && position === null) {
      onAnswer(from, "holds", whole);
      return;
    }
    const takeIn = (list: Document): void => {
      // What was given though nothing of it is news by its dots: two copies of one folder have written under one name.
      const isClash = delta !== null && !delta.list.seen.isEmpty() && list.list.seen.includesAll(delta.list.seen);
      if (delta !== null && (isClash || !list.includes(delta))) {
        if (purpose === "request") this.turn.counters.readRepairs++;
        else this.#count(listId);
        this.#notify(listId);
        this.replica.join(listId, list, delta);
      }
      // Records go whole both ways; what was given may be all there is.
      if (position === null || list.isHeldAt(position)) {
        onAnswer(from, "holds", whole);
        return;
      }
      onAnswer(from, "lacks", whole);
      const times = (given.get(from) ?? 0) + 1;
      if (times > MOST_GIVEN || !gives(from)) return;
      given.set(from, times);
      const lacking = list.lacking(position);
      const what = { listId, purpose: isClash ? "clash" : purpose } as const;
      this.#send(topicOfServer(from), tag, what, list, lacking, null);
      this.turn.counters.repairs++;
    };
    this.replica.use(listId, takeIn, () => onAnswer(from, "declined", whole));
  }

  onDeclined(from: ServerId, tag: number): void {
    this.#open.get(tag)?.onAnswer(from, "declined", false);
  }

  onObjected(from: ServerId, tag: number): void {
    this.#open.get(tag)?.onAnswer(from, "objects", false);
  }

  /** The sender knows all that is known here, and the same of who may do what: nothing would be judged otherwise here. */
  #agrees({ list, position: { records } }: Document, { listId, position }: Sync): boolean {
    const isSame = records !== "" && records === position.records && position.seen.includesAll(list.seen);
    return isSame && this.mayJudge(listId);
  }

  #send(
    topic: string,
    tag: number,
    { listId, purpose }: Pick<Exchange, "listId" | "purpose">,
    { position }: Pick<Document, "position">,
    delta: Document | null,
    digest: string | null,
  ): void {
    const given = delta === null || delta.isEmpty ? null : delta;
    // Effects are performed when the step is over; should the position have grown by then, it is no less true.
    this.turn.emit({
      type: "publish",
      topic,
      message: { type: "sync", tag, listId, purpose, position, delta: given, digest },
    });
  }

  /** Lists that were not here and come from another server for no request's sake. */
  #count(listId: ListId): void {
    if (!this.replica.lists().has(listId)) this.turn.counters.received++;
  }

  /** Watchers hear of a change from whoever was asked to make it; of one that came another way, from here. */
  #notify(listId: ListId): void {
    this.turn.emit({ type: "notify", topic: topicOf(listId) });
  }
}

/** What was proposed as something to take; its sender will have it, too. */
function agreed({ type, tag, listId, position, delta, digest }: Sync): Sync {
  const { seen, records } = copyOf(position);
  if (delta !== null) seen.join(delta.list.seen);
  return { type, tag, listId, purpose: "request", position: { seen, records }, delta, digest };
}

/** What the asker lacks, and where this side lacks something itself, what it has seen. */
function answerTo(
  list: Document,
  position: Position,
  given: Document | null,
  digest: string | null,
): Pick<Synced, "delta" | "position"> {
  const lacking = list.lacking(position);
  const delta = lacking.isEmpty ? null : lacking;
  const lacked = lackedBy(list, position, given);
  if (delta === null && lacked === null && digest !== null && documentDigest(list) !== digest) {
    // The same dots and yet not the same: two copies of one folder have written under one name. Everything, both ways.
    return { delta: list.clone(), position: NOWHERE };
  }
  return { delta, position: lacked };
}

/** Where the document lacks some of `position`, what it has; null where it has it all, `given` being part of it. */
function lackedBy(document: Document, { seen, records }: Position, given: Document | null): Position | null {
  // Records that were given whole are here, though what they were joined with has another name.
  const isGiven = given !== null && given.position.records === records;
  return document.holds({ seen, records: isGiven ? "" : records }) ? null : copyOf(document.position);
}
