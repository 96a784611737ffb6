import {
  decodeBrokerMessage,
  encodeServerMessage,
  type BrokerMessage,
  type Frame,
  type Request,
  type ServerMessage,
  type Tagged,
} from "../protocol/frames.js";
import { Driver } from "../runtime/driver.js";
import type { Logger } from "../runtime/logger.js";
import { connectDealer, type DealerSocket } from "../runtime/zeromq.js";
import { BrokerLink, type LinkEffect, type LinkEvent, type LinkTimes } from "./broker-link.js";

/** What the connection asks of the server it belongs to. */
export interface ConnectionUser {
  /** The bodies of the next announcement and heartbeat. */
  announcement(): Frame;
  health(): Frame;
  onMembers(body: Frame): void;
  onRequest(request: Tagged<Request>): void;
}

/** A server's connection to one broker, kept up for as long as the server runs. */
export class BrokerConnection {
  readonly #driver: Driver<LinkEvent, LinkEffect>;
  #socket: DealerSocket | null = null;

  constructor(
    readonly endpoint: string,
    readonly user: ConnectionUser,
    readonly logger: Logger,
    times: LinkTimes,
  ) {
    const onError = (error: unknown): void => logger.warn({ event: "message-refused", problem: String(error) });
    this.#driver = new Driver(new BrokerLink(times), (effect) => this.#perform(effect), { type: "tick" }, onError);
    this.#driver.post({ type: "tick" });
  }

  /** Dropped while the broker is away: whoever waits for it asks again. */
  send(message: ServerMessage): void {
    this.#socket?.send(encodeServerMessage(message));
  }

  announce(): void {
    this.#driver.post({ type: "announce" });
  }

  async close(): Promise<void> {
    this.#driver.stop();
    this.send({ type: "goodbye" });
    await this.#socket?.close();
  }

  #perform(effect: LinkEffect): void {
    switch (effect.type) {
      case "open":
        this.#socket = connectDealer(this.endpoint, (frames) => this.#onFrames(frames));
        break;
      case "close":
        this.logger.warn({ event: "broker-silent", broker: this.endpoint });
        void this.#socket?.close();
        this.#socket = null;
        break;
      case "announce":
        this.send({ type: "ready", body: this.user.announcement() });
        break;
      case "heartbeat":
        this.send({ type: "heartbeat", body: this.user.health() });
        break;
    }
  }

  #onFrames(frames: readonly Frame[]): void {
    let message: BrokerMessage;
    try {
      message = decodeBrokerMessage(frames);
    } catch (error) {
      this.logger.warn({ event: "message-refused", broker: this.endpoint, problem: String(error) });
      return;
    }
    this.#driver.post({ type: "heard", reannounce: message.type === "reannounce" });
    if (message.type === "members") this.user.onMembers(message.body);
    if (message.type === "requests") for (const request of message.requests) this.user.onRequest(request);
  }
}
