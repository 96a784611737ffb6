import { describe, expect, it } from "@jest/globals";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { topicOf } from "../../src/protocol/ids.js";
import { decodeError, decodeSyncReply, encodeSyncRequest, type SyncRequest } from "../../src/protocol/messages.js";
import { Replica, type ReplicaEffect, type ReplicaEvent } from "../../src/server/replica.js";
import { author } from "../crdt/scripts.js";

const LIST = "11111111-1111-4111-8111-111111111111";

/** A server's core with requests built from lists; its effects come back as lines. */
class Scenario {
  readonly replica = new Replica("server-1", 1);
  #tag = 0;

  step(event: ReplicaEvent): string[] {
    return this.replica.step(0, event).map(describeEffect);
  }

  sync(request: Partial<SyncRequest>, listId = LIST): string[] {
    const body = encodeSyncRequest({
      replica: "a",
      basis: null,
      seen: new ShoppingList().seen,
      delta: null,
      ...request,
    });
    const asker = { broker: 0, tag: ++this.#tag };
    return this.step({
      type: "request",
      asker,
      request: { kind: "sync", requestId: "r", listId, timeoutMs: 1_000, token: "", body },
    });
  }

  loaded(list: ShoppingList | null): string[] {
    return this.step({ type: "loaded", listId: LIST, list });
  }
}

function describeEffect(effect: ReplicaEffect): string {
  if (effect.type === "load") return "load";
  if (effect.type === "log") return "log";
  if (effect.type === "persist") return `persist ${effect.number}`;
  if (effect.type === "notify") return effect.topic === topicOf(LIST) ? "notify" : "notify another";
  if (effect.reply.kind === "error") return `to #${effect.asker.tag}: ${decodeError(effect.reply.body).code}`;
  const { delta, serverSeen } = decodeSyncReply(effect.reply.body);
  const items = [...(delta?.visibleItems() ?? [])].map((item) => `${item.name} ${item.needed}`).sort();
  return `to #${effect.asker.tag}: ${items.join(", ") || "nothing new"}${serverSeen === null ? "" : ", and lacks some"}`;
}

/** A list with one change by `replica`, and the delta of that change. */
function changed(
  list: ShoppingList,
  replica: string,
  item: string,
): { delta: ShoppingList; seen: ShoppingList["seen"] } {
  return { delta: list.add(author(replica), item, null, 1), seen: list.seen };
}

describe("a server", () => {
  it("acknowledges and announces a change only once it is on disk", () => {
    const server = new Scenario();
    expect(server.sync(changed(new ShoppingList(), "a", "milk"))).toEqual(["load"]);
    expect(server.loaded(null)).toEqual(["persist 1"]);
    expect(server.step({ type: "persisted", through: 1 })).toEqual(["to #1: nothing new", "notify"]);
  });

  it("tells a reader nothing that is not on disk yet", () => {
    const server = new Scenario();
    server.sync(changed(new ShoppingList(), "a", "milk"));
    server.loaded(null);
    expect(server.sync({ replica: "b" })).toEqual([]);
    expect(server.step({ type: "persisted", through: 1 })).toEqual(["to #1: nothing new", "notify", "to #2: milk 1"]);
  });

  it("gives each reader exactly what it lacks", () => {
    const server = new Scenario();
    const list = new ShoppingList();
    list.add(author("a"), "milk", null, 1);
    const reader = list.clone();
    list.add(author("a"), "eggs", null, 2);
    server.sync({ replica: "b", seen: reader.seen });
    expect(server.loaded(list)).toEqual(["to #1: eggs 2"]);
    expect(server.sync({ replica: "b", seen: list.seen })).toEqual(["to #2: nothing new"]);
  });

  it("answers a repeated change without writing or announcing it again", () => {
    const server = new Scenario();
    const request = changed(new ShoppingList(), "a", "milk");
    server.sync(request);
    server.loaded(null);
    server.step({ type: "persisted", through: 1 });
    expect(server.sync(request)).toEqual(["to #2: nothing new"]);
  });

  it("says so when it lacks what the sender has, so that the sender can bring it back", () => {
    const server = new Scenario();
    const list = new ShoppingList();
    list.add(author("a"), "milk", null, 1);
    server.sync({ seen: list.seen });
    expect(server.loaded(null)).toEqual(["to #1: nothing new, and lacks some"]);
  });

  it("knows no list that nobody wrote, and keeps no memory of the question", () => {
    const server = new Scenario();
    server.sync({});
    expect(server.loaded(null)).toEqual(["to #1: no-such-list"]);
    expect(server.sync({})).toEqual(["load"]);
  });

  it("refuses a change by a replica whose newest operation the sender does not know, and joins nothing", () => {
    const server = new Scenario();
    const original = new ShoppingList();
    original.add(author("a"), "milk", null, 1);
    server.sync(changed(new ShoppingList(), "a", "beer"));
    expect(server.loaded(original)).toEqual(["to #1: stale-basis"]);
    expect(server.sync({ replica: "b" })).toEqual(["to #2: milk 1"]);
  });

  it("accepts a change whose earlier acknowledgement was lost", () => {
    const server = new Scenario();
    const list = new ShoppingList();
    const both = new ShoppingList();
    both.join(list.add(author("a"), "milk", null, 1));
    const stored = list.clone();
    both.join(list.add(author("a"), "eggs", null, 1));
    server.sync({ delta: both, seen: list.seen });
    expect(server.loaded(stored)).toEqual(["persist 1"]);
  });

  it("refuses everything that waited when the disk fails, and reads the list anew", () => {
    const server = new Scenario();
    server.sync(changed(new ShoppingList(), "a", "milk"));
    server.loaded(null);
    server.sync({ replica: "b" });
    const refused = server.step({ type: "persist-failed", problem: "ENOSPC" });
    expect(refused).toEqual(["to #1: storage-failed", "to #2: storage-failed"]);
    expect(server.sync({ replica: "b" })).toEqual(["load"]);
    expect(server.loaded(null)).toEqual(["to #3: no-such-list"]);
  });

  it("lets lists at rest leave memory, and never one that is being written", () => {
    const server = new Scenario();
    const other = "22222222-2222-4222-8222-222222222222";
    const list = new ShoppingList();
    const { delta, seen } = changed(list, "a", "milk");
    server.sync({ delta, seen });
    server.loaded(null);
    expect(server.sync({ replica: "b" }, other)).toEqual(["load"]);
    expect(server.sync({ replica: "b" })).toEqual([]);
    server.step({ type: "persisted", through: 1 });
    expect(server.sync({ replica: "b" }, other)).toEqual([]);
    expect(server.sync({ replica: "b" })).toEqual(["load"]);
  });

  it("refuses what it cannot read with a code", () => {
    const server = new Scenario();
    const request = {
      kind: "sync",
      requestId: "r",
      listId: LIST,
      timeoutMs: 1,
      token: "",
      body: new Uint8Array([1]),
    } as const;
    expect(server.step({ type: "request", asker: { broker: 0, tag: 9 }, request })).toEqual(["to #9: malformed"]);
  });
});
