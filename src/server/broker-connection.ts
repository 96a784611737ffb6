import {
  decodeBrokerMessage,
  encodeServerMessage,
  type BrokerMessage,
  headFrames,
  replyFrames,
  type ServerMessage,
} from "../protocol/broker-messages.js";
import type { Frame } from "../protocol/frames.js";
import { packFrames, unpackFrames } from "../protocol/packed-frames.js";
import { Batches } from "../runtime/batches.js";
import { toBack } from "../runtime/curve.js";
import type { CurveKeys } from "../runtime/key-files.js";
import type { Logger } from "../runtime/logger.js";
import { connectDealer, type DealerSocket } from "../runtime/zeromq.js";

/** A server's socket to one broker, opened and closed as its core says. */
export class BrokerConnection {
  #socket: DealerSocket | null = null;
  readonly #replies = new Batches<"replies">((type, frames) => this.#send([...headFrames(type), ...frames]));

  constructor(
    readonly endpoint: string,
    readonly curve: CurveKeys | null,
    readonly logger: Logger,
    readonly onMessage: (message: BrokerMessage) => void,
  ) {}

  open(): void {
    this.#socket = connectDealer(this.endpoint, toBack(this.curve), (frames) => {
      let message: BrokerMessage;
      try {
        message = decodeBrokerMessage(unpackFrames(frames));
      } catch (error) {
        this.logger.warn({ event: "message-refused", broker: this.endpoint, problem: String(error) });
        return;
      }
      this.onMessage(message);
    });
  }

  /** Dropped while the broker is away: whoever waits for it asks again. */
  send(message: ServerMessage): void {
    if (message.type === "replies") {
      for (const reply of message.replies) this.#replies.add(message.type, replyFrames(reply));
      return;
    }
    // A goodbye comes last.
    if (message.type === "goodbye") this.#replies.flush();
    this.#send(encodeServerMessage(message));
  }

  #send(frames: readonly Frame[]): void {
    this.#socket?.send([packFrames(frames)]);
  }

  async close(): Promise<void> {
    this.#replies.flush();
    const socket = this.#socket;
    this.#socket = null;
    await socket?.close();
  }
}
