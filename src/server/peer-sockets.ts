import { wordFrame, type Frame } from "../protocol/frames.js";
import type { ServerId } from "../protocol/ids.js";
import type { Member } from "../protocol/membership.js";
import {
  decodePeerMessage,
  encodePeerMessage,
  introducedBy,
  peerHeadFrames,
  splitPeerFrames,
  type PeerMessage,
} from "../protocol/peer-messages.js";
import { packFrames, unpackFrames } from "../protocol/packed-frames.js";
import { Batches } from "../runtime/batches.js";
import type { CurveKeys } from "../runtime/key-files.js";
import type { Logger } from "../runtime/logger.js";
import { asBack, toBack } from "../runtime/curve.js";
import { bindPublisher, connectSubscriber, type PublisherSocket, type SubscriberSocket } from "../runtime/zeromq.js";

/** What the sockets tell the server they belong to. */
export interface PeerListener {
  onPeerMessage(from: ServerId, message: PeerMessage): void;
  onIntroduced(member: Member): void;
}

/** One PUB for all this server says to its peers, and one SUB for each of them. */
export class PeerSockets {
  readonly #subscribers = new Map<string, SubscriberSocket>();
  #topics: readonly string[] = [];
  #publisher: PublisherSocket | null = null;
  #listener: PeerListener | null = null;
  /** By topic. */
  readonly #messages = new Batches<string>((topic, frames) =>
    this.#publisher?.publish([wordFrame(topic), packFrames([...peerHeadFrames(this.id), ...frames])]),
  );

  private constructor(
    readonly id: ServerId,
    readonly curve: CurveKeys | null,
    readonly logger: Logger,
  ) {}

  /** @throws where the endpoint cannot be bound */
  static async bind(id: ServerId, endpoint: string, curve: CurveKeys | null, logger: Logger): Promise<PeerSockets> {
    const sockets = new PeerSockets(id, curve, logger);
    sockets.#publisher = await bindPublisher(endpoint, asBack(curve), (topic) => sockets.#onSubscribed(topic));
    return sockets;
  }

  /** From now on, and nothing before. */
  listen(listener: PeerListener): void {
    this.#listener = listener;
  }

  publish(topic: string, message: PeerMessage): void {
    this.#messages.add(topic, encodePeerMessage(message));
  }

  connect(endpoint: string): void {
    this.#subscribers.set(
      endpoint,
      connectSubscriber(endpoint, toBack(this.curve), this.#topics, (frames) => this.#onMessage(frames)),
    );
  }

  disconnect(endpoint: string): void {
    this.#subscribers.get(endpoint)?.close();
    this.#subscribers.delete(endpoint);
  }

  /** Subscribes to these topics at every peer, and to no others. */
  subscribe(topics: readonly string[]): void {
    const [before, after] = [new Set(this.#topics), new Set(topics)];
    this.#topics = topics;
    for (const subscriber of this.#subscribers.values()) {
      subscriber.subscribe(topics.filter((topic) => !before.has(topic)));
      subscriber.unsubscribe([...before].filter((topic) => !after.has(topic)));
    }
  }

  async close(): Promise<void> {
    for (const subscriber of this.#subscribers.values()) subscriber.close();
    this.#messages.flush();
    await this.#publisher?.close();
  }

  #onMessage([, ...pack]: readonly Frame[]): void {
    this.#reading(() => {
      const { from, messages } = splitPeerFrames(unpackFrames(pack));
      for (const message of messages)
        this.#reading(() => this.#listener?.onPeerMessage(from, decodePeerMessage(message)));
    });
  }

  #onSubscribed(topic: string): void {
    this.#reading(() => {
      const member = introducedBy(topic);
      if (member !== null) this.#listener?.onIntroduced(member);
    });
  }

  #reading(read: () => void): void {
    try {
      read();
    } catch (error) {
      this.logger.warn({ event: "message-refused", problem: String(error) });
    }
  }
}
