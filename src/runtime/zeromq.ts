import { context, Dealer, Router, Subscriber, XPublisher } from "zeromq";
import { BOUNDS } from "../protocol/bounds.js";
import type { Frame } from "../protocol/frames.js";
import { type Security } from "./curve.js";
import { monotonicMs } from "./clock.js";
import { isErrno } from "./errno.js";
import { randomId } from "./rng.js";

/** ZMQ_ZERO_COPY_RECV of zmq_ctx_set(3), which zeromq.js has no name for, but a way to set. */
const ZERO_COPY_RECV = 10;

/**
 * Each message in memory of its own size. Else those that arrive together share a buffer of 36 kB, which is held as long as V8 has
 * not looked for any of them, and V8 counts a small frame as small: a hundred times what was received.
 */
(context as unknown as { setBoolOption(option: number, value: boolean): void }).setBoolOption(ZERO_COPY_RECV, false);

/** What CURVE adds to a frame. */
export const ENVELOPE_BYTES = 64;

/**
 * Options of every socket: nothing waits on close, no frame is larger than it may be, and a connection whose other end was
 * cut off is given up, with what was queued for it.
 */
const COMMON = {
  linger: 0,
  maxMessageSize: BOUNDS.packBytes + ENVELOPE_BYTES,
  heartbeatInterval: 2_000,
  heartbeatTimeout: 6_000,
} as const;

/** What every socket has that is bound or connected to the endpoint. Names are looked up as IPv4 where nobody wrote IPv6. */
export function common(endpoint: string): typeof COMMON & { readonly ipv6: boolean } {
  return { ...COMMON, ipv6: endpoint.startsWith("tcp://[") };
}

/**
 * Of sockets that never wait before they send, since they drop what a peer has no room for: a wait of no time spares asking the
 * socket, with a system call, whether it would.
 */
const NO_WAIT = { sendTimeout: 0 } as const;

/** Messages queued to one peer, or from it, before ZeroMQ drops or pushes back. */
const HIGH_WATER_MARK = 10_000;

/** How ZeroMQ retries a lost TCP connection, in milliseconds: at once, then ever slower. */
const RECONNECT = { reconnectInterval: 50, reconnectMaxInterval: 1_000, connectTimeout: 2_000 } as const;

/** All that a subscriber has to say: which topic, and before that who it is. */
const SUBSCRIPTION_BYTES = 4_096;

interface Sendable {
  send(frames: Frame[]): Promise<void>;
}

/** A socket takes one send at a time, so sends queue here; what cannot be sent at once is dropped, as ZeroMQ would. */
class SendQueue {
  readonly #waiting: Frame[][] = [];
  #sending = false;

  constructor(readonly socket: Sendable) {}

  push(frames: Frame[]): void {
    if (this.#waiting.length >= HIGH_WATER_MARK) return;
    this.#waiting.push(frames);
    if (!this.#sending) void this.#drain();
  }

  /** Resolves once all that was pushed before has been handed to ZeroMQ. */
  async flushed(): Promise<void> {
    while (this.#sending) await new Promise((resolve) => setImmediate(resolve));
  }

  async #drain(): Promise<void> {
    this.#sending = true;
    for (let frames = this.#waiting.shift(); frames !== undefined; frames = this.#waiting.shift()) {
      try {
        await this.socket.send(frames);
      } catch {
        // A peer that is gone or full, or a socket closed by now: liveness is the heartbeat's business, not the socket's.
      }
    }
    this.#sending = false;
  }
}

interface Receivable {
  readonly closed: boolean;
  receive(): Promise<Frame[]>;
}

async function receiveAll(socket: Receivable, onMessage: (frames: Frame[]) => void): Promise<void> {
  while (!socket.closed) {
    let frames: Frame[];
    try {
      frames = await socket.receive();
    } catch {
      // It may throw at once, as long as it is being unbound: others have to get a turn to end that.
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    onMessage(frames);
  }
}

/** A port may be held for a moment more: by a thread of ZeroMQ that closes it, or by the process whose place this one takes. */
const BIND_PATIENCE_MS = 2_000;
const BIND_PAUSE_MS = 10;

/** A socket that peers connect to; it can be taken away from all of them and be there again. */
class BoundSocket<S extends Router | XPublisher> {
  #socket: S;
  #queue: SendQueue;
  #isClosed = false;

  private constructor(
    readonly endpoint: string,
    readonly make: () => S,
    readonly onMessage: (frames: Frame[]) => void,
  ) {
    this.#socket = make();
    this.#queue = new SendQueue(this.#socket);
  }

  /** @throws where the endpoint cannot be bound */
  static async bind<S extends Router | XPublisher>(
    endpoint: string,
    make: () => S,
    onMessage: (frames: Frame[]) => void,
  ): Promise<BoundSocket<S>> {
    const bound = new BoundSocket(endpoint, make, onMessage);
    await bound.listenAgain();
    return bound;
  }

  send(frames: Frame[]): void {
    this.#queue.push(frames);
  }

  /** Drops all connections, with what came over them and is not whole yet. */
  async cutOff(): Promise<void> {
    const old = this.#socket;
    await old.unbind(this.endpoint).catch(() => undefined);
    old.close();
    if (this.#isClosed) return;
    this.#socket = this.make();
    this.#queue = new SendQueue(this.#socket);
  }

  /** After a cut: for peers that connect anew. */
  async listenAgain(): Promise<void> {
    const end = monotonicMs() + BIND_PATIENCE_MS;
    while (!this.#isClosed) {
      try {
        await this.#socket.bind(this.endpoint);
        void receiveAll(this.#socket, this.onMessage);
        return;
      } catch (error) {
        if (!isErrno(error, "EADDRINUSE") || monotonicMs() > end)
          throw new Error(`${this.endpoint}: ${error instanceof Error ? error.message : String(error)}`, {
            cause: error,
          });
        await new Promise((resolve) => setTimeout(resolve, BIND_PAUSE_MS));
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#queue.flushed();
    this.#socket.close();
  }
}

export interface RouterSocket {
  /** Dropped where the peer is gone. */
  send(peer: string, frames: readonly Frame[]): void;
  cutOff(): Promise<void>;
  listenAgain(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Binds a ROUTER. Peers are named by their routing ids as text of one character a byte.
 * @param frameBytes the most that one frame from them may have
 */
export async function bindRouter(
  endpoint: string,
  security: Security,
  frameBytes: number,
  onMessage: (peer: string, frames: Frame[]) => void,
): Promise<RouterSocket> {
  const bounds = {
    ...NO_WAIT,
    maxMessageSize: frameBytes + ENVELOPE_BYTES,
    sendHighWaterMark: HIGH_WATER_MARK,
    receiveHighWaterMark: HIGH_WATER_MARK,
  };
  const bound = await BoundSocket.bind(
    endpoint,
    () => new Router({ ...common(endpoint), ...security, ...bounds }),
    ([peer, ...frames]) => onMessage(Buffer.from(peer ?? []).toString("latin1"), frames),
  );
  return {
    send: (peer, frames) => bound.send([Buffer.from(peer, "latin1"), ...frames]),
    cutOff: () => bound.cutOff(),
    listenAgain: () => bound.listenAgain(),
    close: () => bound.close(),
  };
}

export interface DealerSocket {
  send(frames: readonly Frame[]): void;
  close(): Promise<void>;
}

/** Connects a DEALER under a fresh random routing id, so that no other connection can be taken for this one. */
export function connectDealer(
  endpoint: string,
  security: Security,
  onMessage: (frames: Frame[]) => void,
): DealerSocket {
  const options = { ...common(endpoint), ...security, ...RECONNECT, ...NO_WAIT, routingId: randomId() };
  // On close, a goodbye still has a moment to leave.
  const socket = new Dealer({
    ...options,
    linger: 200,
    sendHighWaterMark: HIGH_WATER_MARK,
    receiveHighWaterMark: HIGH_WATER_MARK,
  });
  socket.connect(endpoint);
  const queue = new SendQueue(socket);
  void receiveAll(socket, onMessage);
  return {
    send: (frames) => queue.push([...frames]),
    async close() {
      await queue.flushed();
      socket.close();
    },
  };
}

export interface PublisherSocket {
  publish(frames: readonly Frame[]): void;
  cutOff(): Promise<void>;
  listenAgain(): Promise<void>;
  close(): Promise<void>;
}

/** Binds an XPUB that reports every subscription, repeated ones too. */
export async function bindPublisher(
  endpoint: string,
  security: Security,
  onSubscribe: (topic: string) => void,
): Promise<PublisherSocket> {
  const make = (): XPublisher => {
    const socket = new XPublisher({
      ...common(endpoint),
      ...security,
      ...NO_WAIT,
      maxMessageSize: SUBSCRIPTION_BYTES,
      sendHighWaterMark: HIGH_WATER_MARK,
    });
    socket.verbosity = "allSubs";
    return socket;
  };
  const bound = await BoundSocket.bind(endpoint, make, ([message]) => {
    if (message?.[0] === 1) onSubscribe(Buffer.from(message.subarray(1)).toString("latin1"));
  });
  return {
    publish: (frames) => bound.send([...frames]),
    cutOff: () => bound.cutOff(),
    listenAgain: () => bound.listenAgain(),
    close: () => bound.close(),
  };
}

export interface SubscriberSocket {
  subscribe(topics: readonly string[]): void;
  unsubscribe(topics: readonly string[]): void;
  close(): void;
}

export function connectSubscriber(
  endpoint: string,
  security: Security,
  topics: readonly string[],
  onMessage: (frames: Frame[]) => void,
): SubscriberSocket {
  const socket = new Subscriber({
    ...common(endpoint),
    ...security,
    ...RECONNECT,
    receiveHighWaterMark: HIGH_WATER_MARK,
  });
  if (topics.length > 0) socket.subscribe(...topics);
  socket.connect(endpoint);
  void receiveAll(socket, onMessage);
  return {
    subscribe(added) {
      if (added.length > 0) socket.subscribe(...added);
    },
    unsubscribe(gone) {
      if (gone.length > 0) socket.unsubscribe(...gone);
    },
    close: () => socket.close(),
  };
}
