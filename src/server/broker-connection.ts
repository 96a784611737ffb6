import { BOUNDS } from "../protocol/bounds.js";
import {
  decodeBrokerMessage,
  encodeServerMessage,
  type BrokerMessage,
  type ServerMessage,
  type ServerReply,
  type Tagged,
} from "../protocol/frames.js";
import { Batches } from "../runtime/batches.js";
import { toBack } from "../runtime/curve.js";
import type { CurveKeys } from "../runtime/key-files.js";
import type { Logger } from "../runtime/logger.js";
import { connectDealer, type DealerSocket } from "../runtime/zeromq.js";

/** A server's socket to one broker, opened and closed as its core says. */
export class BrokerConnection {
  #socket: DealerSocket | null = null;
  readonly #replies = new Batches<"replies", Tagged<ServerReply>>(BOUNDS.batch, (type, replies) =>
    this.#socket?.send(encodeServerMessage({ type, replies })),
  );
  readonly #topics = new Batches<"notice", string>(BOUNDS.batch, (type, topics) =>
    this.#socket?.send(encodeServerMessage({ type, topics })),
  );

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
        message = decodeBrokerMessage(frames);
      } catch (error) {
        this.logger.warn({ event: "message-refused", broker: this.endpoint, problem: String(error) });
        return;
      }
      this.onMessage(message);
    });
  }

  /** Dropped while the broker is away: whoever waits for it asks again. */
  send(message: ServerMessage): void {
    if (message.type === "replies") this.#replies.add("replies", message.replies);
    else if (message.type === "notice") this.#topics.add("notice", message.topics);
    else this.#socket?.send(encodeServerMessage(message));
  }

  async close(): Promise<void> {
    this.#replies.flush();
    const socket = this.#socket;
    this.#socket = null;
    await socket?.close();
  }
}
