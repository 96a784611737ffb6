import { BOUNDS } from "../protocol/bounds.js";
import { ProtocolError } from "../protocol/errors.js";
import {
  decodeServerMessage,
  encodeBrokerMessage,
  headFrames,
  requestFrames,
  type BrokerMessage,
} from "../protocol/broker-messages.js";
import {
  decodeClientRequest,
  encodeClientReply,
  salvageRequestId,
  type Frame,
  type Reply,
} from "../protocol/frames.js";
import { encodeUpdate } from "../protocol/updates.js";
import { errorReply } from "../protocol/messages.js";
import { isTopic } from "../protocol/ids.js";
import { packFrames, unpackFrames } from "../protocol/packed-frames.js";
import { Batches } from "../runtime/batches.js";
import { Driver } from "../runtime/driver.js";
import { asBack, asFront } from "../runtime/curve.js";
import type { CurveKeys } from "../runtime/key-files.js";
import { MemoryGuard, type MemoryLimits } from "../runtime/memory-guard.js";
import type { Vitals } from "../runtime/metrics.js";
import type { Logger } from "../runtime/logger.js";
import { randomId, randomTag } from "../runtime/rng.js";
import { bindPublisher, bindRouter, type PublisherSocket, type RouterSocket } from "../runtime/zeromq.js";
import type { BrokerConfig } from "./config.js";
import { Router, type BrokerEffect, type BrokerEvent } from "./router.js";
import type { Connection } from "./server-queue.js";

/** What waits for its last frame, and what malloc keeps of it, may take so much. */
const MEMORY: MemoryLimits = { suspiciousBytes: 176 * 2 ** 20, mostBytes: 288 * 2 ** 20 };

/** Null where it talks in clear text. */
export interface BrokerKeys {
  readonly front: CurveKeys;
  readonly back: CurveKeys;
}

/** Only a new process will do. */
export class HopelessError extends Error {
  override readonly name = "HopelessError";
}

export interface RunningBroker {
  stop(): Promise<void>;
  /** How it is, and how long its answers take: told to `onAnswered`, in seconds. */
  vitals(): Vitals;
  onAnswered: (afterSeconds: number) => void;
  /** Rejects when the broker cannot go on. */
  readonly failed: Promise<never>;
}

/** Binds the broker's three sockets and runs the router between them. @throws where an endpoint cannot be bound */
export async function startBroker(
  config: BrokerConfig,
  keys: BrokerKeys | null,
  logger: Logger,
): Promise<RunningBroker> {
  const broker = new Broker(config, logger);
  await broker.bind(keys);
  return broker;
}

interface Sockets {
  readonly updates: PublisherSocket;
  readonly frontend: RouterSocket;
  readonly backend: RouterSocket;
}

class Broker implements RunningBroker {
  readonly #driver: Driver<BrokerEvent, BrokerEffect>;
  readonly #router: Router;
  onAnswered: (afterSeconds: number) => void = () => undefined;
  #sockets: Sockets | null = null;
  readonly #requests = new Batches<Connection>((connection, frames) =>
    this.#tell(connection, [...headFrames("requests"), ...frames]),
  );
  #guard: MemoryGuard | null = null;
  readonly failed: Promise<never>;
  #fail: (error: Error) => void = () => undefined;

  constructor(
    readonly config: BrokerConfig,
    readonly logger: Logger,
  ) {
    const router = new Router(config, randomId(), randomTag());
    router.onAnswered = (afterMs) => {
      this.onAnswered(afterMs / 1_000);
    };
    this.#router = router;
    const onError = (error: unknown): void => this.#refused(error);
    this.#driver = new Driver(router, (effect) => this.#perform(effect), { type: "tick" }, onError);
    this.failed = new Promise((_resolve, reject) => (this.#fail = reject));
  }

  async bind(keys: BrokerKeys | null): Promise<void> {
    const { config, logger } = this;
    const [front, back] = [asFront(keys?.front ?? null), asBack(keys?.back ?? null)];
    const updates = await bindPublisher(config.updates, front, (topic) => {
      if (isTopic(topic)) this.#driver.post({ type: "subscribed", topic });
    });
    const frontend = await bindRouter(config.frontend, front, BOUNDS.frameBytes, (client, frames) =>
      this.#onClient(client, frames),
    );
    // The back comes last: its messages lead to effects on the other two.
    const backend = await bindRouter(config.backend, back, BOUNDS.packBytes, (connection, frames) =>
      this.#onServer(connection, frames),
    );
    this.#sockets = { updates, frontend, backend };
    const guarded = Object.entries({ frontend, updates, backend }).map(([name, socket]) => ({
      name,
      cutOff: () => socket.cutOff(),
      listenAgain: () => socket.listenAgain(),
    }));
    const hopeless = "somebody filled its memory, which the system does not take back: start it again";
    this.#guard = new MemoryGuard(guarded, MEMORY, logger, () => this.#fail(new HopelessError(hopeless)));
    this.#driver.post({ type: "tick" });
    logger.info({ event: "broker-started", ...config });
  }

  vitals(): Vitals {
    const { counters, servers, waiting } = this.#router;
    return { counters, gauges: { servers, waiting }, isReady: servers > 0 };
  }

  async stop(): Promise<void> {
    this.#driver.stop();
    this.#guard?.stop();
    await Promise.all(
      Object.values(this.#sockets ?? {}).map((socket: RouterSocket | PublisherSocket) => socket.close()),
    );
    this.logger.info({ event: "broker-stopped" });
  }

  /** REQ puts an empty frame between the routing id and the message; so does whoever speaks to this socket rightly. */
  #onClient(client: string, [delimiter, ...frames]: readonly Frame[]): void {
    if (delimiter?.byteLength !== 0) return;
    try {
      this.#driver.post({ type: "request", client, request: decodeClientRequest(frames) });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#answer(client, salvageRequestId(frames), errorReply({ code: error.code, message: error.message }));
    }
  }

  #onServer(connection: string, frames: readonly Frame[]): void {
    try {
      this.#driver.post({ type: "server-message", connection, message: decodeServerMessage(unpackFrames(frames)) });
    } catch (error) {
      this.#refused(error);
    }
  }

  #refused(error: unknown): void {
    this.logger.warn({ event: "message-refused", problem: String(error) });
  }

  #answer(client: string, requestId: string, reply: Reply): void {
    this.#sockets?.frontend.send(client, [new Uint8Array(0), ...encodeClientReply(requestId, reply)]);
  }

  #send(connection: Connection, message: BrokerMessage): void {
    if (message.type !== "requests") this.#tell(connection, encodeBrokerMessage(message));
    else for (const request of message.requests) this.#requests.add(connection, requestFrames(request));
  }

  #tell(connection: Connection, frames: readonly Frame[]): void {
    this.#sockets?.backend.send(connection, [packFrames(frames)]);
  }

  #perform(effect: BrokerEffect): void {
    switch (effect.type) {
      case "reply":
        this.#answer(effect.client, effect.requestId, effect.reply);
        break;
      case "send":
        this.#send(effect.connection, effect.message);
        break;
      case "publish":
        this.#sockets?.updates.publish(encodeUpdate(effect.update));
        break;
      case "log":
        this.logger.info({ event: effect.event, ...effect.facts });
        break;
    }
  }
}
