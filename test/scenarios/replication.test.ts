import { describe, expect, it } from "@jest/globals";
import { Document, documentDigest, NOWHERE } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { listIdOf } from "../../src/protocol/identity.js";
import { serverConfig } from "../../src/server/config.js";
import { ServerNode } from "../../src/server/node.js";
import type { ServerEvent } from "../../src/server/turn.js";
import { topicOfHolders } from "../../src/protocol/peer-messages.js";
import { author } from "../crdt/scripts.js";
import { generator } from "../households.js";
import { changed, LIST, recordOf, ServerScenario } from "./server-scenario.js";

const holders = topicOfHolders("s1+s2+s3");

describe("a server among three", () => {
  it("acknowledges a change once a second server has it on disk, and not before it has itself", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    expect(server.sync(changed(new ShoppingList(), "a", "milk"))).toEqual(["sync to/s2/"]);
    expect(server.level(5, "s2")).toEqual(["persist 1", `sync ${holders}`]);
    expect(server.level(10, "s2")).toEqual([]);
    expect(server.at(20, { type: "persisted", through: 1 })).toEqual(["notify", "to #1: nothing new, on 2 of 2"]);
  });

  it("gives a replica what it lacks beyond the change, and counts it only then", () => {
    const server = new ServerScenario([LIST], ["s2", "s3"]);
    const list = new ShoppingList();
    list.add(author("a"), "milk", null, 1);
    const before = recordOf(list.clone());
    const { delta, seen } = changed(list, "b", "eggs");
    server.sync({ replica: "b", delta, seen });
    server.loaded(before);
    server.object(3, "s2");
    server.level(5, "s2");
    server.at(7, { type: "persisted", through: 1 });
    const tag = server.newestTag;
    const { position } = new Document(delta);
    expect(server.peer(10, "s3", { type: "synced", tag, delta: null, position, whole: true })).toEqual(["sync to/s3/"]);
    const message = server.published.at(-1);
    const repair = message?.type === "sync" ? message.delta : null;
    expect([...(repair?.list.visibleItems() ?? [])].map(({ name }) => name)).toEqual(["milk"]);
    // Items must not arrive anywhere without word of whose they are.
    expect(repair?.access.isEmpty).toBe(false);
    expect(server.level(20, "s3")).toEqual(["to #1: nothing new, on 2 of 2"]);
  });

  it("joins what a replica has and it lacks before it answers a read, and persists it", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    expect(server.sync({ replica: "b" })).toHaveLength(1);
    const { delta } = changed(new ShoppingList(), "a", "milk");
    expect(server.level(10, "s2", recordOf(delta))).toEqual(["notify", "persist 1"]);
    expect(server.at(20, { type: "persisted", through: 1 })).toEqual(["to #1: milk 1, on 2 of 2"]);
  });

  it("says that a list is not for the asker only when a second server knows none either", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    server.sync({ replica: "b", founding: null });
    expect(server.level(10, "s2")).toEqual(["to #1: not-allowed"]);
    server.sync({ replica: "b", founding: null });
    expect(server.at(2_000, { type: "tick" })).toContain("to #2: unavailable");
  });

  it("answers within its time with as many copies as there are, and ignores an answer that comes after the end", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    server.sync(changed(new ShoppingList(), "a", "milk"));
    expect(server.at(100, { type: "tick" }).sort()).toEqual(["sync to/s2/", "sync to/s3/"]);
    expect(server.at(200, { type: "tick" })).toEqual(["persist 1", `sync ${holders}`]);
    const tag = server.newestTag;
    expect(server.at(210, { type: "persisted", through: 1 })).toEqual(["notify"]);
    expect(server.at(350, { type: "tick" }).sort()).toEqual(["sync to/s2/", "sync to/s3/"]);
    expect(server.at(900, { type: "tick" })).toEqual(["to #1: nothing new, on 1 of 2"]);
    server.at(1_700, { type: "tick" });
    expect(server.peer(1_800, "s2", { type: "synced", tag, delta: null, position: null, whole: true })).toEqual([]);
  });

  it("answers a peer only once what it was given is on disk, and nothing when the disk refuses but that", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    const delta = recordOf(changed(new ShoppingList(), "a", "milk").delta);
    const { position } = delta;
    const question = { type: "sync", tag: 7, listId: LIST, purpose: "request", position, delta, digest: null } as const;
    expect(server.peer(0, "s2", question)).toEqual(["persist 1"]);
    expect(server.peer(0, "s2", question)).toEqual([]);
    expect(server.step({ type: "persist-failed", problem: "ENOSPC" })).toEqual(["declined to/s2/", "declined to/s2/"]);
    expect(server.peer(0, "s2", question)).toEqual(["load"]);
    expect(server.loaded(null)).toEqual(["persist 2"]);
    expect(server.step({ type: "persisted", through: 2 })).toEqual(["synced to/s2/"]);
  });

  it("exchanges everything with a peer whose copy has the same dots and is not the same", () => {
    const server = new ServerScenario([LIST], ["s2", "s3"]);
    const [ours, theirs] = [recordOf(), recordOf()];
    ours.list.add(author("a"), "milk", null, 1);
    theirs.list.add(author("a"), "beer", null, 1);
    const { position } = theirs;
    const question = { type: "sync", tag: 7, listId: LIST, purpose: "repair", position, delta: null } as const;
    server.peer(0, "s2", { ...question, digest: documentDigest(theirs) });
    expect(server.loaded(ours)).toEqual(["synced to/s2/"]);
    const answer = server.published.at(-1);
    expect(answer?.type === "synced" && answer.position).toEqual(NOWHERE);
    const clash = { ...question, purpose: "clash", delta: theirs.clone(), digest: null } as const;
    expect(server.peer(0, "s2", clash)).toEqual(["notify", "persist 1"]);
  });

  it("takes what it has nothing of as it is, unopened, if it is what was said, and says so once it is on disk", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    const theirs = recordOf(changed(new ShoppingList(), "a", "milk").delta);
    const [listId, digest] = [LIST, documentDigest(theirs)];
    expect(server.peer(0, "s2", { type: "offer", tag: 5, listId, digest })).toEqual(["copy to/s2/"]);
    // Whoever offers it meanwhile hears of it, too.
    expect(server.peer(0, "s3", { type: "offer", tag: 6, listId, digest })).toEqual([]);
    const question = server.published.at(-1);
    const tag = question?.type === "copy" ? question.tag : 0;
    const document = Document.unopened(theirs.text);
    expect(server.peer(1, "s3", { type: "copied", tag, document })).toEqual([]);
    expect(server.peer(1, "s2", { type: "copied", tag, document })).toEqual(["notify", "persist 1"]);
    const taken = server.at(2, { type: "persisted", through: 1 });
    expect(taken.sort()).toEqual(["taken to/s2/", "taken to/s3/"]);
    expect(server.peer(3, "s2", { type: "offer", tag: 7, listId, digest })).toEqual(["taken to/s2/"]);
    expect(server.peer(3, "s2", { type: "offer", tag: 8, listId, digest: "0".repeat(64) })).toEqual([
      "declined to/s2/",
    ]);
  });

  it("says that it has taken what it was offered, and not something else of the list", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    const list = new ShoppingList();
    const older = recordOf(changed(list, "a", "milk").delta);
    const newer = older.clone();
    newer.list.join(changed(list, "b", "eggs").delta);
    const offer = { type: "offer", tag: 5, listId: LIST } as const;
    server.peer(0, "s2", { ...offer, digest: documentDigest(older) });
    const question = server.published.at(-1);
    const tag = question?.type === "copy" ? question.tag : 0;
    expect(server.peer(0, "s3", { ...offer, digest: documentDigest(newer) })).toEqual(["declined to/s3/"]);
    server.peer(1, "s2", { type: "copied", tag, document: Document.unopened(older.text) });
    expect(server.at(2, { type: "persisted", through: 1 })).toEqual(["taken to/s2/"]);
  });

  it("gives the disk again what it has lost, as long as that is in memory", () => {
    const server = new ServerScenario([LIST], ["s2", "s3"]);
    const whole = recordOf(changed(new ShoppingList(), "a", "milk").delta);
    const { position } = new Document();
    const question = { type: "sync", tag: 7, listId: LIST, purpose: "repair", position, delta: null } as const;
    server.peer(0, "s2", { ...question, digest: null });
    server.loaded(whole);
    expect(server.at(1, { type: "damaged", listId: LIST })).toEqual(["persist 1"]);
    expect(server.peer(2, "s2", { ...question, digest: null })).toEqual([]);
    expect(server.at(3, { type: "persisted", through: 1 })).toEqual(["synced to/s2/"]);
  });

  it("takes no copy that is another than was said, nor one that comes after something else of the list", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    const theirs = recordOf(changed(new ShoppingList(), "a", "milk").delta);
    const [listId, digest] = [LIST, documentDigest(theirs)];
    const offered = (tag: number): number => {
      server.peer(0, "s2", { type: "offer", tag, listId, digest });
      const question = server.published.at(-1);
      return question?.type === "copy" ? question.tag : 0;
    };
    const other = Document.unopened(`${theirs.text} `);
    for (const document of [other, null])
      expect(server.peer(1, "s2", { type: "copied", tag: offered(5), document })).toEqual(["declined to/s2/"]);
    const late = offered(6);
    const mine = recordOf(changed(new ShoppingList(), "b", "eggs").delta);
    const { position } = mine;
    const given = { type: "sync", tag: 7, listId, purpose: "request", position, delta: mine, digest: null } as const;
    expect(server.peer(1, "s3", given)).toEqual(["persist 1"]);
    expect(server.peer(2, "s2", { type: "copied", tag: late, document: Document.unopened(theirs.text) })).toEqual([
      "declined to/s2/",
    ]);
  });

  it("fails to open what is no document for whoever asks, and goes on", () => {
    const server = new ServerScenario([LIST], ["s2", "s3"]);
    const none = Document.unopened("[9,9,9]");
    const { position } = new Document();
    const question = { type: "sync", tag: 7, listId: LIST, purpose: "repair", position, delta: null } as const;
    server.peer(0, "s2", { ...question, digest: null });
    expect(server.loaded(none)).toEqual(["declined to/s2/"]);
    expect(server.peer(1, "s2", { ...question, digest: null })).toEqual(["declined to/s2/"]);
    // It moves on all the same: another build may be able to read it.
    expect(server.peer(2, "s2", { type: "copy", tag: 8, listId: LIST, digest: documentDigest(none) })).toEqual([
      "copied to/s2/",
    ]);
  });

  it("tries a round that fails again a second later, and not more often the longer that goes on", () => {
    const { node } = new ServerScenario([], ["s2", "s3"]);
    const minutes = 3;
    // Real clocks do not go by whole milliseconds.
    const random = generator(1);
    for (let [now, beat] = [0, 0]; now < minutes * 60_000; now += 0.3 + random()) {
      let events: ServerEvent[] = [{ type: "tick" }];
      if (now >= beat)
        for (const from of ["s2", "s3"]) events.push({ type: "peer", from, message: { type: "beat", table: "" } });
      if (now >= beat) beat += 500;
      while (events.length > 0) {
        const effects = events.flatMap((event) => node.step(now, event));
        events = effects.flatMap((effect): ServerEvent[] => {
          if (effect.type !== "publish" || effect.message.type !== "compare") return [];
          const { tag } = effect.message;
          return ["s2", "s3"].map((from) => ({ type: "peer", from, message: { type: "declined", tag } }));
        });
      }
    }
    const perMinuteAndPeer = node.counters.rounds / minutes / 2;
    expect(perMinuteAndPeer).toBeGreaterThan(50);
    expect(perMinuteAndPeer).toBeLessThan(80);
  });

  it("goes on where very many lists differ that no build of its own can read", () => {
    const lists = Array.from({ length: 1_500 }, (_, index) => listIdOf("ann", `nonce-${index}`));
    const texts = (by: string): string => `[[2,"${by}"],0,0]`;
    const nodes = new Map(["s1", "s2"].map((id) => [id, nodeWith(id, lists)]));
    const waiting: { to: string; event: ServerEvent }[] = [];
    const step = (id: string, now: number, event: ServerEvent): void => {
      const other = id === "s1" ? "s2" : "s1";
      for (const effect of nodes.get(id)?.step(now, event) ?? []) {
        if (effect.type === "publish")
          waiting.push({ to: other, event: { type: "peer", from: id, message: effect.message } });
        else if (effect.type === "load")
          waiting.push({
            to: id,
            event: { type: "loaded", listId: effect.listId, list: Document.unopened(texts(id)) },
          });
      }
    };
    for (let now = 0; now < 30_000; now += 100) {
      for (const id of nodes.keys()) step(id, now, { type: "tick" });
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) step(next.to, now, next.event);
    }
    for (const node of nodes.values()) expect(node.counters.rounds).toBeGreaterThan(10);
  });
});

function nodeWith(id: string, lists: readonly string[]): ServerNode {
  const other = id === "s1" ? "s2" : "s1";
  const config = serverConfig({
    id,
    brokers: ["tcp://b:1"],
    publish: `tcp://${id}:1`,
    peers: [`tcp://${other}:1`],
    dataDir: "d",
    residentLists: 2_000,
    replicas: 2,
    writeQuorum: 1,
    readQuorum: 2,
  });
  const members = ["s1", "s2"].map((one) => ({
    id: one,
    status: "member" as const,
    incarnation: 1,
    publish: `tcp://${one}:1`,
  }));
  const node = new ServerNode(config, { firstTag: 1, members, lists: new Map(lists.map((list) => [list, null])) });
  node.start(0);
  return node;
}
