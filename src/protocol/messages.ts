import * as v from "valibot";
import { decodeContext, decodeList, encodeContext, encodeList, MalformedStateError } from "../crdt/codec.js";
import type { DotContext } from "../crdt/dot-context.js";
import { ROLES, type Role } from "../crdt/access-record.js";
import type { ShoppingList } from "../crdt/shopping-list.js";
import { parseBody } from "./bounds.js";
import { isErrorCode, ProtocolError, type ErrorCode } from "./errors.js";
import { bodyFrame, type Frame, type Reply } from "./frames.js";
import { isSecret } from "./identity.js";

/** A replica's newest operation: its counter, and the random id that tells it from another under the same counter. */
const NewestOperationSchema = v.strictObject({
  counter: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  id: v.pipe(v.string(), v.regex(/^[0-9A-Za-z_-]{1,36}$/)),
});

export type NewestOperation = v.InferOutput<typeof NewestOperationSchema>;

export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Ids, keys, addresses, names of counters: visible ASCII, so that it can be printed whoever sent it. */
export const word = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{0,4096}$/));

/** A part that the list's own decoder reads; the schema only says that it is there. */
export const encodedState = v.custom<readonly unknown[]>(Array.isArray, "not an array");

const FoundingSchema = v.strictObject({
  nonce: v.pipe(v.string(), v.check(isSecret, "not a nonce")),
  by: v.picklist(["device", "account"]),
  open: v.boolean(),
});

/** Proof that the asker made the list: its id is `listIdOf` the asker's device or account, and the nonce. */
export type Founding = Readonly<v.InferOutput<typeof FoundingSchema>>;

const SyncRequestSchema = v.strictObject({
  replica: v.pipe(v.string(), v.regex(/^[0-9A-Za-z_-]{1,36}$/)),
  basis: v.nullable(NewestOperationSchema),
  seen: encodedState,
  delta: v.nullable(encodedState),
  founding: v.nullable(FoundingSchema),
});

/** "Take this delta if there is one, and give me what I lack." One round trip brings both sides level. */
export interface SyncRequest {
  /** The replica that the sender writes as. */
  readonly replica: string;
  /**
   * The newest operation of `replica` that the sender knows to be stored. A server that knows a newer one, not in `delta`,
   * joins nothing and answers `stale-basis`: the sender's data folder was copied or restored, or a reply was lost.
   */
  readonly basis: NewestOperation | null;
  /** All dots the sender has, those of `delta` included. */
  readonly seen: DotContext;
  readonly delta: ShoppingList | null;
  /** With it, a list of which there is no access record yet gets its first one. */
  readonly founding: Founding | null;
}

/** Replies may say more than this version knows; requests may not, since it could matter. */
const SyncReplySchema = v.object({
  delta: v.nullable(encodedState),
  serverSeen: v.nullable(encodedState),
  newest: v.nullable(NewestOperationSchema),
  stored: count,
  wanted: count,
  replicas: count,
  role: v.picklist(ROLES),
  open: v.boolean(),
  members: v.optional(count, 0),
});

export interface SyncReply {
  /** What the sender lacked, or null. */
  readonly delta: ShoppingList | null;
  /** The server's dots, where it lacks some that the sender has; null where it has them all. */
  readonly serverSeen: DotContext | null;
  /** The newest operation of the sender's replica that is stored. */
  readonly newest: NewestOperation | null;
  /** On how many servers the list's state, the delta included, is known to be on disk. */
  readonly stored: number;
  /** How many make a change acknowledged (W), and how many will have it in time (N). */
  readonly wanted: number;
  readonly replicas: number;
  /** What the asker may do with the list, and whether everyone may who knows its id. */
  readonly role: Role;
  readonly open: boolean;
  /** How many share the list by name. */
  readonly members: number;
}

const ErrorBodySchema = v.object({
  code: v.pipe(v.string(), v.maxLength(64)),
  message: v.pipe(v.string(), v.maxLength(1_000)),
  newest: v.optional(v.nullable(NewestOperationSchema)),
});

export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  /** With `stale-basis`: the newest operation of the sender's replica that is stored. */
  readonly newest?: NewestOperation | null;
}

const PongSchema = v.object({ server: word });

/** @throws ProtocolError */
export function parse<Schema extends v.GenericSchema>(schema: Schema, body: Frame): v.InferOutput<Schema> {
  const result = v.safeParse(schema, parseBody(body), { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new ProtocolError("malformed", `body: ${v.getDotPath(issue) ?? "it"}: ${issue.message.slice(0, 200)}`);
}

export function orMalformed<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof MalformedStateError) throw new ProtocolError("malformed", `body: ${error.message}`);
    throw error;
  }
}

export function encodeSyncRequest({ replica, basis, seen, delta, founding }: SyncRequest): Frame {
  const encoded = delta === null ? null : encodeList(delta);
  return bodyFrame({ replica, basis, seen: encodeContext(seen), delta: encoded, founding });
}

/** @throws ProtocolError */
export function decodeSyncRequest(body: Frame): SyncRequest {
  const { replica, basis, seen, delta, founding } = parse(SyncRequestSchema, body);
  return orMalformed(() => ({
    replica,
    basis,
    seen: decodeContext(seen),
    delta: delta === null ? null : decodeList(delta),
    founding,
  }));
}

export function encodeSyncReply(reply: SyncReply): Reply {
  const { delta, serverSeen, ...said } = reply;
  const encoded = delta === null ? null : encodeList(delta);
  const seen = serverSeen === null ? null : encodeContext(serverSeen);
  const body = { delta: encoded, serverSeen: seen, ...said };
  return { kind: "reply", body: bodyFrame(body) };
}

/** @throws ProtocolError */
export function decodeSyncReply(body: Frame): SyncReply {
  const { delta, serverSeen, ...said } = parse(SyncReplySchema, body);
  return orMalformed(() => ({
    delta: delta === null ? null : decodeList(delta),
    serverSeen: serverSeen === null ? null : decodeContext(serverSeen),
    ...said,
  }));
}

export function errorReply(body: ErrorBody): Reply {
  return { kind: "error", body: bodyFrame(body) };
}

/** @throws ProtocolError where even the error is malformed */
export function decodeError(body: Frame): ErrorBody {
  const { code, message, newest } = parse(ErrorBodySchema, body);
  return { code: isErrorCode(code) ? code : "internal", message, ...(newest === undefined ? {} : { newest }) };
}

export const decodePong = (body: Frame): { readonly server: string } => parse(PongSchema, body);
