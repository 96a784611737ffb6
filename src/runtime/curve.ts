import { curveKeyPair, Reply } from "zeromq";
import { fromZ85 } from "../protocol/address.js";
import type { CurveKeys } from "./key-files.js";

/** Which socket options a connection is to be kept private with; none for clear text. */
export interface Security {
  readonly curveServer?: boolean;
  readonly curvePublicKey?: string;
  readonly curveSecretKey?: string;
  readonly curveServerKey?: string;
  readonly zapDomain?: string;
  readonly zapEnforceDomain?: boolean;
}

const CLEAR: Security = {};

/** The doors that ZAP guards: any key may knock at the front, the cluster's own alone at the back. */
type Door = "front" | "back";

function asServer(keys: CurveKeys | null, door: Door): Security {
  if (keys === null) return CLEAR;
  return {
    curveServer: true,
    curvePublicKey: keys.publicKey,
    curveSecretKey: keys.secretKey,
    zapDomain: door,
    zapEnforceDomain: true,
  };
}

/** For a socket that clients connect to. */
export const asFront = (keys: CurveKeys | null): Security => asServer(keys, "front");

/** For a socket that the cluster's own processes connect to. */
export const asBack = (keys: CurveKeys | null): Security => asServer(keys, "back");

/** For a socket of the cluster that connects to another one: all of them share one pair of keys. */
export function toBack(keys: CurveKeys | null): Security {
  if (keys === null) return CLEAR;
  return { curvePublicKey: keys.publicKey, curveSecretKey: keys.secretKey, curveServerKey: keys.publicKey };
}

let own: CurveKeys | null = null;

/** For a client's socket. @param key the broker's public key in Z85, or null for clear text */
export function toFront(key: string | null): Security {
  if (key === null) return CLEAR;
  // Who a client is, its requests say; its key only has to be fresh.
  own ??= curveKeyPair();
  return { curvePublicKey: own.publicKey, curveSecretKey: own.secretKey, curveServerKey: key };
}

/** Connections that one address may open in a row, and in a second from then on. */
const [BURST, PER_SECOND] = [400, 100] as const;
const MOST_ADDRESSES = 10_000;

/**
 * Answers ZeroMQ's question whether to let a connection in (ZeroMQ RFC 27). Has to run before the first socket is bound that
 * asks it; where it does not, `zapEnforceDomain` lets nobody in.
 * @param back the one key that is let in at the back
 */
export class Doorkeeper {
  readonly #socket = new Reply({ linger: 0 });
  readonly #credits = new Map<string, { left: number; at: number }>();

  private constructor(readonly back: CurveKeys) {}

  static async start(back: CurveKeys, now: () => number): Promise<Doorkeeper> {
    const doorkeeper = new Doorkeeper(back);
    await doorkeeper.#socket.bind("inproc://zeromq.zap.01");
    void doorkeeper.#answer(now);
    return doorkeeper;
  }

  stop(): void {
    this.#socket.close();
  }

  async #answer(now: () => number): Promise<void> {
    while (!this.#socket.closed) {
      try {
        const [version, requestId, domain, address, , mechanism, key] = await this.#socket.receive();
        const isLetIn =
          mechanism?.toString() === "CURVE" &&
          this.#mayEnter(domain?.toString() ?? "", address?.toString() ?? "", key ?? Buffer.alloc(0), now());
        const [code, text] = isLetIn ? ["200", "OK"] : ["400", "not let in"];
        await this.#socket.send([version ?? "", requestId ?? "", code, text, "", ""]);
      } catch {
        // Closed by now; anything else is asked again, once others have had a turn.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  #mayEnter(door: string, address: string, key: Buffer, now: number): boolean {
    if (door === "back") return key.equals(fromZ85(this.back.publicKey));
    return door === "front" && this.#pays(address, now);
  }

  #pays(address: string, now: number): boolean {
    const { left, at } = this.#credits.get(address) ?? { left: BURST, at: now };
    const credit = Math.min(BURST, left + ((now - at) / 1_000) * PER_SECOND);
    this.#credits.delete(address);
    for (const longestSilent of this.#credits.keys()) {
      if (this.#credits.size < MOST_ADDRESSES) break;
      this.#credits.delete(longestSilent);
    }
    const isLetIn = credit >= 1;
    // Who is turned away pays nothing, or one who does not give up would keep out all others of their address.
    this.#credits.set(address, { left: isLetIn ? credit - 1 : credit, at: now });
    return isLetIn;
  }
}
