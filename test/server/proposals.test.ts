import { beforeEach, describe, expect, it } from "@jest/globals";
import { Document } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { deviceOf, listIdOf } from "../../src/protocol/identity.js";
import type { Member } from "../../src/protocol/membership.js";
import { decodeError, decodeSyncReply, encodeSyncRequest, type SyncReply } from "../../src/protocol/messages.js";
import type { PeerMessage } from "../../src/protocol/peer-messages.js";
import { found } from "../../src/server/access.js";
import { serverConfig } from "../../src/server/config.js";
import { ServerNode } from "../../src/server/node.js";
import type { ServerEffect, ServerEvent } from "../../src/server/turn.js";

type Sync = Extract<PeerMessage, { type: "sync" }>;

const secret = "s".repeat(22);
const nonce = "n".repeat(22);
const device = deviceOf(secret);
const listId = listIdOf(device, nonce);
const ids = ["server-a", "server-b", "server-c"];
const members: Member[] = ids.map((id) => ({ id, status: "member", incarnation: 1, publish: `tcp://${id}:1` }));
const author = (counter: number) => ({ replica: "phone", id: `operation-${counter}`, at: counter });

/** The list with what has been done so far, and its founder's rights; `role` says what became of those since. */
function stored(role: "owner" | "viewer" = "owner"): Document {
  const access = found(listId, { nonce, by: "device", open: false }, { device, account: null });
  if (access === null) throw new Error("this device makes the id");
  if (role !== "owner") access.setRole(device, "", role);
  const list = new ShoppingList();
  list.add(author(1), "milk", null, 1_000);
  return new Document(list, access);
}

/** One server of three, spoken to by hand: the others say what the test has them say. */
class Server {
  now = 0;
  readonly node: ServerNode;
  #written = 0;

  constructor(id: string) {
    const place = { id, brokers: ["tcp://x:1"], publish: `tcp://${id}:1`, dataDir: "d" };
    this.node = new ServerNode(serverConfig(place), { firstTag: 1, members, lists: new Map() });
    this.node.start(0);
    for (const from of ids.filter((other) => other !== id)) {
      this.hear(from, { type: "beat", table: "" });
      const position = { seen: stored().list.seen, records: "" };
      const message = { type: "sync", tag: 1, listId, purpose: "repair", position, digest: null } as const;
      this.hear(from, { ...message, delta: stored() });
      this.flush();
    }
  }

  hear(from: string, message: PeerMessage): readonly ServerEffect[] {
    return this.#step({ type: "peer", from, message });
  }

  /** The disk has all that it was given. */
  flush(): readonly ServerEffect[] {
    return this.#step({ type: "persisted", through: this.#written });
  }

  wait(ms: number): readonly ServerEffect[] {
    this.now += ms;
    return this.#step({ type: "tick" });
  }

  /** The founder takes one milk more. */
  request(): readonly ServerEffect[] {
    const { list } = stored();
    const delta = list.add(author(2), "milk", null, 1_000);
    const basis = { counter: 1, id: "operation-1" };
    const body = encodeSyncRequest({ replica: "phone", basis, seen: list.seen, delta, founding: null });
    const asked = { kind: "sync", requestId: "r", listId, serverId: null, timeoutMs: 1_000, token: "", body } as const;
    const caller = { device, claims: null, isOperator: false, problem: null, at: 0 };
    return this.#step({ type: "request", broker: 0, request: { tag: 9, ...asked }, caller });
  }

  #step(event: ServerEvent): readonly ServerEffect[] {
    const effects = this.node.step(this.now, event);
    for (const effect of effects) if (effect.type === "persist") this.#written = effect.number;
    return effects;
  }
}

const said = (effects: readonly ServerEffect[]): readonly PeerMessage[] =>
  effects.flatMap((effect) => (effect.type === "publish" ? [effect.message] : []));
const syncs = (effects: readonly ServerEffect[]): readonly Sync[] =>
  said(effects).filter((message): message is Sync => message.type === "sync");
const writes = (effects: readonly ServerEffect[]): number => effects.filter(({ type }) => type === "persist").length;
const holds = (tag: number): PeerMessage => ({ type: "synced", tag, delta: null, position: null, whole: true });

function replies(effects: readonly ServerEffect[]): readonly (SyncReply | string)[] {
  return effects.flatMap((effect) => {
    if (effect.type !== "to-broker" || effect.message.type !== "replies") return [];
    return effect.message.replies.map(({ kind, body }) =>
      kind === "reply" ? decodeSyncReply(body) : decodeError(body).code,
    );
  });
}

describe("a coordinator whose copy lets a change pass", () => {
  let server: Server;
  let proposal: Sync;

  beforeEach(() => {
    server = new Server("server-a");
    const effects = server.request();
    const [first, ...others] = syncs(effects);
    if (first === undefined || others.length > 0) throw new Error("one question is asked");
    proposal = first;
    expect([proposal.purpose, writes(effects)]).toEqual(["proposal", 0]);
  });

  it("takes it itself once another one has, and answers as soon as two have it on disk, itself or not", () => {
    const accepted = server.hear("server-b", holds(proposal.tag));
    expect([writes(accepted), replies(accepted)]).toEqual([1, []]);
    expect(replies(server.hear("server-c", holds(proposal.tag)))).toMatchObject([{ stored: 2, wanted: 2 }]);
    expect(replies(server.flush())).toEqual([]);
  });

  it("answers with its own disk where that is faster than the second of the others", () => {
    expect(replies(server.hear("server-b", holds(proposal.tag)))).toEqual([]);
    expect(replies(server.flush())).toMatchObject([{ stored: 2, wanted: 2 }]);
  });

  it("compares first where one objects, and judges by what that one knows", () => {
    const effects = server.hear("server-b", { type: "objected", tag: proposal.tag });
    const [question] = syncs(effects);
    expect([question?.purpose, question?.delta, writes(effects)]).toEqual(["request", null, 0]);
    const delta = new Document(undefined, stored("viewer").access);
    const tag = question?.tag ?? 0;
    const told = server.hear("server-b", { type: "synced", tag, delta, position: null, whole: true });
    expect([...replies(told), ...replies(server.flush())]).toEqual(["read-only"]);
    // Whoever took it nevertheless is late.
    expect(writes(server.hear("server-c", holds(proposal.tag)))).toBe(0);
  });

  it("gives it to whoever objected once another one has taken it", () => {
    server.hear("server-b", holds(proposal.tag));
    const [given, ...others] = syncs(server.hear("server-c", { type: "objected", tag: proposal.tag }));
    expect([given?.purpose, given?.delta?.list.seen.isEmpty(), others]).toEqual(["request", false, []]);
  });

  it("does not take the word of one that has lost its disk, and compares where all are silent", () => {
    const lost = { ...holds(proposal.tag), whole: false } as PeerMessage;
    expect(syncs(server.hear("server-b", lost)).map(({ delta }) => delta)).toEqual([null]);
    const silent = new Server("server-a");
    silent.request();
    expect(syncs(silent.wait(149))).toEqual([]);
    expect(syncs(silent.wait(2)).map(({ purpose, delta }) => [purpose, delta])).toEqual([["request", null]]);
  });

  it("proposes one change of a list at a time", () => {
    expect(syncs(server.request()).map(({ purpose }) => purpose)).toEqual(["request"]);
  });
});

describe("a server to which a change is proposed", () => {
  const proposal = syncs(new Server("server-a").request())[0];

  function hear(server: Server, change: Partial<Sync> = {}): readonly ServerEffect[] {
    if (proposal === undefined) throw new Error("nothing was proposed");
    return server.hear("server-a", { ...proposal, ...change });
  }

  it("takes it where its copy is the same, and says so when it is on disk", () => {
    const server = new Server("server-b");
    expect([writes(hear(server)), said(server.flush())]).toMatchObject([
      1,
      [{ type: "synced", delta: null, position: null }],
    ]);
  });

  it("takes it where it lacks some of the list, and says what it has", () => {
    const server = new Server("server-b");
    const ahead = stored();
    ahead.list.add({ ...author(1), replica: "tablet" }, "eggs", null, 1_000);
    expect(writes(hear(server, { position: ahead.position }))).toBe(1);
    expect(said(server.flush())).toMatchObject([{ type: "synced", delta: null, position: {} }]);
  });

  it.each<[string, () => Partial<Sync>]>([
    ["knows another record", () => ({ position: { ...stored("viewer").position } })],
    ["knows more of the list", () => ({ position: { ...stored().position, seen: new ShoppingList().seen } })],
    ["knows no record at all, and neither does the sender", () => ({ listId: listIdOf(device, "m".repeat(22)) })],
  ])("objects where it %s, and takes nothing", (_what, change) => {
    const effects = hear(new Server("server-b"), change());
    expect([writes(effects), said(effects)]).toMatchObject([0, [{ type: "objected", tag: proposal?.tag }]]);
  });

  it("objects while somebody joins, who will have to know what only owners count for", () => {
    const server = new Server("server-b");
    const joining: Member = { id: "server-d", status: "joining", incarnation: 1, publish: "tcp://server-d:1" };
    const replication = { replicas: 3, writeQuorum: 2, readQuorum: 2 };
    server.hear("server-c", { type: "members", members: [joining], replication });
    const isHeir = server.node.owns(listId) && said(hear(server)).some(({ type }) => type === "objected");
    expect(isHeir).toBe(true);
  });
});
