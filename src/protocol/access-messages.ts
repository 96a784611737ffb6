import * as v from "valibot";
import { ACCESS_LIMITS, ROLES } from "../crdt/access-record.js";
import { bodyFrame, type Frame } from "./frames.js";
import { isSecret } from "./identity.js";
import { count, parse, word } from "./messages.js";

const role = v.picklist(ROLES);
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{8,64}$/));
const wholeHash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const memberName = v.pipe(v.string(), v.minLength(1), v.maxLength(ACCESS_LIMITS.nameLength));

const AccessRequestSchema = v.variant("do", [
  /** Who belongs to the list; for members. */
  v.strictObject({ do: v.literal("members") }),
  /** Makes an invitation whose secret hashes to this. */
  v.strictObject({
    do: v.literal("invite"),
    hash: wholeHash,
    role,
    expires: count,
    uses: v.pipe(count, v.minValue(1), v.maxValue(ACCESS_LIMITS.uses)),
  }),
  v.strictObject({ do: v.literal("revoke-invitation"), hash }),
  v.strictObject({ do: v.literal("join"), secret: v.pipe(v.string(), v.check(isSecret, "not a secret")) }),
  /** Gives a member, named by name or id, another role, or none. */
  v.strictObject({ do: v.literal("set-role"), member: memberName, role: v.nullable(role), version: count }),
  /** Makes a member an owner, and the asker an editor. */
  v.strictObject({ do: v.literal("transfer"), member: memberName, version: count }),
  v.strictObject({ do: v.literal("leave") }),
  v.strictObject({ do: v.literal("set-visibility"), visibility: v.picklist(["open", "private"]), version: count }),
  /** Hands what the asking device may do, as a device, to the account that is logged in there. */
  v.strictObject({ do: v.literal("adopt") }),
]);

/** What is asked about who may do what with a list. */
export type AccessRequest = Readonly<v.InferOutput<typeof AccessRequestSchema>>;

const AccessReplySchema = v.object({
  /** The asker's role after it. */
  role: v.nullable(role),
  visibility: v.picklist(["open", "private"]),
  /** What a request that changes roles or visibility has to name, so that a late copy of an older one changes nothing. */
  version: count,
  members: v.array(v.object({ id: word, name: v.string(), role })),
  /** For owners; expired, revoked and used up ones are left out. */
  invitations: v.array(v.object({ hash: word, role, expires: count, uses: count, used: count })),
  stored: count,
  wanted: count,
  replicas: count,
});

export type AccessReply = v.InferOutput<typeof AccessReplySchema>;

export const encodeAccessRequest = (request: AccessRequest): Frame => bodyFrame(request);
export const decodeAccessRequest = (body: Frame): AccessRequest => parse(AccessRequestSchema, body);
export const decodeAccessReply = (body: Frame): AccessReply => parse(AccessReplySchema, body);
