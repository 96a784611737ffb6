import type { Role } from "../crdt/access-record.js";
import type { ReplicaId } from "../crdt/dot.js";
import type { ListId } from "../protocol/ids.js";
import type { Founding, NewestOperation } from "../protocol/messages.js";
import type { Intent } from "./intent.js";

/** A change made here that the cluster has not confirmed yet. */
export interface OutboxEntry {
  readonly replica: ReplicaId;
  readonly counter: number;
  readonly id: string;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  /** Who was logged in; absent in what older versions wrote. */
  readonly by?: string | null;
  readonly intent: Intent;
}

/** A change that the cluster refused for good, kept so that its author can see it and decide. */
export interface RejectedEntry {
  readonly id: string;
  readonly at: number;
  readonly intent: Intent;
  readonly code: string;
  readonly message: string;
}

/** How many servers have a list on disk, how many make a change acknowledged (W), and how many it is kept on (N). */
export interface Stored {
  readonly servers: number;
  readonly wanted: number;
  readonly replicas: number;
}

export const FILE_VERSION = 1;

/** A replica id, and the newest operation under it that is known to be stored. */
export interface Identity {
  readonly replica: ReplicaId;
  readonly basis: NewestOperation | null;
}

/** One list as a data folder keeps it, in the form of its file. */
export interface LocalListFile {
  readonly version: number;
  readonly id: ListId;
  /** Which folder the replica id belongs to: see `DataFolder.device`. */
  readonly device: string;
  readonly replica: ReplicaId;
  /** See `LocalList.onRefusal`. */
  readonly clashed: boolean;
  readonly basis: NewestOperation | null;
  /** See `LocalList.belongTo`. */
  readonly formers?: readonly Identity[];
  readonly confirmed: unknown;
  readonly pending: unknown;
  /** The server's dots, where it said that it lacks some of what is confirmed; null otherwise. */
  readonly serverSeen: unknown;
  readonly outbox: readonly OutboxEntry[];
  readonly rejected: readonly RejectedEntry[];
  readonly stored: Stored | null;
  /** Proof that this folder made the list, where it did; see `Founding`. */
  readonly founding?: Founding | null;
  /** What the cluster said last of who may do what. */
  readonly standing?: Standing | null;
  /** Whether an account has taken the place of the device that made the list. */
  readonly adopted?: boolean;
  /** What was done here and can be taken back, the oldest first. */
  readonly changes?: readonly string[];
}

/** What the person may do with the list, and whether everybody may who knows its id. */
export interface Standing {
  readonly role: Role;
  readonly open: boolean;
  /** How many share it; absent before the cluster has said. */
  readonly members?: number;
}

/** Whether they may change what is on it. */
export function mayWrite({ role, open }: Standing): boolean {
  return role !== "viewer" || open;
}

/** Whether they may delete it for everyone, and bring it back. */
export function mayDelete({ role, open }: Standing): boolean {
  return role === "owner" || open;
}
