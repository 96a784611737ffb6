import { describe, expect, it } from "@jest/globals";
import { digestOf } from "../../src/crdt/codec.js";
import { DotContext } from "../../src/crdt/dot-context.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { topicOfPartition } from "../../src/protocol/peer-messages.js";
import { partitionOf } from "../../src/protocol/hash-ring.js";
import { author } from "../crdt/scripts.js";
import { changed, LIST, ServerScenario } from "./server-scenario.js";

const partition = topicOfPartition(partitionOf(LIST));

/** The tag of the newest question. */
function tagOf(server: ServerScenario): number {
  const message = server.published.at(-1);
  if (message?.type !== "sync") throw new Error("the newest message is a question");
  return message.tag;
}

describe("a server among three", () => {
  it("acknowledges a change once a second server has it on disk, and not before it has itself", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    expect(server.sync(changed(new ShoppingList(), "a", "milk"))).toEqual(["persist 1", `sync ${partition}`]);
    const held = { type: "synced", tag: tagOf(server), delta: null, seen: null } as const;
    expect(server.peer(10, "s2", held)).toEqual([]);
    expect(server.at(20, { type: "persisted", through: 1 })).toEqual(["notify", "to #1: nothing new, on 2 of 2"]);
  });

  it("gives a replica what it lacks beyond the change, and counts it only then", () => {
    const server = new ServerScenario([LIST], ["s2", "s3"]);
    const list = new ShoppingList();
    list.add(author("a"), "milk", null, 1);
    const before = list.clone();
    const { delta, seen } = changed(list, "b", "eggs");
    server.sync({ replica: "b", delta, seen });
    server.loaded(before);
    server.step({ type: "persisted", through: 1 });
    const tag = tagOf(server);
    expect(server.peer(10, "s2", { type: "synced", tag, delta: null, seen: delta.seen })).toEqual(["sync to/s2/"]);
    const repair = server.published.at(-1);
    expect(repair?.type === "sync" && [...(repair.delta?.visibleItems() ?? [])].map(({ name }) => name)).toEqual([
      "milk",
    ]);
    expect(server.peer(20, "s2", { type: "synced", tag, delta: null, seen: null })).toEqual([
      "to #1: nothing new, on 2 of 2",
    ]);
  });

  it("joins what a replica has and it lacks before it answers a read, and persists it", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    expect(server.sync({ replica: "b" })).toHaveLength(1);
    const { delta } = changed(new ShoppingList(), "a", "milk");
    expect(server.peer(10, "s2", { type: "synced", tag: tagOf(server), delta, seen: null })).toEqual([
      "notify",
      "persist 1",
    ]);
    expect(server.at(20, { type: "persisted", through: 1 })).toEqual(["to #1: milk 1, on 2 of 2"]);
  });

  it("says that a list is unknown only when a second server knows none either", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    server.sync({ replica: "b" });
    expect(server.peer(10, "s2", { type: "synced", tag: tagOf(server), delta: null, seen: null })).toEqual([
      "to #1: no-such-list",
    ]);
    server.sync({ replica: "b" });
    expect(server.at(2_000, { type: "tick" })).toContain("to #2: unavailable");
  });

  it("answers within its time with as many copies as there are, and ignores an answer that comes after the end", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    server.sync(changed(new ShoppingList(), "a", "milk"));
    server.at(10, { type: "persisted", through: 1 });
    const tag = tagOf(server);
    expect(server.at(150, { type: "tick" }).sort()).toEqual(["sync to/s2/", "sync to/s3/"]);
    expect(server.at(700, { type: "tick" })).toEqual(["to #1: nothing new, on 1 of 2"]);
    server.at(1_500, { type: "tick" });
    expect(server.peer(1_600, "s2", { type: "synced", tag, delta: null, seen: null })).toEqual([]);
  });

  it("answers a peer only once what it was given is on disk, and nothing when the disk refuses but that", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    const { delta, seen } = changed(new ShoppingList(), "a", "milk");
    const question = { type: "sync", tag: 7, listId: LIST, purpose: "request", seen, delta, digest: null } as const;
    expect(server.peer(0, "s2", question)).toEqual(["persist 1"]);
    expect(server.peer(0, "s2", question)).toEqual([]);
    expect(server.step({ type: "persist-failed", problem: "ENOSPC" })).toEqual(["declined to/s2/", "declined to/s2/"]);
    expect(server.peer(0, "s2", question)).toEqual(["load"]);
    expect(server.loaded(null)).toEqual(["persist 2"]);
    expect(server.step({ type: "persisted", through: 2 })).toEqual(["synced to/s2/"]);
  });

  it("exchanges everything with a peer whose copy has the same dots and is not the same", () => {
    const server = new ServerScenario([LIST], ["s2", "s3"]);
    const [ours, theirs] = [new ShoppingList(), new ShoppingList()];
    ours.add(author("a"), "milk", null, 1);
    theirs.add(author("a"), "beer", null, 1);
    const question = { type: "sync", tag: 7, listId: LIST, purpose: "repair", delta: null } as const;
    server.peer(0, "s2", { ...question, seen: theirs.seen, digest: digestOf(theirs) });
    expect(server.loaded(ours)).toEqual(["synced to/s2/"]);
    const answer = server.published.at(-1);
    expect(answer?.type === "synced" && answer.seen?.isEmpty()).toBe(true);
    const everything = theirs.lacking(new DotContext());
    const clash = { ...question, purpose: "clash", seen: theirs.seen, delta: everything, digest: null } as const;
    expect(server.peer(0, "s2", clash)).toEqual(["notify", "persist 1"]);
  });
});
