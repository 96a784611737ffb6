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

const MAX_TIMEOUT_MS = 600_000;

export const EMPTY: Frame = new Uint8Array(0);

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
export function textOf({ buffer, byteOffset, byteLength }: Frame): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString();
}

/** What of a request or a reply is about its way: words in the order in which they are sent. */
export type Routing = readonly string[];

/** @throws ProtocolError */
export function readRequest([kind, requestId, subject, timeout, ...token]: Routing, body: Frame): Request {
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
export function routingOf({ kind, requestId, listId, serverId, timeoutMs, token }: Request): string {
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

const LINE_FEED = 0x0a;

/** What is about the way of a request or a reply may have so many. */
export const MOST_LINE_BYTES = 2 * BOUNDS.headerBytes;

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

export const REPLY_KINDS = ["reply", "error"] as const;

export function readNatural(text: string | undefined, limit: number): number {
  if (text === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(text) || Number(text) > limit) {
    throw new ProtocolError("malformed", "a number is malformed or out of bounds");
  }
  return Number(text);
}

export function isOneOf<T extends string>(values: readonly T[], text: string | undefined): text is T {
  return text !== undefined && (values as readonly string[]).includes(text);
}
