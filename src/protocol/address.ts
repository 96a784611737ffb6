import { isEndpoint } from "./ids.js";

/** Where a broker is, and the public key that it has to prove it holds; null where it talks in clear text. */
export interface Address {
  readonly endpoint: string;
  /** In Z85, as ZeroMQ writes keys. */
  readonly key: string | null;
}

const LOOPBACK = /^tcp:\/\/(127\.[0-9.]+|localhost|\[::1\]):[0-9*]+$/;

/** Whether what is sent to the endpoint leaves the machine. */
export function isOnNetwork(endpoint: string): boolean {
  return !/^(ipc|inproc):/.test(endpoint) && endpoint.includes("://") && !LOOPBACK.test(endpoint);
}

/** The 85 characters of ZeroMQ RFC 32, in which four bytes make five characters. */
const Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/**
 * Reads `tcp://HOST:PORT`, or `tcp://HOST:PORT#KEY` with the key's 32 bytes in base64url, which no shell has another use for.
 * Null for any other text.
 */
export function readAddress(text: string): Address | null {
  const [endpoint = "", encoded, ...rest] = text.split("#");
  if (!isEndpoint(endpoint) || rest.length > 0) return null;
  if (encoded === undefined) return { endpoint, key: null };
  return /^[0-9A-Za-z_-]{43}$/.test(encoded) ? { endpoint, key: toZ85(Buffer.from(encoded, "base64url")) } : null;
}

/** The other way. */
export function writeAddress({ endpoint, key }: Address): string {
  return key === null ? endpoint : `${endpoint}#${fromZ85(key).toString("base64url")}`;
}

function toZ85(bytes: Buffer): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const value = bytes.readUInt32BE(at);
    for (let power = 4; power >= 0; power--) text += Z85[Math.floor(value / 85 ** power) % 85] ?? "";
  }
  return text;
}

/** A key's bytes. */
export function fromZ85(text: string): Buffer {
  const bytes = Buffer.alloc((text.length / 5) * 4);
  for (let at = 0; at < text.length / 5; at++) {
    let value = 0;
    for (const character of text.slice(5 * at, 5 * at + 5)) value = value * 85 + Z85.indexOf(character);
    bytes.writeUInt32BE(value % 2 ** 32, 4 * at);
  }
  return bytes;
}
