import { describe, expect, it } from "@jest/globals";
import { Document, type Position } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { topicOfHolders, type PeerMessage } from "../../src/protocol/peer-messages.js";
import { author } from "../crdt/scripts.js";
import { callerAt, changed, keeping, LIST, memberOf, recordOf, type ServerScenario } from "./server-scenario.js";

const holders = topicOfHolders("s1+s2+s3");
const persisted = { type: "persisted", through: 1 } as const;
const tick = { type: "tick" } as const;

const MEMBER = "the-device-of-a-member";

function milk(): ShoppingList {
  const list = new ShoppingList();
  list.add(author("a"), "milk", null, 1);
  return list;
}

const known = (role: "editor" | "viewer" = "editor"): Document =>
  recordOf(milk(), (access) => access.setRole(MEMBER, "", role));

/** The member's change, at a server whose copy lets it pass. */
const ask = (server: ServerScenario): string[] =>
  server.sync({ replica: "b", ...changed(milk(), "b", "eggs") }, callerAt(MEMBER));

describe("a coordinator whose own copy lets a change pass", () => {
  it("proposes it, takes it once another has, and answers as soon as two have it on disk, itself or not", () => {
    const server = keeping(known());
    expect(ask(server)).toEqual([`proposal ${holders}`]);
    expect(server.level(10, "s2")).toEqual(["persist 1"]);
    expect(server.level(11, "s3")).toEqual(["to #1: nothing new, on 2 of 2"]);
    expect(server.at(20, persisted)).toEqual(["notify"]);
  });

  it("answers with its own disk where that is faster than the second of the others", () => {
    const server = keeping(known());
    ask(server);
    server.level(10, "s2");
    expect(server.at(20, persisted)).toEqual(["notify", "to #1: nothing new, on 2 of 2"]);
    expect(server.level(30, "s3")).toEqual([]);
  });

  it("judges anew where its copy has become another one meanwhile", () => {
    const server = keeping(known());
    ask(server);
    const { newestTag: tag } = server;
    const delta = new Document(changed(milk(), "c", "bread").delta);
    const { position } = known();
    const repair = { type: "sync", tag: 5, listId: LIST, purpose: "repair", position, delta, digest: null } as const;
    expect(server.peer(5, "s3", repair)).toEqual(["notify", "persist 1"]);
    expect(server.peer(10, "s2", { type: "synced", tag, delta: null, position: null, whole: true })).toEqual([
      "sync to/s2/",
    ]);
  });

  it("waits for its own disk where the answer tells of more than the others have", () => {
    const server = keeping(known());
    ask(server);
    const { newestTag: tag } = server;
    const holds: PeerMessage = { type: "synced", tag, delta: null, position: null, whole: true };
    expect(server.peer(5, "s2", holds)).toEqual(["persist 1"]);
    const delta = new Document(changed(milk(), "c", "bread").delta);
    const { position } = known();
    const repair = { type: "sync", tag: 5, listId: LIST, purpose: "repair", position, delta, digest: null } as const;
    expect(server.peer(6, "s3", repair)).toEqual(["notify", "persist 2"]);
    expect(server.peer(10, "s3", holds)).toEqual([]);
    const lines = server.at(20, { type: "persisted", through: 2 });
    expect(lines).toContainEqual(expect.stringMatching(/^to #1: bread 1/));
  });

  it("waits for its own disk where the answer tells of a change that came before, and is not on it yet", () => {
    const server = keeping(known());
    const delta = new Document(changed(milk(), "c", "bread").delta);
    const { position } = known();
    const repair = { type: "sync", tag: 5, listId: LIST, purpose: "repair", position, delta, digest: null } as const;
    expect(server.peer(0, "s3", repair)).toEqual(["notify", "persist 1"]);
    expect(ask(server)).toEqual([`proposal ${holders}`]);
    const { newestTag: tag } = server;
    const holds: PeerMessage = { type: "synced", tag, delta: null, position: null, whole: true };
    expect(server.peer(5, "s2", holds)).toEqual(["persist 2"]);
    expect(server.peer(10, "s3", holds)).toEqual([]);
    const lines = server.at(20, { type: "persisted", through: 2 });
    expect(lines).toContainEqual(expect.stringMatching(/^to #1: bread 1/));
  });

  it("compares first where one objects, and judges by what that one knows", () => {
    const server = keeping(known());
    ask(server);
    const { newestTag } = server;
    expect(server.object(10, "s2")).toEqual(["sync to/s2/"]);
    expect(server.level(20, "s2", known("viewer"))).toEqual(["notify", "persist 1", "to #1: read-only"]);
    // Whoever took it nevertheless is late.
    const holds: PeerMessage = { type: "synced", tag: newestTag, delta: null, position: null, whole: true };
    expect(server.peer(30, "s3", holds)).toEqual([]);
  });

  it("gives it to whoever objected once another has taken it", () => {
    const server = keeping(known());
    ask(server);
    server.level(10, "s2");
    expect(server.object(20, "s3")).toEqual(["sync to/s3/"]);
    const message = server.published.at(-1);
    expect(message?.type === "sync" ? [message.purpose, message.delta?.isEmpty] : []).toEqual(["request", false]);
  });

  it("does not take the word of one that has lost its disk, and compares where all are silent", () => {
    const server = keeping(known());
    ask(server);
    const { newestTag: tag } = server;
    const lost: PeerMessage = { type: "synced", tag, delta: null, position: null, whole: false };
    expect(server.peer(10, "s2", lost)).toEqual(["sync to/s2/"]);
    const silent = keeping(known());
    ask(silent);
    expect([...silent.at(149, tick), ...silent.at(151, tick)]).toEqual(["sync to/s2/"]);
  });

  it("proposes one change of a list at a time", () => {
    const server = keeping(known());
    ask(server);
    expect(ask(server)).toEqual(["sync to/s2/"]);
  });

  it("proposes nothing while a server that holds the list is dead", () => {
    const server = keeping(known());
    server.beat(2_500, "s2");
    server.at(2_600, tick);
    expect(ask(server)).toEqual(["sync to/s2/"]);
  });
});

describe("a server to which a change is proposed", () => {
  function hear(server: ServerScenario, position: Position, listId = LIST): string[] {
    const delta = new Document(changed(milk(), "b", "eggs").delta);
    return server.peer(0, "s2", { type: "sync", tag: 7, listId, purpose: "proposal", position, delta, digest: null });
  }

  it("takes it where its copy is the same, and says that it holds everything when that is on disk", () => {
    const server = keeping(known());
    expect(hear(server, known().position)).toEqual(["persist 1"]);
    expect(server.at(10, persisted)).toEqual(["synced to/s2/"]);
    expect(server.published.at(-1)).toMatchObject({ tag: 7, delta: null, position: null, whole: true });
  });

  it("takes it where it lacks some of the list, and says what it has", () => {
    const server = keeping(known());
    const ahead = known();
    ahead.list.add(author("c"), "bread", null, 1);
    expect(hear(server, ahead.position)).toEqual(["persist 1"]);
    expect(server.at(10, persisted)).toEqual(["synced to/s2/"]);
    expect(server.published.at(-1)).toMatchObject({ delta: null, position: { records: ahead.position.records } });
  });

  it("objects, and takes nothing, where it knows another record, or more of the list, or no record at all", () => {
    const less = { ...known().position, seen: new ShoppingList().seen };
    expect(hear(keeping(known("viewer")), known().position)).toEqual(["objected to/s2/"]);
    expect(hear(keeping(known()), less)).toEqual(["objected to/s2/"]);
    expect(hear(keeping(new Document(milk())), new Document(milk()).position)).toEqual(["objected to/s2/"]);
  });

  it("objects while somebody joins, who will have to know what only owners count for", () => {
    // Of four servers three own a list; enough of those that join are to be an heir of it.
    const server = keeping(known());
    const joining = ["s4", "s5", "s6", "s7", "s8", "s9"].map((id) => ({ ...memberOf(id), status: "joining" }) as const);
    const replication = { replicas: 3, writeQuorum: 2, readQuorum: 2 };
    server.peer(0, "s2", { type: "members", members: joining, replication });
    expect(hear(server, known().position)).toEqual(["objected to/s2/"]);
  });
});
