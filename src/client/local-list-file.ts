import type { ReplicaId } from "../crdt/dot.js";
import type { ListId } from "../protocol/ids.js";
import type { IdentitiesForm } from "./identities.js";
import type { Intent } from "./intent.js";
import type { RightsForm } from "./rights.js";

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

/** One list as a data folder keeps it, in the form of its file. */
export interface LocalListFile extends IdentitiesForm, RightsForm {
  readonly version: number;
  readonly id: ListId;
  /** Which folder the replica id belongs to: see `DataFolder.device`. */
  readonly device: string;
  /** When the file that it was written in was made. Absent in what older versions wrote. */
  readonly birth?: string;
  /** See `LocalList.onRefusal`. */
  readonly clashed: boolean;
  readonly confirmed: unknown;
  readonly pending: unknown;
  /** The server's dots, where it said that it lacks some of what is confirmed; null otherwise. */
  readonly serverSeen: unknown;
  readonly outbox: readonly OutboxEntry[];
  readonly rejected: readonly RejectedEntry[];
  readonly stored: Stored | null;
  /** What was done here and can be taken back, the oldest first. */
  readonly changes?: readonly string[];
}
