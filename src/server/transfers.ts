import { Document, documentDigest } from "../crdt/document.js";
import { LIMITS } from "../crdt/limits.js";
import { readingMs } from "../protocol/bounds.js";
import { topicOf, type ListId, type ServerId } from "../protocol/ids.js";
import { topicOfServer, type PeerMessage } from "../protocol/peer-messages.js";
import type { HashTree } from "./hash-tree.js";
import type { Questions } from "./questions.js";
import type { Replica } from "./replica.js";
import type { Turn } from "./turn.js";

type Then = (isTaken: boolean) => void;

/** What the longest list may take to come here, and to be read. */
const LONGEST_COPY_MS = readingMs(LIMITS.bytes);

/**
 * What peers are told of the copies here, and how one of theirs comes here where there is nothing of the list yet: as it lies on
 * their disk, unopened. What is rebuilt may be all that there is, and to check a digest takes a tenth of what decoding takes.
 * Lists that both sides have are a matter of `Exchanges`.
 */
export class Transfers {
  /** On their way here, with what they hash to and who waits for them. */
  readonly #coming = new Map<ListId, { readonly digest: string; readonly waiting: Then[] }>();

  constructor(
    readonly turn: Turn,
    readonly replica: Replica,
    readonly tree: HashTree,
    readonly questions: Questions,
    readonly isWhole: () => boolean,
  ) {}

  /**
   * Takes the peer's copy, and calls `then` once it is on disk, or when that did not come to pass: the peer has another one by
   * now, or there is something of the list here after all.
   * @param digest what the peer says that its copy hashes to
   */
  take(peer: ServerId, listId: ListId, digest: string, then: Then): void {
    const coming = this.#coming.get(listId);
    if (coming !== undefined) {
      // Who has another copy has to be compared with.
      if (coming.digest === digest) coming.waiting.push(then);
      else then(false);
      return;
    }
    const waiting = [then];
    this.#coming.set(listId, { digest, waiting });
    this.questions.ask(
      peer,
      (tag) => ({ type: "copy", tag, listId, digest }),
      (answer) => {
        this.#coming.delete(listId);
        const document = answer?.type === "copied" ? answer.document : null;
        this.#keep(listId, document, digest, (isTaken) => {
          for (const one of waiting) one(isTaken);
        });
      },
      LONGEST_COPY_MS,
    );
  }

  /** Has the peer take the copy that lies here. @param then whether it has it on disk */
  offer(peer: ServerId, listId: ListId, digest: string, then: Then): void {
    this.questions.ask(
      peer,
      (tag) => ({ type: "offer", tag, listId, digest }),
      (answer) => then(answer?.type === "taken"),
      LONGEST_COPY_MS,
    );
  }

  /** A peer has what may not be here. */
  onOffer(from: ServerId, { tag, listId, digest }: Extract<PeerMessage, { readonly type: "offer" }>): void {
    const answer = (isTaken: boolean): void => this.#tell(from, { type: isTaken ? "taken" : "declined", tag });
    if (!this.replica.lists().has(listId)) this.take(from, listId, digest, answer);
    else if (this.tree.digest(listId) === digest) this.#whenDurable(listId, answer);
    else answer(false);
  }

  /** A peer asks for what lies here. */
  onCopy(from: ServerId, { tag, listId, digest }: Extract<PeerMessage, { readonly type: "copy" }>): void {
    const declined = (): void => this.#tell(from, { type: "declined", tag });
    const give = (list: Document): void => {
      const document = documentDigest(list) === digest ? Document.unopened(list.text) : null;
      this.replica.whenDurable(listId, () => this.#tell(from, { type: "copied", tag, document }), declined);
    };
    this.replica.useUnopened(listId, give, declined);
  }

  /** A peer that keeps no copy itself asks for all of it, to look into. */
  onFetch(from: ServerId, { tag, listId }: Extract<PeerMessage, { readonly type: "fetch" }>): void {
    this.replica.use(
      listId,
      (document) => this.#tell(from, { type: "fetched", tag, document, whole: this.isWhole() }),
      () => this.#tell(from, { type: "declined", tag }),
    );
  }

  /** An operator wants to know whether copies are the same. */
  onDescribe(from: ServerId, { tag, listId }: Extract<PeerMessage, { readonly type: "describe" }>): void {
    this.replica.durableDigest(
      listId,
      (digest) => this.#tell(from, { type: "described", tag, digest }),
      () => this.#tell(from, { type: "declined", tag }),
    );
  }

  #tell(peer: ServerId, message: PeerMessage): void {
    this.turn.emit({ type: "publish", topic: topicOfServer(peer), message });
  }

  #keep(listId: ListId, document: Document | null, digest: string, then: Then): void {
    if (document === null || documentDigest(document) !== digest || this.replica.lists().has(listId)) {
      then(false);
      return;
    }
    this.turn.counters.received++;
    this.turn.emit({ type: "notify", topic: topicOf(listId) });
    this.replica.join(listId, Document.unopened(), document);
    this.tree.set(listId, digest);
    this.#whenDurable(listId, then);
  }

  #whenDurable(listId: ListId, then: Then): void {
    this.replica.whenDurable(
      listId,
      () => then(true),
      () => then(false),
    );
  }
}
