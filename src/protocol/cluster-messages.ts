import * as v from "valibot";
import type { Frame } from "./frames.js";
import { MEMBER_STATUSES, MembersSchema } from "./membership.js";
import { count, parse, word } from "./messages.js";

export const ReplicationSchema = v.strictObject({ replicas: count, writeQuorum: count, readQuorum: count });

/** On how many servers a list is kept (N), how many of them make a write acknowledged (W), and a read complete (R). */
export type Replication = Readonly<v.InferOutput<typeof ReplicationSchema>>;

const ReadySchema = v.strictObject({
  id: v.string(),
  oldest: count,
  newest: count,
  replication: ReplicationSchema,
  members: MembersSchema,
});

/** A server's announcement: itself, the versions it speaks, and the membership table it knows (with itself in it). */
export type Ready = v.InferOutput<typeof ReadySchema>;

const ServerHealthSchema = v.strictObject({ lists: count, hints: count, requests: count });

/** What a server's heartbeat says of it: lists held, hints kept for others, requests served since it started. */
export type ServerHealth = v.InferOutput<typeof ServerHealthSchema>;

const StatusReplySchema = v.object({
  epoch: word,
  /** The endpoint of the broker's feed, as the broker bound it. */
  updates: word,
  /** Null while the broker knows no server. */
  replication: v.nullable(ReplicationSchema),
  counters: v.record(word, count),
  servers: v.array(
    v.object({
      id: word,
      status: v.picklist(MEMBER_STATUSES),
      alive: v.boolean(),
      partitions: count,
      lists: count,
      hints: count,
      requests: count,
    }),
  ),
});

/** A broker's view of itself and of the servers. */
export type StatusReply = v.InferOutput<typeof StatusReplySchema>;

const CopySchema = v.object({
  server: word,
  /** Owners answer for the list, heirs will own it once all joining and leaving is over. */
  role: v.picklist(["owner", "heir", "fallback"]),
  answered: v.boolean(),
  /** The digest of its copy; null where it has none, or did not answer. */
  digest: v.nullable(word),
});

/** One server's copy of a list, as it is on disk. */
export type Copy = v.InferOutput<typeof CopySchema>;

const WhereReplySchema = v.object({
  partition: count,
  wanted: count,
  replicas: count,
  copies: v.array(CopySchema),
});

/** Where a list is kept. */
export type WhereReply = v.InferOutput<typeof WhereReplySchema>;

const ProgressSchema = v.object({ done: count, total: count });

/** Lists moved so far, of those that are known to have to. */
export type Progress = v.InferOutput<typeof ProgressSchema>;

const InspectionSchema = v.object({
  id: word,
  status: v.picklist(MEMBER_STATUSES),
  counters: v.record(word, count),
  hints: v.object({
    total: count,
    /** Some of them: the list, and the servers that are not known to have it yet. */
    some: v.array(v.object({ list: word, missingAt: v.array(word) })),
  }),
  transfers: v.object({ incoming: ProgressSchema, outgoing: ProgressSchema }),
});

/** A server's view of itself. */
export type Inspection = v.InferOutput<typeof InspectionSchema>;

const RepairReplySchema = v.object({
  peers: v.array(v.object({ server: word, differing: count, failed: v.boolean() })),
});

/** What one round of anti-entropy with every living peer found and mended. */
export type RepairReply = v.InferOutput<typeof RepairReplySchema>;

const RemovalSchema = v.strictObject({ id: word });
const MembershipReplySchema = v.object({ id: word, status: v.picklist(MEMBER_STATUSES) });

/** A server's status after the request to change it. */
export type MembershipReply = v.InferOutput<typeof MembershipReplySchema>;

export const decodeReady = (body: Frame): Ready => parse(ReadySchema, body);
export const decodeMembers = (body: Frame): Ready["members"] => parse(MembersSchema, body);
export const decodeHealth = (body: Frame): ServerHealth => parse(ServerHealthSchema, body);
export const decodeStatus = (body: Frame): StatusReply => parse(StatusReplySchema, body);
export const decodeWhere = (body: Frame): WhereReply => parse(WhereReplySchema, body);
export const decodeInspection = (body: Frame): Inspection => parse(InspectionSchema, body);
export const decodeRepair = (body: Frame): RepairReply => parse(RepairReplySchema, body);
export const decodeRemoval = (body: Frame): { readonly id: string } => parse(RemovalSchema, body);
export const decodeMembershipReply = (body: Frame): MembershipReply => parse(MembershipReplySchema, body);
