import type { AccessRecord } from "../../src/crdt/access-record.js";
import { Document } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { decodeAccessReply, encodeAccessRequest, type AccessRequest } from "../../src/protocol/access-messages.js";
import type { ListId, ServerId } from "../../src/protocol/ids.js";
import { topicOf } from "../../src/protocol/ids.js";
import { listIdOf } from "../../src/protocol/identity.js";
import type { Member } from "../../src/protocol/membership.js";
import {
  decodeError,
  decodeSyncReply,
  encodeSyncRequest,
  type Founding,
  type SyncRequest,
} from "../../src/protocol/messages.js";
import type { PeerMessage } from "../../src/protocol/peer-messages.js";
import type { Caller } from "../../src/server/caller.js";
import { serverConfig } from "../../src/server/config.js";
import { ServerNode } from "../../src/server/node.js";
import type { ServerEffect, ServerEvent } from "../../src/server/turn.js";
import { author } from "../crdt/scripts.js";

/** Such that s2 is the first that s1 compares with, where there are three. */
export const NONCE = "a-nonce-of-the-list-1-";

/** The device that has made `LIST`, and that asks where nobody else is named. */
export const FOUNDER = "the-device-that-made-it";

export const LIST = listIdOf(FOUNDER, NONCE);

/** Proof that the asking device made the list. */
export function foundingBy(nonce: string, open = false): Founding {
  return { nonce, by: "device", open };
}

/** What is kept of the founder's list: its items and, as `rights` leaves it, who may do what with them. */
export function recordOf(
  list = new ShoppingList(),
  rights: (access: AccessRecord) => void = () => undefined,
): Document {
  const document = new Document(list);
  document.access.setRole(FOUNDER, "", "owner");
  document.access.visibility.write("private");
  rights(document.access);
  return document;
}

/** Whoever holds a device, and is logged in there with an account or not. */
export function callerAt(device: string, account: string | null = null, at = 0): Caller {
  const claims = account === null ? null : { account: `account-of-${account}`, name: account, login: "login" };
  return { device, claims, isOperator: false, problem: null, at };
}

export function memberOf(id: ServerId): Member {
  return { id, status: "member", incarnation: 1, publish: `tcp://${id}:1` };
}

/** What is told of messages between servers. */
const EXCHANGED: ReadonlySet<string> = new Set([
  ...["sync", "synced", "objected", "declined"],
  ...["copy", "copied", "offer", "taken"],
]);

/** A server's core at literal times, with requests built from lists; what it does about lists comes back as lines. */
export class ServerScenario {
  readonly node: ServerNode;
  /** The messages behind the lines, newest last. */
  readonly published: PeerMessage[] = [];
  /** What was asked, by tag less one. */
  readonly #kinds: ("sync" | "access")[] = [];

  /** @param peers other members of the cluster, all of them alive */
  constructor(
    lists: readonly ListId[] = [],
    readonly peers: readonly ServerId[] = [],
    [replicas, quorum]: readonly [number, number] = peers.length === 0 ? [1, 1] : [3, 2],
  ) {
    const config = serverConfig({
      id: "s1",
      brokers: ["tcp://b:1"],
      publish: "tcp://s1:1",
      dataDir: "d",
      residentLists: 1,
      compareFirstMs: 0,
      replicas,
      writeQuorum: quorum,
      readQuorum: quorum,
    });
    this.node = new ServerNode(config, {
      firstTag: 1,
      members: ["s1", ...peers].map(memberOf),
      lists: new Map(lists.map((id) => [id, null])),
    });
    this.node.start(0);
    for (const peer of peers) this.beat(0, peer);
  }

  at(now: number, event: ServerEvent): string[] {
    return this.node.step(now, event).flatMap((effect) => this.#describe(effect));
  }

  step(event: ServerEvent): string[] {
    return this.at(0, event);
  }

  beat(now: number, from: ServerId): void {
    // A table of another fingerprint would be answered with ours, which is of no interest here.
    this.at(now, { type: "peer", from, message: { type: "beat", table: "" } });
  }

  peer(now: number, from: ServerId, message: PeerMessage): string[] {
    return this.at(now, { type: "peer", from, message });
  }

  /** A peer's answer to the newest question: it lacks nothing and, unless `delta` says otherwise, has nothing more. */
  level(now: number, from: ServerId, delta: Document | null = null): string[] {
    return this.peer(now, from, { type: "synced", tag: this.newestTag, delta, position: null, whole: true });
  }

  /** A peer does not take what was proposed. */
  object(now: number, from: ServerId, tag = this.newestTag): string[] {
    return this.peer(now, from, { type: "objected", tag });
  }

  /** The tag of the newest question to peers. */
  get newestTag(): number {
    const message = this.published.at(-1);
    if (message?.type !== "sync") throw new Error("the newest message is not a question");
    return message.tag;
  }

  /** The founder shows that it is one; others, being asked to name no proof, show none. */
  sync(request: Partial<SyncRequest>, caller = callerAt(FOUNDER), listId = LIST): string[] {
    const founding = caller.device === FOUNDER ? foundingBy(NONCE) : null;
    const empty = { replica: "a", basis: null, seen: new ShoppingList().seen, delta: null, founding };
    return this.raw("sync", encodeSyncRequest({ ...empty, ...request }), caller, listId);
  }

  access(request: AccessRequest, caller = callerAt(FOUNDER)): string[] {
    return this.raw("access", encodeAccessRequest(request), caller);
  }

  raw(kind: "sync" | "access", body: Uint8Array, caller = callerAt(FOUNDER), listId = LIST): string[] {
    const tag = this.#kinds.push(kind);
    const request = { kind, requestId: "r", listId, serverId: null, timeoutMs: 1_000, token: "", body };
    return this.step({ type: "request", broker: 0, tag, request, caller });
  }

  loaded(list: Document | null): string[] {
    return this.step({ type: "loaded", listId: LIST, list });
  }

  #describe(effect: ServerEffect): string[] {
    if (effect.type === "load" || effect.type === "drop") return [effect.type];
    if (effect.type === "persist") return [`persist ${effect.number}`];
    if (effect.type === "notify") return [effect.topic === topicOf(LIST) ? "notify" : "notify another"];
    if (effect.type === "to-broker" && effect.message.type === "replies") {
      return effect.message.replies.map(({ tag, reply: { kind, body } }) => {
        if (kind !== "reply") return `to #${tag}: ${decodeError(body).code}`;
        return `to #${tag}: ${this.#kinds[tag - 1] === "sync" ? describeSync(body) : describeAccess(body)}`;
      });
    }
    if (effect.type !== "publish" || !EXCHANGED.has(effect.message.type)) return [];
    this.published.push(effect.message);
    const isProposal = effect.message.type === "sync" && effect.message.purpose === "proposal";
    return [`${isProposal ? "proposal" : effect.message.type} ${effect.topic}`];
  }
}

function describeSync(body: Uint8Array): string {
  const { delta, serverSeen, ...counts } = decodeSyncReply(body);
  const items = [...(delta?.visibleItems() ?? [])].map((item) => `${item.name} ${item.needed}`).sort();
  const lacking = serverSeen === null ? "" : ", and lacks some";
  return `${items.join(", ") || "nothing new"}${lacking}${describeCopies(counts)}`;
}

function describeAccess(body: Uint8Array): string {
  const { role, visibility, members, ...counts } = decodeAccessReply(body);
  const names = members.map((member) => `${member.name || member.id} ${member.role}`).sort();
  return [`${role ?? "nobody"} of a list, ${visibility}`, ...names].join(", ") + describeCopies(counts);
}

function describeCopies({ stored, wanted }: { readonly stored: number; readonly wanted: number }): string {
  return wanted === 1 ? "" : `, on ${stored} of ${wanted}`;
}

/** A server with this on its disk and in memory. */
export function keeping(document: Document, peers: readonly ServerId[] = ["s2", "s3"]): ServerScenario {
  const server = new ServerScenario([LIST], peers);
  server.peer(0, "s2", { type: "describe", tag: 1, listId: LIST });
  server.loaded(document);
  return server;
}

/** A list with one change by `replica`, and the delta of that change. */
export function changed(
  list: ShoppingList,
  replica: string,
  item: string,
): { delta: ShoppingList; seen: ShoppingList["seen"] } {
  return { delta: list.add(author(replica), item, null, 1), seen: list.seen };
}
