import { describe, expect, it } from "@jest/globals";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { author } from "../crdt/scripts.js";
import { listIdOf } from "../../src/protocol/identity.js";
import { callerAt, changed, FOUNDER, foundingBy, LIST, recordOf, ServerScenario } from "./server-scenario.js";

describe("a server alone", () => {
  it("acknowledges and announces a change only once it is on disk", () => {
    const server = new ServerScenario();
    expect(server.sync(changed(new ShoppingList(), "a", "milk"))).toEqual(["persist 1"]);
    expect(server.step({ type: "persisted", through: 1 })).toEqual(["notify", "to #1: nothing new"]);
  });

  it("tells a reader nothing that is not on disk yet", () => {
    const server = new ServerScenario();
    server.sync(changed(new ShoppingList(), "a", "milk"));
    expect(server.sync({ replica: "b" })).toEqual([]);
    expect(server.step({ type: "persisted", through: 1 })).toEqual(["notify", "to #1: nothing new", "to #2: milk 1"]);
  });

  it("gives each reader exactly what it lacks", () => {
    const server = new ServerScenario([LIST]);
    const list = new ShoppingList();
    list.add(author("a"), "milk", null, 1);
    const reader = list.clone();
    list.add(author("a"), "eggs", null, 2);
    server.sync({ replica: "b", seen: reader.seen });
    expect(server.loaded(recordOf(list))).toEqual(["to #1: eggs 2"]);
    expect(server.sync({ replica: "b", seen: list.seen })).toEqual(["to #2: nothing new"]);
  });

  it("answers a repeated change without writing or announcing it again", () => {
    const server = new ServerScenario();
    const request = changed(new ShoppingList(), "a", "milk");
    server.sync(request);
    server.step({ type: "persisted", through: 1 });
    expect(server.sync(request)).toEqual(["to #2: nothing new"]);
  });

  it("says so when it lacks what the sender has, so that the sender can bring it back", () => {
    const server = new ServerScenario();
    const list = new ShoppingList();
    list.add(author("a"), "milk", null, 1);
    expect(server.sync({ seen: list.seen })).toEqual(["persist 1"]);
    const answered = server.step({ type: "persisted", through: 1 });
    expect(answered).toEqual(["notify", "to #1: nothing new, and lacks some"]);
  });

  it("lets nobody into a list that nobody has made, and does not trouble the disk for it", () => {
    expect(new ServerScenario().sync({ founding: null })).toEqual(["to #1: not-allowed"]);
  });

  it("refuses a change by a replica whose newest operation the sender does not know, and joins nothing", () => {
    const server = new ServerScenario([LIST]);
    const original = new ShoppingList();
    original.add(author("a"), "milk", null, 1);
    server.sync(changed(new ShoppingList(), "a", "beer"));
    expect(server.loaded(recordOf(original))).toEqual(["to #1: stale-basis"]);
    expect(server.sync({ replica: "b" })).toEqual(["to #2: milk 1"]);
  });

  it("accepts a change whose earlier acknowledgement was lost", () => {
    const server = new ServerScenario([LIST]);
    const list = new ShoppingList();
    const both = new ShoppingList();
    both.join(list.add(author("a"), "milk", null, 1));
    const stored = list.clone();
    both.join(list.add(author("a"), "eggs", null, 1));
    server.sync({ delta: both, seen: list.seen });
    expect(server.loaded(recordOf(stored))).toEqual(["persist 1"]);
  });

  it("refuses everything that waited when the disk fails, and reads the list anew", () => {
    const server = new ServerScenario();
    server.sync(changed(new ShoppingList(), "a", "milk"));
    server.sync({ replica: "b" });
    const refused = server.step({ type: "persist-failed", problem: "ENOSPC" });
    expect(refused).toEqual(["to #1: storage-failed", "to #2: storage-failed"]);
    expect(server.sync({ replica: "b", founding: null })).toEqual(["load"]);
    expect(server.loaded(null)).toEqual(["to #3: not-allowed"]);
  });

  it("lets lists at rest leave memory, and never one that is being written", () => {
    const server = new ServerScenario();
    const nonce = "the-nonce-of-another--";
    const other = listIdOf(FOUNDER, nonce);
    const list = new ShoppingList();
    const { delta, seen } = changed(list, "a", "milk");
    server.sync({ delta, seen });
    server.sync({ delta, seen, founding: foundingBy(nonce) }, callerAt(FOUNDER), other);
    expect(server.sync({ replica: "b" })).toEqual([]);
    server.step({ type: "persisted", through: 2 });
    expect(server.sync({ replica: "b" })).toEqual(["load"]);
  });

  it("refuses what it cannot read with a code", () => {
    const server = new ServerScenario();
    expect(server.raw("sync", new Uint8Array([1]))).toEqual(["to #1: malformed"]);
  });
});
