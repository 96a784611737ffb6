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

/** A request between broker and server, with the number by which the broker matches the reply to it. */
export interface TaggedRequest {
  readonly tag: number;
  readonly request: Request;
}

export interface TaggedReply {
  readonly tag: number;
  readonly reply: ServerReply;
}

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

/** What of a request or a reply is about its way: words in the order in which they are sent. */
type Routing = readonly string[];

function readRequest([kind, requestId, subject, timeout, ...token]: Routing, body: Frame): Request {
  if (!isOneOf(REQUEST_KINDS, kind)) throw new ProtocolError("unknown-kind", "this kind of request is not known here");
  if (kind !== "sync" && body.byteLength > BOUNDS.smallBodyBytes)
    throw new ProtocolError("too-large", `the body of a ${kind} request may have ${BOUNDS.smallBodyBytes} bytes`);
  if (requestId === undefined || !isRequestId(requestId)) throw new ProtocolError("malformed", "malformed request id");
  const timeoutMs = readNatural(timeout, MAX_TIMEOUT_MS);
  if (timeoutMs === 0) throw new ProtocolError("malformed", "nobody can answer in no time");
  const { listId, serverId } = readSubject(kind, subject ?? "");
  return { kind, requestId, listId, serverId, timeoutMs, token: readToken(token), body };
}

/** It may have blanks in it, and comes last. */
function readToken(words: Routing): string {
  const token = words.join(" ");
  if (!PRINTABLE.test(token)) throw new ProtocolError("malformed", "malformed token");
  if (token.length > BOUNDS.headerBytes)
    throw new ProtocolError("too-large", `a token may have ${BOUNDS.headerBytes} characters`);
  return token;
}

/** ASCII that can be seen, and blanks. */
const PRINTABLE = /^[\x20-\x7e]*$/;

function readSubject(kind: RequestKind, text: string): Pick<Request, "listId" | "serverId"> {
  const expected = REQUEST_SUBJECTS[kind];
  const isRight = expected === "list" ? isListId(text) : expected === "server" ? isServerId(text) : text === "";
  if (!isRight) throw new ProtocolError("malformed", `what a ${kind} request is about is malformed`);
  return { listId: expected === "list" ? text : null, serverId: expected === "server" ? text : null };
}

/** What of a request is about its way: words with one blank between, and nothing for what is empty. */
function routingOf({ kind, requestId, listId, serverId, timeoutMs, token }: Request): string {
  return `${kind} ${requestId} ${listId ?? serverId ?? ""} ${timeoutMs} ${token}`;
}

/**
 * Between client and broker a message is one frame, since each frame costs as much as a message does: a line of words about its
 * way, all of them ASCII, and the body.
 */
function lineFrame(routing: string, body: Frame): Frame {
  const line = `${VERSION_FRAME} ${routing}\n`;
  const frame = Buffer.allocUnsafe(line.length + body.byteLength);
  frame.write(line, "latin1");
  frame.set(body, line.length);
  return frame;
}

const [LINE_FEED, MOST_LINE_BYTES] = [0x0a, 2 * BOUNDS.headerBytes];

/** @throws ProtocolError where the message is of another version, or anything but a line and what follows it */
function readLine(frames: readonly Frame[]): { readonly routing: Routing; readonly body: Frame } {
  const { words, end } = wordsOf(frames[0]);
  const [version = "", ...routing] = words;
  checkVersion(version);
  const [frame, ...others] = frames;
  if (frame === undefined || others.length > 0) throw new ProtocolError("malformed", "a message is one frame");
  if (end < 0) throw new ProtocolError("malformed", `no line of up to ${MOST_LINE_BYTES} bytes comes first`);
  return { routing, body: frame.subarray(end + 1) };
}

/** The words of the line that a frame begins with, and where it ends: below 0 where it does not. */
function wordsOf(frame: Frame = EMPTY): { readonly words: Routing; readonly end: number } {
  const head = Buffer.from(frame.buffer, frame.byteOffset, Math.min(frame.byteLength, MOST_LINE_BYTES));
  const end = head.indexOf(LINE_FEED);
  return { words: head.toString("latin1", 0, end < 0 ? head.length : end).split(" "), end };
}

/** What a client sends after REQ's empty delimiter. */
export function encodeClientRequest(request: Request): Frame[] {
  return [lineFrame(routingOf(request), request.body)];
}

/** @throws ProtocolError */
export function decodeClientRequest(frames: readonly Frame[]): Request {
  const { routing, body } = readLine(frames);
  return readRequest(routing, body);
}

/** The request id of a message that could not be read otherwise, so that its refusal finds the asker; empty if none. */
export function salvageRequestId(frames: readonly Frame[]): string {
  const requestId = wordsOf(frames[0]).words[2] ?? "";
  return isRequestId(requestId) ? requestId : "";
}

/** What a client receives after REQ's empty delimiter. */
export function encodeClientReply(requestId: string, reply: Reply): Frame[] {
  return [lineFrame(`${reply.kind} ${requestId}`, reply.body)];
}

/** @throws ProtocolError */
export function decodeClientReply(frames: readonly Frame[]): Reply & { readonly requestId: string } {
  const { routing, body } = readLine(frames);
  const [kind, requestId, ...rest] = routing;
  if (!isOneOf(REPLY_KINDS, kind) || requestId === undefined || rest.length > 0)
    throw new ProtocolError("malformed", "this is no reply");
  return { kind, requestId, body };
}

const REPLY_KINDS = ["reply", "error"] as const;
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

export function readNatural(text: string | undefined, limit: number): number {
  if (text === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(text) || Number(text) > limit) {
    throw new ProtocolError("malformed", "a number is malformed or out of bounds");
  }
  return Number(text);
}

function isOneOf<T extends string>(values: readonly T[], text: string | undefined): text is T {
  return text !== undefined && (values as readonly string[]).includes(text);
}
