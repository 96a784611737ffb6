import * as v from "valibot";
import { decodePosition, encodePosition, Document, type Position } from "../crdt/document.js";
import { ProtocolError } from "./errors.js";
import { bodyFrame, headerText, textFrame, wordFrame, type Frame } from "./frames.js";
import { PARTITIONS } from "./hash-ring.js";
import { isListId, isServerId, type ListId, type ServerId } from "./ids.js";
import { MembersSchema, type Member } from "./membership.js";
import { ReplicationSchema, type Replication } from "./cluster-messages.js";
import { count, encodedState, orMalformed, parse } from "./messages.js";
import { BOUNDS, bodyText, parseBody } from "./bounds.js";
import { checkVersion, VERSION_FRAME } from "./version.js";

/**
 * Why a list is exchanged: for a client's request, which as a proposal is to be taken only by who would judge it alike; to
 * mend a difference, to mend one that positions do not show, or to give a list away, which wants nothing back.
 */
const PURPOSES = ["request", "proposal", "repair", "clash", "hand-over"] as const;

export type Purpose = (typeof PURPOSES)[number];

/**
 * Which partitions a round of anti-entropy is about: those that the asker is to keep once nobody joins or leaves any more,
 * or all that it holds now.
 */
const SCOPES = ["heir", "holder"] as const;

export type Scope = (typeof SCOPES)[number];

/**
 * What servers publish to each other. Every server binds one PUB; a message for one peer goes out on that peer's own topic,
 * a write on the topic of those who hold its partition, a beat on everyone's. `tag` brings an answer back to its question.
 */
export type PeerMessage =
  /** A sign of life, with the fingerprint of the membership table: whoever has another one answers with its table. */
  | { readonly type: "beat"; readonly table: string }
  | { readonly type: "members"; readonly members: readonly Member[]; readonly replication: Replication }
  /** "Take this delta if there is one, and tell me what I lack": the same exchange as between client and cluster. */
  | {
      readonly type: "sync";
      readonly tag: number;
      readonly listId: ListId;
      readonly purpose: Purpose;
      /** What the sender has. */
      readonly position: Position;
      readonly delta: Document | null;
      /** The digest of the sender's document, where a difference is to be told that positions do not show. */
      readonly digest: string | null;
    }
  /** The answer, once all it tells of is on disk. */
  | {
      readonly type: "synced";
      readonly tag: number;
      /** What the asker lacked, or null. */
      readonly delta: Document | null;
      /** What the answerer has where it lacks some of the asker's; null where it holds it all. */
      readonly position: Position | null;
      /** Whether the answerer has all that it ever said it has: one whose disk was lost has not, until it is level again. */
      readonly whole: boolean;
    }
  /** The answerer could not use its disk. */
  | { readonly type: "declined"; readonly tag: number }
  /** A proposal was not taken: the answerer knows something that its sender does not, or may not know enough itself. */
  | { readonly type: "objected"; readonly tag: number }
  | { readonly type: "describe"; readonly tag: number; readonly listId: ListId }
  | { readonly type: "described"; readonly tag: number; readonly digest: string | null }
  /** "Give me what you have", from a server that does not keep it. */
  | { readonly type: "fetch"; readonly tag: number; readonly listId: ListId }
  | { readonly type: "fetched"; readonly tag: number; readonly document: Document; readonly whole: boolean }
  /** "Give me your copy as it lies on your disk", from a server that has none and knows the digest of this one... */
  | { readonly type: "copy"; readonly tag: number; readonly listId: ListId; readonly digest: string }
  /** ...which the answer has to have: it is taken unopened. Null where the answerer has another one by now. */
  | { readonly type: "copied"; readonly tag: number; readonly document: Document | null }
  /** "Take such a copy from me if you have none", and that it is on disk. */
  | { readonly type: "offer"; readonly tag: number; readonly listId: ListId; readonly digest: string }
  | { readonly type: "taken"; readonly tag: number }
  /**
   * Anti-entropy, from the top of the hash tree down: one sum over all partitions that both hold, which means something
   * only between servers that agree on who holds what...
   */
  | {
      readonly type: "compare";
      readonly tag: number;
      readonly agreement: string;
      readonly scope: Scope;
      readonly sum: number;
    }
  /** ...the partitions' sums, null where the top was equal... */
  | { readonly type: "partitions"; readonly tag: number; readonly sums: readonly PartitionSum[] | null }
  /** ...the sums of the buckets of partitions that differ... */
  | { readonly type: "buckets"; readonly tag: number; readonly partitions: readonly PartitionBuckets[] }
  /** ...and the answerer's sums of the same buckets, with the lists in those that differ, and their digests. */
  | {
      readonly type: "lists";
      readonly tag: number;
      readonly partitions: readonly PartitionBuckets[];
      readonly lists: readonly ListDigest[];
    };

export type PartitionSum = readonly [partition: number, sum: number];
export type PartitionBuckets = readonly [partition: number, sums: readonly number[]];
export type ListDigest = readonly [listId: ListId, digest: string];

/** The topic on which every peer listens. */
export const EVERYONE = "all";

/** The topic on which one server listens. */
export function topicOfServer(id: ServerId): string {
  return `to/${id}/`;
}

const HOLDERS = "holders/";

/** The topic of what is written to partitions that these servers hold (see `Placement.holderNames`). */
export function topicOfHolders(names: string): string {
  return `${HOLDERS}${names}/`;
}

const INTRODUCTION = "from/";

/** A topic that nothing is published on: subscribing to it tells the publisher who is listening, and where to find them. */
export function introductionOf(member: Member): string {
  return INTRODUCTION + JSON.stringify([member]);
}

/** The member that such a topic introduces, or null where it is another topic. */
export function introducedBy(topic: string): Member | null {
  if (!topic.startsWith(INTRODUCTION)) return null;
  const [member] = parse(MembersSchema, textFrame(topic.slice(INTRODUCTION.length)));
  return member ?? null;
}

const tag = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const sum = count;
const partition = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(PARTITIONS - 1));
const listId = v.pipe(v.string(), v.check(isListId, "malformed list id"));
const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/** Partitions whose buckets travel in one message, and buckets in a partition. */
export const PARTITIONS_AT_A_TIME = 8;
export const BUCKETS = 16;

const buckets = v.pipe(
  v.array(v.strictTuple([partition, v.pipe(v.array(sum), v.length(BUCKETS))])),
  v.maxLength(PARTITIONS_AT_A_TIME),
);

const SCHEMAS = {
  members: v.strictObject({ members: MembersSchema, replication: ReplicationSchema }),
  sync: v.strictObject({
    tag,
    listId,
    purpose: v.picklist(PURPOSES),
    position: encodedState,
    digest: v.nullable(digest),
  }),
  synced: v.strictObject({
    tag,
    position: v.nullable(encodedState),
    whole: v.boolean(),
  }),
  declined: v.strictObject({ tag }),
  objected: v.strictObject({ tag }),
  describe: v.strictObject({ tag, listId }),
  described: v.strictObject({ tag, digest: v.nullable(digest) }),
  fetch: v.strictObject({ tag, listId }),
  fetched: v.strictObject({ tag, whole: v.boolean() }),
  copy: v.strictObject({ tag, listId, digest }),
  copied: v.strictObject({ tag }),
  offer: v.strictObject({ tag, listId, digest }),
  taken: v.strictObject({ tag }),
  compare: v.strictObject({
    tag,
    agreement: v.pipe(v.string(), v.maxLength(64)),
    scope: v.picklist(SCOPES),
    sum,
  }),
  partitions: v.strictObject({
    tag,
    sums: v.nullable(v.pipe(v.array(v.strictTuple([partition, sum])), v.maxLength(PARTITIONS))),
  }),
  buckets: v.strictObject({ tag, partitions: buckets }),
  lists: v.strictObject({ tag, partitions: buckets, lists: v.array(v.strictTuple([listId, digest])) }),
} as const;

/** Messages that are what their schemas say, and no more. */
const PLAIN = [
  ...(["members", "declined", "objected", "describe", "described", "fetch", "copy", "offer", "taken"] as const),
  ...(["compare", "partitions", "buckets", "lists"] as const),
] as const;

function isPlain(type: string): type is (typeof PLAIN)[number] {
  return PLAIN.some((one) => one === type);
}

/** What each message is made of: its type, its body, and a document, or an empty frame where there is none. */
const MESSAGE_FRAMES = 3;
const HEAD_FRAMES = 2;

/** What all that server `from` says begins with; any number of messages may follow. */
export function peerHeadFrames(from: ServerId): Frame[] {
  return [VERSION_FRAME, from].map(wordFrame);
}

export function encodePeerMessage(message: PeerMessage): Frame[] {
  const type = wordFrame(message.type);
  if (message.type === "beat") return [type, wordFrame(message.table), NO_DOCUMENT];
  const document = "delta" in message ? message.delta : "document" in message ? message.document : null;
  return [type, bodyFrame(bodyOf(message)), document === null ? NO_DOCUMENT : textFrame(document.text)];
}

const NO_DOCUMENT: Frame = new Uint8Array(0);

function bodyOf(message: Exclude<PeerMessage, { readonly type: "beat" }>): unknown {
  // As most of all messages are: an object made of another one by spreading takes many times as long.
  if (message.type === "sync") {
    const { tag, listId, purpose, position, digest } = message;
    return { tag, listId, purpose, position: encodePosition(position), digest };
  }
  if (message.type === "synced") {
    const { tag, position, whole } = message;
    return { tag, position: position === null ? null : encodePosition(position), whole };
  }
  return {
    ...message,
    // Its frame says so already.
    type: undefined,
    // It is a frame of its own, which goes to the disk as it came.
    delta: undefined,
    document: undefined,
  };
}

/**
 * Who says it, and each message as `decodePeerMessage` reads it: one that cannot be read says nothing of those beside it.
 * @throws ProtocolError
 */
export function splitPeerFrames(frames: readonly Frame[]): {
  readonly from: ServerId;
  readonly messages: readonly (readonly Frame[])[];
} {
  const [version, from] = [headerText(frames[0]), headerText(frames[1])];
  checkVersion(version);
  const count = (frames.length - HEAD_FRAMES) / MESSAGE_FRAMES;
  if (!isServerId(from) || !Number.isInteger(count) || count < 1 || count > BOUNDS.batch)
    throw new ProtocolError("malformed", "this is nothing that servers say");
  const messages = Array.from({ length: count }, (_, index) => {
    const at = HEAD_FRAMES + MESSAGE_FRAMES * index;
    return frames.slice(at, at + MESSAGE_FRAMES);
  });
  return { from, messages };
}

/** @throws ProtocolError */
export function decodePeerMessage([kind, body, document]: readonly Frame[]): PeerMessage {
  const type = headerText(kind);
  const hasDocument = document !== undefined && document.byteLength > 0;
  if (body === undefined || (hasDocument && !WITH_DOCUMENT.has(type)))
    throw new ProtocolError("malformed", "this is no message between servers");
  return decodeTyped(type, body, hasDocument ? document : undefined);
}

/** Kinds of messages that may bring a document along. */
const WITH_DOCUMENT: ReadonlySet<string> = new Set(["sync", "synced", "fetched", "copied"]);

function readDocument(frame: Frame | undefined): Document | null {
  if (frame === undefined) return null;
  const text = bodyText(frame, BOUNDS.documentBytes);
  const value = parseBody(frame, text);
  return orMalformed(() => Document.read(text, value));
}

/** Its content is checked by its digest, and not looked at. */
function unopened(frame: Frame | undefined): Document | null {
  return frame === undefined ? null : orMalformed(() => Document.unopened(bodyText(frame, BOUNDS.documentBytes)));
}

function decodeTyped(type: string, body: Frame, document: Frame | undefined): PeerMessage {
  if (isPlain(type)) return { type, ...parse(SCHEMAS[type], body) } as PeerMessage;
  switch (type) {
    case "beat":
      return { type, table: headerText(body) };
    case "sync": {
      const { tag, listId, purpose, position, digest } = parse(SCHEMAS.sync, body);
      const decoded = orMalformed(() => decodePosition(position));
      return { type, tag, listId, purpose, position: decoded, delta: readDocument(document), digest };
    }
    case "synced": {
      const { tag, position, whole } = parse(SCHEMAS.synced, body);
      const decoded = position === null ? null : orMalformed(() => decodePosition(position));
      return { type, tag, delta: readDocument(document), position: decoded, whole };
    }
    case "fetched": {
      const fetched = readDocument(document);
      if (fetched === null) throw new ProtocolError("malformed", "the document is missing");
      return { type, ...parse(SCHEMAS.fetched, body), document: fetched };
    }
    case "copied":
      return { type, ...parse(SCHEMAS.copied, body), document: unopened(document) };
    default:
      throw new ProtocolError("unknown-kind", "this kind of message is not known here");
  }
}
