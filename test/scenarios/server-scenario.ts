import { ShoppingList } from "../../src/crdt/shopping-list.js";
import type { ListId, ServerId } from "../../src/protocol/ids.js";
import { topicOf } from "../../src/protocol/ids.js";
import type { Member } from "../../src/protocol/membership.js";
import { decodeError, decodeSyncReply, encodeSyncRequest, type SyncRequest } from "../../src/protocol/messages.js";
import type { PeerMessage } from "../../src/protocol/peer-messages.js";
import { serverConfig } from "../../src/server/config.js";
import { ServerNode } from "../../src/server/node.js";
import type { ServerEffect, ServerEvent } from "../../src/server/turn.js";
import { author } from "../crdt/scripts.js";

export const LIST = "11111111-1111-4111-8111-111111111111";

export function memberOf(id: ServerId): Member {
  return { id, status: "member", incarnation: 1, publish: `tcp://${id}:1` };
}

/** A server's core at literal times, with requests built from lists; what it does about lists comes back as lines. */
export class ServerScenario {
  readonly node: ServerNode;
  /** The messages behind the lines, newest last. */
  readonly published: PeerMessage[] = [];
  #tag = 0;

  /** @param peers other members of the cluster, all of them alive */
  constructor(
    lists: readonly ListId[] = [],
    readonly peers: readonly ServerId[] = [],
  ) {
    const [replicas, quorum] = peers.length === 0 ? [1, 1] : [3, 2];
    const config = serverConfig({
      id: "s1",
      brokers: ["tcp://b:1"],
      publish: "tcp://s1:1",
      dataDir: "d",
      residentLists: 1,
      replicas,
      writeQuorum: quorum,
      readQuorum: quorum,
    });
    this.node = new ServerNode(config, { firstTag: 1, members: ["s1", ...peers].map(memberOf), lists });
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

  sync(request: Partial<SyncRequest>, listId = LIST, now = 0): string[] {
    const empty = { replica: "a", basis: null, seen: new ShoppingList().seen, delta: null };
    return this.raw(encodeSyncRequest({ ...empty, ...request }), listId, now);
  }

  raw(body: Uint8Array, listId = LIST, now = 0): string[] {
    const request = {
      kind: "sync",
      requestId: "r",
      listId,
      serverId: null,
      timeoutMs: 1_000,
      token: "",
      body,
    } as const;
    const requests = [{ tag: ++this.#tag, ...request }];
    return this.at(now, { type: "broker", broker: 0, message: { type: "requests", requests } });
  }

  loaded(list: ShoppingList | null): string[] {
    return this.step({ type: "loaded", listId: LIST, list });
  }

  #describe(effect: ServerEffect): string[] {
    if (effect.type === "load" || effect.type === "drop") return [effect.type];
    if (effect.type === "persist") return [`persist ${effect.number}`];
    if (effect.type === "notify") return [effect.topic === topicOf(LIST) ? "notify" : "notify another"];
    if (effect.type === "to-broker" && effect.message.type === "replies") {
      return effect.message.replies.map(({ tag, kind, body }) => `to #${tag}: ${describeReply(kind, body)}`);
    }
    if (effect.type !== "publish" || !["sync", "synced", "declined"].includes(effect.message.type)) return [];
    this.published.push(effect.message);
    return [`${effect.message.type} ${effect.topic}`];
  }
}

function describeReply(kind: string, body: Uint8Array): string {
  if (kind !== "reply") return decodeError(body).code;
  const { delta, serverSeen, stored, wanted } = decodeSyncReply(body);
  const items = [...(delta?.visibleItems() ?? [])].map((item) => `${item.name} ${item.needed}`).sort();
  const copies = wanted === 1 ? "" : `, on ${stored} of ${wanted}`;
  return `${items.join(", ") || "nothing new"}${serverSeen === null ? "" : ", and lacks some"}${copies}`;
}

/** A list with one change by `replica`, and the delta of that change. */
export function changed(
  list: ShoppingList,
  replica: string,
  item: string,
): { delta: ShoppingList; seen: ShoppingList["seen"] } {
  return { delta: list.add(author(replica), item, null, 1), seen: list.seen };
}
