import { BOUNDS } from "./bounds.js";
import { ProtocolError } from "./errors.js";
import {
  EMPTY,
  headerText,
  isOneOf,
  MOST_LINE_BYTES,
  readNatural,
  readRequest,
  REPLY_KINDS,
  routingOf,
  textFrame,
  textOf,
  wordFrame,
  type Frame,
  type Reply,
  type Request,
  type Routing,
} from "./frames.js";
import { checkVersion, VERSION_FRAME } from "./version.js";

/** What a server answers a broker: `declined` is an error of its own that the next server may not have. */
export interface ServerReply {
  readonly kind: Reply["kind"] | "declined";
  readonly body: Frame;
}

/** A request between broker and server, with the number by which the broker matches the reply to it. */
export interface TaggedRequest {
  readonly tag: number;
  readonly request: Request;
}

export interface TaggedReply {
  readonly tag: number;
  readonly reply: ServerReply;
}

const SERVER_REPLY_KINDS = [...REPLY_KINDS, "declined"] as const;

/** What a server tells a broker. */
export type ServerMessage =
  | { readonly type: "ready"; readonly body: Frame }
  | { readonly type: "heartbeat"; readonly body: Frame }
  | { readonly type: "goodbye" }
  | { readonly type: "replies"; readonly replies: readonly TaggedReply[] }
  | { readonly type: "notice"; readonly topics: readonly string[] };

/** What a broker tells a server. `reannounce` asks for a fresh `ready`, as a broker does that has just started. */
export type BrokerMessage =
  | { readonly type: "members"; readonly body: Frame }
  | { readonly type: "heartbeat" }
  | { readonly type: "reannounce" }
  | { readonly type: "requests"; readonly requests: readonly TaggedRequest[] };

/** Version and type come first; then, of each request or reply, what is about its way in one frame, and its body. */
const [HEAD_FRAMES, TAGGED_FRAMES] = [2, 2];

function readRouting(frame: Frame): Routing {
  if (frame.byteLength > MOST_LINE_BYTES) throw new ProtocolError("too-large", "a routing frame is too large");
  return textOf(frame).split(" ");
}

/** What a message between broker and server begins with; what follows of several of one type may go together. */
export function headFrames(type: (BrokerMessage | ServerMessage)["type"]): Frame[] {
  return [wordFrame(VERSION_FRAME), wordFrame(type)];
}

/** What a reply is among others of a `replies` message. */
export function replyFrames({ tag, reply: { kind, body } }: TaggedReply): readonly Frame[] {
  return [Buffer.from(`${tag} ${kind}`, "latin1"), body];
}

/** What a request is among others of a `requests` message. */
export function requestFrames({ tag, request }: TaggedRequest): readonly Frame[] {
  return [Buffer.from(`${tag} ${routingOf(request)}`, "latin1"), request.body];
}

export function encodeServerMessage(message: ServerMessage): Frame[] {
  const head = headFrames(message.type);
  switch (message.type) {
    case "ready":
    case "heartbeat":
      return [...head, message.body];
    case "goodbye":
      return head;
    case "replies":
      return [...head, ...message.replies.flatMap(replyFrames)];
    case "notice":
      return [...head, ...message.topics.map(textFrame)];
  }
}

/** @throws ProtocolError */
export function decodeServerMessage(frames: readonly Frame[]): ServerMessage {
  checkVersion(headerText(frames[0]));
  const type = headerText(frames[1]);
  const rest = frames.slice(2);
  switch (type) {
    case "ready":
    case "heartbeat":
      return { type, body: onlyFrame(rest) };
    case "goodbye":
      return { type };
    case "replies":
      return { type, replies: readPairs(frames, readTaggedReply) };
    case "notice":
      if (rest.length > BOUNDS.batch)
        throw new ProtocolError("too-large", `a notice names up to ${BOUNDS.batch} lists`);
      return { type, topics: rest.map(headerText) };
    default:
      throw new ProtocolError("unknown-kind", "this kind of message is not known here");
  }
}

export function encodeBrokerMessage(message: BrokerMessage): Frame[] {
  const head = headFrames(message.type);
  switch (message.type) {
    case "members":
      return [...head, message.body];
    case "heartbeat":
    case "reannounce":
      return head;
    case "requests":
      return [...head, ...message.requests.flatMap(requestFrames)];
  }
}

/** @throws ProtocolError */
export function decodeBrokerMessage(frames: readonly Frame[]): BrokerMessage {
  checkVersion(headerText(frames[0]));
  const type = headerText(frames[1]);
  const rest = frames.slice(2);
  switch (type) {
    case "members":
      return { type, body: onlyFrame(rest) };
    case "heartbeat":
    case "reannounce":
      return { type };
    case "requests":
      return { type, requests: readPairs(frames, readTaggedRequest) };
    default:
      throw new ProtocolError("unknown-kind", "this kind of message is not known here");
  }
}

function readTaggedRequest(frame: Frame, body: Frame): TaggedRequest {
  const [tag, ...routing] = readRouting(frame);
  return { tag: readNatural(tag, Number.MAX_SAFE_INTEGER), request: readRequest(routing, body) };
}

function readTaggedReply(frame: Frame, body: Frame): TaggedReply {
  const [tag, kind, ...rest] = readRouting(frame);
  if (!isOneOf(SERVER_REPLY_KINDS, kind) || rest.length > 0) throw new ProtocolError("malformed", "this is no reply");
  return { tag: readNatural(tag, Number.MAX_SAFE_INTEGER), reply: { kind, body } };
}

function onlyFrame(frames: readonly Frame[]): Frame {
  const [frame] = frames;
  if (frame === undefined || frames.length !== 1) throw new ProtocolError("malformed", "the message has one body");
  return frame;
}

/** Of each what is about its way, and its body. */
function readPairs<T>(frames: readonly Frame[], read: (routing: Frame, body: Frame) => T): readonly T[] {
  const count = (frames.length - HEAD_FRAMES) / TAGGED_FRAMES;
  if (count === 0 || !Number.isInteger(count)) throw new ProtocolError("malformed", "the message is cut short");
  if (count > BOUNDS.batch) throw new ProtocolError("too-large", `a message carries up to ${BOUNDS.batch}`);
  const found: T[] = [];
  for (let at = HEAD_FRAMES; at < frames.length; at += TAGGED_FRAMES)
    found.push(read(frames[at] ?? EMPTY, frames[at + 1] ?? EMPTY));
  return found;
}
