import type { Document } from "../crdt/document.js";
import type { PasswordHash } from "../crdt/account-record.js";
import type { BrokerMessage, ServerMessage } from "../protocol/broker-messages.js";
import type { Request } from "../protocol/frames.js";
import type { ListId, ServerId } from "../protocol/ids.js";
import type { Millis } from "../protocol/machine.js";
import type { Member } from "../protocol/membership.js";
import type { PeerMessage } from "../protocol/peer-messages.js";
import type { Caller, Claims } from "./caller.js";

export type ServerEvent =
  | { readonly type: "broker"; readonly broker: number; readonly message: Exclude<BrokerMessage, { type: "requests" }> }
  /** A client's request, with who asks. */
  | {
      readonly type: "request";
      readonly broker: number;
      readonly tag: number;
      readonly request: Request;
      readonly caller: Caller;
    }
  | { readonly type: "peer"; readonly from: ServerId; readonly message: PeerMessage }
  /** A subscriber of this server's feed said who it is. */
  | { readonly type: "introduced"; readonly member: Member }
  | { readonly type: "loaded"; readonly listId: ListId; readonly list: Document | null }
  | { readonly type: "load-failed"; readonly listId: ListId; readonly problem: string }
  /** Every `persist` effect up to this number is on disk. */
  | { readonly type: "persisted"; readonly through: number }
  /** Every `persist` effect so far that was not reported as persisted has failed. */
  | { readonly type: "persist-failed"; readonly problem: string }
  /** Part of the list was found damaged, and set aside. */
  | { readonly type: "damaged"; readonly listId: ListId }
  /** The outcome of a piece of work; null where it could not be done. */
  | { readonly type: "worked"; readonly job: number; readonly result: WorkResult | null }
  | { readonly type: "tick" };

/** What takes too long, or takes chance, and so is done outside of the step: hashing a password, signing a token. */
export type Work =
  /** @see PasswordHash; without a salt, a fresh one is taken. */
  | {
      readonly type: "derive";
      readonly password: string;
      readonly salt: string | null;
      readonly cost: PasswordHash["cost"];
      /** Before whoever is not in a hurry. */
      readonly isUrgent: boolean;
      /** When nobody waits for it any more. */
      readonly until: Millis;
    }
  | { readonly type: "sign"; readonly claims: Claims };

export type WorkResult =
  | { readonly type: "derived"; readonly hash: PasswordHash }
  | { readonly type: "signed"; readonly token: string; readonly expires: number };

export type ServerEffect =
  | { readonly type: "work"; readonly job: number; readonly work: Work }
  | { readonly type: "load"; readonly listId: ListId }
  | { readonly type: "persist"; readonly number: number; readonly listId: ListId; readonly delta: Document }
  /** Lets go of a list that its owners hold; should a crash bring it back, it is handed over again. */
  | { readonly type: "drop"; readonly listId: ListId }
  | { readonly type: "save-members"; readonly members: readonly Member[] }
  | { readonly type: "open-broker" | "close-broker"; readonly broker: number }
  | { readonly type: "to-broker"; readonly broker: number; readonly message: ServerMessage }
  /** Tell every broker that a list has moved. */
  | { readonly type: "notify"; readonly topic: string }
  /** Subscribe to the feed of the server at this endpoint, or no longer. */
  | { readonly type: "connect" | "disconnect"; readonly endpoint: string }
  /** What to subscribe to at every peer, in place of what was said before. */
  | { readonly type: "listen"; readonly topics: readonly string[] }
  | { readonly type: "publish"; readonly topic: string; readonly message: PeerMessage }
  | { readonly type: "log"; readonly event: string; readonly facts: Readonly<Record<string, string | number>> }
  /** There is no going on: `reason` is null where the server has left the cluster as it was asked to. */
  | { readonly type: "stop"; readonly reason: string | null };

/** Something to be done later, unless it is called off. */
export interface Timer {
  cancel(): void;
}

/** What a server counts, by name, since it started. */
export type Counters = Record<
  | "requests"
  | "declined"
  | "retries"
  | "hints"
  | "handovers"
  | "drops"
  | "readRepairs"
  | "repairs"
  | "rounds"
  | "received"
  | "expiries",
  number
>;

/** What the parts of a server share while it decides. */
export interface Turn {
  readonly id: ServerId;
  readonly now: Millis;
  /** A number for a question to a peer, as no other question has had, in this run of the server or an earlier one. */
  nextTag(): number;
  readonly counters: Counters;
  emit(effect: ServerEffect): void;
  after(delayMs: Millis, then: () => void): Timer;
}
