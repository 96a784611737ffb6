import { Request } from "zeromq";
import type { Address } from "../protocol/address.js";
import { BOUNDS } from "../protocol/bounds.js";
import type { Frame } from "../protocol/frames.js";
import { toFront } from "./curve.js";
import { common, ENVELOPE_BYTES } from "./zeromq.js";

/** Sockets that wait for their next request, for each address. */
const MOST_IDLE = 4;

/**
 * Attempts of the Lazy Pirate (ZeroMQ Guide, chapter 4): one request, one reply. A REQ that has lost its reply is good for
 * nothing and thrown away; one that has had it serves the next request, since connections are what is slow about them.
 */
export class RequestSockets {
  readonly #idle = new Map<string, Request[]>();

  /** Shakes hands with a broker that is going to be asked, while its caller gets ready; whoever asks hears of a problem. */
  connect({ endpoint, key }: Address): void {
    try {
      this.#idleOf(endpoint, key).push(connectRequester(endpoint, key));
    } catch {
      // No such host, or no address of ZeroMQ's.
    }
  }

  /** Null where there is no reply within `timeoutMs`. */
  async ask({ endpoint, key }: Address, frames: readonly Frame[], timeoutMs: number): Promise<readonly Frame[] | null> {
    const idle = this.#idleOf(endpoint, key);
    const socket = idle.pop() ?? connectRequester(endpoint, key);
    socket.sendTimeout = socket.receiveTimeout = Math.ceil(timeoutMs);
    try {
      await socket.send([...frames]);
      const reply = await socket.receive();
      if (idle.length < MOST_IDLE) idle.push(socket);
      else socket.close();
      return reply;
    } catch (error) {
      socket.close();
      if (isTimeout(error)) return null;
      throw error;
    }
  }

  #idleOf(endpoint: string, key: string | null): Request[] {
    const name = `${endpoint} ${key ?? ""}`;
    const known = this.#idle.get(name);
    if (known !== undefined) return known;
    const idle: Request[] = [];
    this.#idle.set(name, idle);
    return idle;
  }
}

function connectRequester(endpoint: string, key: string | null): Request {
  const socket = new Request({
    ...common(endpoint),
    ...toFront(key),
    maxMessageSize: BOUNDS.frameBytes + ENVELOPE_BYTES,
  });
  try {
    socket.connect(endpoint);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}
