import type { ServerId } from "../protocol/ids.js";
import { topicOfServer, type PeerMessage } from "../protocol/peer-messages.js";
import type { Timer, Turn } from "./turn.js";

/** How long one attempt at a question waits, and how many there are. */
const ATTEMPT_MS = 1_000;
const ATTEMPTS = 2;

interface Question {
  readonly peer: ServerId;
  readonly then: (answer: PeerMessage | null) => void;
  timer: Timer;
}

/** Questions to single peers that a moment suffices to answer: asked again when lost, given up after a while. */
export class Questions {
  readonly #open = new Map<number, Question>();

  constructor(readonly turn: Turn) {}

  get size(): number {
    return this.#open.size;
  }

  /**
   * @param then called once, with null where no answer came
   * @param lastMs how long the last attempt waits, where the answer may be a long one
   */
  ask(peer: ServerId, make: (tag: number) => PeerMessage, then: Question["then"], lastMs = ATTEMPT_MS): void {
    const tag = this.turn.nextTag();
    const attempt = (left: number): Timer => {
      this.turn.emit({ type: "publish", topic: topicOfServer(peer), message: make(tag) });
      return this.turn.after(left > 1 ? ATTEMPT_MS : lastMs, () => {
        if (left > 1) question.timer = attempt(left - 1);
        else this.#close(tag, null);
      });
    };
    const question: Question = { peer, then, timer: attempt(ATTEMPTS) };
    this.#open.set(tag, question);
  }

  onAnswer(from: ServerId, answer: PeerMessage & { readonly tag: number }): void {
    if (this.#open.get(answer.tag)?.peer === from) this.#close(answer.tag, answer);
  }

  #close(tag: number, answer: PeerMessage | null): void {
    const question = this.#open.get(tag);
    this.#open.delete(tag);
    question?.timer.cancel();
    question?.then(answer);
  }
}
