import { BOUNDS } from "./bounds.js";
import { ProtocolError } from "./errors.js";
import { isListId, isRequestId, isServerId, type ListId, type ServerId } from "./ids.js";
import { checkVersion, VERSION_FRAME } from "./version.js";

/** One frame of a multipart message. */
export type Frame = Uint8Array;

/**
 * The kinds of request and what each is about: a list, or the accounts of a name, which have an id of the same form and
 * whose first live server gets it; one server by its id; or nothing in particular. `status` is answered by the broker itself, `ping` and `remove` by any server.
 */
export const REQUEST_SUBJECTS = {
  sync: "list",
  access: "list",
  account: "list",
  where: "list",
  inspect: "server",
  repair: "server",
  leave: "server",
  remove: "none",
  ping: "none",
  status: "none",
} as const;

export type RequestKind = keyof typeof REQUEST_SUBJECTS;

const REQUEST_KINDS = Object.keys(REQUEST_SUBJECTS) as readonly RequestKind[];

/** A request as a broker sees it: the routing facts, and a body that it does not look into. */
export interface Request {
  readonly kind: RequestKind;
  /** Chosen by the client and the same for every attempt at one request. */
  readonly requestId: string;
  /** The list or the server that the request is about; null for the kinds that are about neither. */
  readonly listId: ListId | null;
  readonly serverId: ServerId | null;
  /** How long the client will wait for this attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** Who asks: see `Credentials`. */
  readonly token: string;
  readonly body: Frame;
}

export interface Reply {
  readonly kind: "reply" | "error";
  readonly body: Frame;
}

/** What a server answers a broker: `declined` is an error of its own that the next server may not have. */
export interface ServerReply {
  readonly kind: Reply["kind"] | "declined";
  readonly body: Frame;
}

/** A request or reply between broker and server, with the number by which the broker matches the two. */
export type Tagged<T> = T & { readonly tag: number };

export const MAX_TIMEOUT_MS = 600_000;

const EMPTY: Frame = new Uint8Array(0);

/** Frames of the few words that every message begins with, encoded once. Nobody writes into a frame. */
const wordFrames = new Map<string, Frame>();
const MOST_WORDS = 1_024;

/** A frame for a text that is likely to be sent again: a version, a kind of message, a topic. */
export function wordFrame(word: string): Frame {
  let frame = wordFrames.get(word);
  if (frame === undefined) {
    frame = Buffer.from(word);
    if (wordFrames.size >= MOST_WORDS) wordFrames.clear();
    wordFrames.set(word, frame);
  }
  return frame;
}

export function textFrame(text: string): Frame {
  return text === "" ? EMPTY : Buffer.from(text);
}

export function bodyFrame(value: unknown): Frame {
  return Buffer.from(JSON.stringify(value));
}

/** @throws ProtocolError where the frame is missing or larger than a routing fact may be */
export function headerText(frame: Frame | undefined): string {
  if (frame === undefined) throw new ProtocolError("malformed", "the message has too few frames");
  if (frame.byteLength > BOUNDS.headerBytes) {
    throw new ProtocolError("too-large", `a routing frame may have ${BOUNDS.headerBytes} bytes`);
  }
  return textOf(frame);
}

/** Buffer's own way takes a third of what a TextDecoder does for a few characters. */
function textOf({ buffer, byteOffset, byteLength }: Frame): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString();
}

/** What of a request is about its way, in the order in which it is sent. */
type Routing = readonly (string | undefined)[];

function readRequest([kind, requestId, subject, timeout, token = ""]: Routing, body: Frame | undefined): Request {
  if (body === undefined) throw new ProtocolError("malformed", "the message has too few frames");
  if (!isOneOf(REQUEST_KINDS, kind)) throw new ProtocolError("unknown-kind", "this kind of request is not known here");
  if (kind !== "sync" && body.byteLength > BOUNDS.smallBodyBytes)
    throw new ProtocolError("too-large", `the body of a ${kind} request may have ${BOUNDS.smallBodyBytes} bytes`);
  if (!isRequestId(requestId ?? "")) throw new ProtocolError("malformed", "malformed request id");
  const timeoutMs = readNatural(timeout, MAX_TIMEOUT_MS);
  if (timeoutMs === 0) throw new ProtocolError("malformed", "nobody can answer in no time");
  if (!PRINTABLE.test(token)) throw new ProtocolError("malformed", "malformed token");
  return { kind, requestId: requestId ?? "", ...readSubject(kind, subject ?? ""), timeoutMs, token, body };
}

/** ASCII that can be seen, and blanks. */
const PRINTABLE = /^[\x20-\x7e]*$/;

function readSubject(kind: RequestKind, text: string): Pick<Request, "listId" | "serverId"> {
  const expected = REQUEST_SUBJECTS[kind];
  const isRight = expected === "list" ? isListId(text) : expected === "server" ? isServerId(text) : text === "";
  if (!isRight) throw new ProtocolError("malformed", `what a ${kind} request is about is malformed`);
  return { listId: expected === "list" ? text : null, serverId: expected === "server" ? text : null };
}

/** What a client sends after REQ's empty delimiter. */
export function encodeClientRequest(request: Request): Frame[] {
  const { kind, requestId, listId, serverId, timeoutMs, token, body } = request;
  const [subject, timeout] = [textFrame(listId ?? serverId ?? ""), wordFrame(`${timeoutMs}`)];
  return [wordFrame(VERSION_FRAME), wordFrame(kind), textFrame(requestId), subject, timeout, textFrame(token), body];
}

const REQUEST_FRAMES = 6;

/** @throws ProtocolError */
export function decodeClientRequest(frames: readonly Frame[]): Request {
  checkVersion(headerText(frames[0]));
  if (frames.length !== 1 + REQUEST_FRAMES)
    throw new ProtocolError("malformed", `a request has ${1 + REQUEST_FRAMES} frames`);
  return readRequest(frames.slice(1, REQUEST_FRAMES).map(headerText), frames[REQUEST_FRAMES]);
}

/** The request id of a message that could not be read otherwise, so that its refusal finds the asker; empty if none. */
export function salvageRequestId(frames: readonly Frame[]): string {
  const frame = frames[2];
  if (frame === undefined || frame.byteLength > 36) return "";
  const text = textOf(frame);
  return isRequestId(text) ? text : "";
}

/** What a client receives after REQ's empty delimiter. */
export function encodeClientReply(requestId: string, reply: Reply): Frame[] {
  return [wordFrame(VERSION_FRAME), wordFrame(reply.kind), textFrame(requestId), reply.body];
}

/** @throws ProtocolError */
export function decodeClientReply(frames: readonly Frame[]): Reply & { readonly requestId: string } {
  checkVersion(headerText(frames[0]));
  const [kind, requestId, body] = [headerText(frames[1]), headerText(frames[2]), frames[3]];
  if (!isOneOf(REPLY_KINDS, kind) || body === undefined || frames.length !== 4) {
    throw new ProtocolError("malformed", "this is no reply");
  }
  return { kind, requestId, body };
}

const REPLY_KINDS = ["reply", "error"] as const;
const SERVER_REPLY_KINDS = [...REPLY_KINDS, "declined"] as const;

/** What a server tells a broker. */
export type ServerMessage =
  | { readonly type: "ready"; readonly body: Frame }
  | { readonly type: "heartbeat"; readonly body: Frame }
  | { readonly type: "goodbye" }
  | { readonly type: "replies"; readonly replies: readonly Tagged<ServerReply>[] }
  | { readonly type: "notice"; readonly topics: readonly string[] };

/** What a broker tells a server. `reannounce` asks for a fresh `ready`, as a broker does that has just started. */
export type BrokerMessage =
  | { readonly type: "members"; readonly body: Frame }
  | { readonly type: "heartbeat" }
  | { readonly type: "reannounce" }
  | { readonly type: "requests"; readonly requests: readonly Tagged<Request>[] };

/** Between broker and server, what is about the way of a request or a reply goes in one frame before its body, for speed. */
const TAGGED_FRAMES = 2;

/** Words with one blank between; what is empty is nothing between two. */
function routingFrame(words: readonly string[]): Frame {
  return Buffer.from(words.join(" "));
}

function readRouting(frame: Frame | undefined): readonly string[] {
  if (frame === undefined || frame.byteLength > 2 * BOUNDS.headerBytes)
    throw new ProtocolError("too-large", "a routing frame is missing or too large");
  return textOf(frame).split(" ");
}

/** What a message between broker and server begins with; what follows of several of one type may go together. */
export function headFrames(type: (BrokerMessage | ServerMessage)["type"]): Frame[] {
  return [wordFrame(VERSION_FRAME), wordFrame(type)];
}

export const HEAD_FRAMES = 2;

export function encodeServerMessage(message: ServerMessage): Frame[] {
  const head = headFrames(message.type);
  switch (message.type) {
    case "ready":
    case "heartbeat":
      return [...head, message.body];
    case "goodbye":
      return head;
    case "replies":
      return [...head, ...message.replies.flatMap(({ tag, kind, body }) => [routingFrame([`${tag}`, kind]), body])];
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
      return { type, replies: pairs(rest).map(readTaggedReply) };
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
      return [
        ...head,
        ...message.requests.flatMap(({ tag, kind, requestId, listId, serverId, timeoutMs, token, body }) => [
          routingFrame([`${tag}`, kind, requestId, listId ?? serverId ?? "", `${timeoutMs}`, token]),
          body,
        ]),
      ];
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
      return {
        type,
        requests: pairs(rest).map(readTaggedRequest),
      };
    default:
      throw new ProtocolError("unknown-kind", "this kind of message is not known here");
  }
}

/** What a broker's feed says after the topic. `epoch` is one run of the broker, `sequence` counts its heartbeats. */
export interface Update {
  readonly topic: string;
  readonly type: "moved" | "heartbeat";
  readonly epoch: string;
  readonly sequence: number;
}

/** The topic of a feed's heartbeats; every watcher subscribes to it beside its lists. */
export const HEARTBEAT_TOPIC = "heartbeat";

export function encodeUpdate({ topic, type, epoch, sequence }: Update): Frame[] {
  return [topic, VERSION_FRAME, type, epoch, `${sequence}`].map(wordFrame);
}

/** @throws ProtocolError */
export function decodeUpdate(frames: readonly Frame[]): Update {
  const [topic, version, type, epoch, sequence] = [0, 1, 2, 3, 4].map((index) => headerText(frames[index]));
  checkVersion(version ?? "");
  if (type !== "moved" && type !== "heartbeat")
    throw new ProtocolError("unknown-kind", "this update is not known here");
  return { topic: topic ?? "", type, epoch: epoch ?? "", sequence: readNatural(sequence, Number.MAX_SAFE_INTEGER) };
}

function readTaggedRequest([routing, body]: readonly Frame[]): Tagged<Request> {
  // A token may have blanks in it, and comes last.
  const [tag, kind, requestId, subject, timeout, ...token] = readRouting(routing);
  const words = [kind, requestId, subject, timeout, token.join(" ")];
  return { tag: readNatural(tag, Number.MAX_SAFE_INTEGER), ...readRequest(words, body) };
}

function readTaggedReply([routing, body]: readonly Frame[]): Tagged<ServerReply> {
  const [tag, kind, ...rest] = readRouting(routing);
  if (rest.length > 0) throw new ProtocolError("malformed", "the way of a reply has two words");
  if (!isOneOf(SERVER_REPLY_KINDS, kind) || body === undefined)
    throw new ProtocolError("malformed", "this is no reply");
  return { tag: readNatural(tag, Number.MAX_SAFE_INTEGER), kind, body };
}

function onlyFrame(frames: readonly Frame[]): Frame {
  const [frame] = frames;
  if (frame === undefined || frames.length !== 1) throw new ProtocolError("malformed", "the message has one body");
  return frame;
}

/** What is about the way and the body, of each. */
function pairs(frames: readonly Frame[]): Frame[][] {
  const count = frames.length / TAGGED_FRAMES;
  if (count === 0 || !Number.isInteger(count)) throw new ProtocolError("malformed", "the message is cut short");
  if (count > BOUNDS.batch) throw new ProtocolError("too-large", `a message carries up to ${BOUNDS.batch}`);
  return Array.from({ length: count }, (_, index) => frames.slice(TAGGED_FRAMES * index, TAGGED_FRAMES * (index + 1)));
}

export function readNatural(text: string | undefined, limit: number): number {
  if (text === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(text) || Number(text) > limit) {
    throw new ProtocolError("malformed", "a number is malformed or out of bounds");
  }
  return Number(text);
}

function isOneOf<T extends string>(values: readonly T[], text: string | undefined): text is T {
  return text !== undefined && (values as readonly string[]).includes(text);
}
