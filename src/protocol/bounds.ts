import { ProtocolError } from "./errors.js";

/** What a process accepts from outside before it looks any closer. Each limit is named in the refusal. */
export const BOUNDS = {
  /** Bytes of a body. */
  bodyBytes: 32 * 1024 * 1024,
  /** Bytes of what a client sends or gets, a line and a body: ZeroMQ drops the connection of a peer that sends a larger frame. */
  frameBytes: 32 * 1024 * 1024 + 8_192,
  /** Bytes of a document between servers: of what two parts of a cluster made of it that did not hear from each other. */
  documentBytes: 64 * 1024 * 1024,
  /** Bytes of a message between processes of the cluster, all of which is in one frame: a body, a document, and small things. */
  packBytes: 66 * 1024 * 1024,
  /** Bytes of a body that is not about what is on a list. */
  smallBodyBytes: 64 * 1024,
  /** Bytes of a routing fact; only bodies are larger. */
  headerBytes: 4_096,
  /** Requests, replies, notices or what servers say to each other that one message carries. */
  batch: 64,
  /** Brackets within brackets in a body. */
  depth: 12,
  /** Arrays and objects in a body: about twice what a list comes to that takes all its room. */
  arrays: 2 ** 21,
  objects: 2 ** 16,
} as const;

/** What a process is taken to read in a millisecond, and to do what there is to do about it. */
const READ_BYTES_A_MS = 4_096;

/** How many milliseconds longer than a small message one of so many bytes may take each process that it comes to. */
export function readingMs(bytes: number): number {
  return Math.floor(bytes / READ_BYTES_A_MS);
}

const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE, QUOTE, BACKSLASH] = [0x5b, 0x5d, 0x7b, 0x7d, 0x22, 0x5c];

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The JSON value in `body`, looked at for its size, depth and parts before it is parsed.
 * @param text what is in it, for who has that already
 * @throws ProtocolError `too-large` or `malformed`
 */
export function parseBody(body: Uint8Array, text = bodyText(body)): unknown {
  requireBounded(body);
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError("malformed", "the body is not JSON");
  }
}

/**
 * The text in `body`, looked at for its size alone.
 * @throws ProtocolError `too-large` or `malformed`
 */
export function bodyText(body: Uint8Array, most: number = BOUNDS.bodyBytes): string {
  if (body.byteLength > most) {
    throw new ProtocolError("too-large", `a body may have ${most} bytes, this one has ${body.byteLength}`);
  }
  try {
    return decoder.decode(body);
  } catch {
    throw new ProtocolError("malformed", "the body is not UTF-8");
  }
}

/** @throws ProtocolError `too-large` */
function requireBounded(body: Uint8Array): void {
  let [depth, arrays, objects] = [0, 0, 0];
  let inString = false;
  for (let index = 0; index < body.length; index++) {
    const byte = body[index];
    if (inString) {
      if (byte === BACKSLASH) index++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      if (byte === OPEN_BRACKET) arrays++;
      else objects++;
      if (++depth > BOUNDS.depth) throw new ProtocolError("too-large", `a body may nest ${BOUNDS.depth} levels deep`);
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) depth--;
  }
  if (arrays > BOUNDS.arrays || objects > BOUNDS.objects)
    throw new ProtocolError("too-large", `a body may have ${BOUNDS.arrays} arrays and ${BOUNDS.objects} objects`);
}
