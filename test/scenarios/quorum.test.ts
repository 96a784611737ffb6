import { describe, expect, it } from "@jest/globals";
import { Quorum, type QuorumMove, type QuorumPlan } from "../../src/server/quorum.js";

/** Five servers, three owners, this one the first of them; W = R = 2. */
function quorum(plan: Partial<QuorumPlan> = {}, dead: readonly string[] = []): Quorum {
  return new Quorum({
    kind: "write",
    self: "a",
    owners: ["a", "b", "c"],
    heirs: [],
    fallbacks: ["d", "e"],
    writeQuorum: 2,
    readQuorum: 2,
    isAlive: (server) => !dead.includes(server),
    isWhole: true,
    ...plan,
  });
}

const lines = (moves: readonly QuorumMove[]): string[] =>
  moves.map((move) => (move.type === "publish" ? "publish" : `ask ${move.server}`));

describe("a write at its coordinator", () => {
  it("is published to the owners, and settled once two servers have it on disk, whichever", () => {
    const write = quorum();
    expect(lines(write.begin())).toEqual(["publish"]);
    write.onStoredHere();
    expect(write.isSettled()).toBe(false);
    write.onAnswer("c", true);
    expect([write.isSettled(), write.stored, write.isComplete()]).toEqual([true, 2, false]);
    write.onAnswer("b", true);
    expect([write.stored, write.isComplete()]).toEqual([3, true]);
  });

  it("may be settled by two others while its own disk is slow", () => {
    const write = quorum();
    write.begin();
    write.onAnswer("b", true);
    write.onAnswer("c", true);
    expect([write.isSettled(), write.stored]).toEqual([true, 2]);
  });

  it("does not count an owner that still lacks something", () => {
    const write = quorum();
    write.begin();
    write.onStoredHere();
    write.onAnswer("b", false);
    expect([write.isSettled(), write.stored]).toEqual([false, 1]);
    write.onAnswer("b", true);
    expect(write.isSettled()).toBe(true);
  });

  it("asks the silent again, then the next of the preference list in their stead", () => {
    const write = quorum();
    write.begin();
    write.onStoredHere();
    expect(lines(write.resend())).toEqual(["ask b", "ask c"]);
    expect(lines(write.askFallbacks())).toEqual(["ask d", "ask e"]);
    write.onAnswer("d", true);
    expect([write.isSettled(), write.stored]).toEqual([true, 2]);
  });

  it("has somebody stand in for a dead owner at once, and for no server twice", () => {
    const write = quorum({}, ["b", "d"]);
    expect(lines(write.begin())).toEqual(["publish", "ask e"]);
    expect(lines(write.onDeclined("c"))).toEqual([]);
  });

  it("is settled with one copy when no other server lives, instead of waiting for them", () => {
    const write = quorum({}, ["b", "c", "d", "e"]);
    expect(lines(write.begin())).toEqual(["publish"]);
    expect(write.isSettled()).toBe(false);
    write.onStoredHere();
    expect([write.isSettled(), write.stored]).toEqual([true, 1]);
  });

  it("goes to servers that are about to become owners too, and does not wait for them", () => {
    const write = quorum({ heirs: ["d"], fallbacks: ["e"] });
    expect(lines(write.begin())).toEqual(["publish"]);
    write.onStoredHere();
    write.onAnswer("b", true);
    expect(write.isSettled()).toBe(true);
    expect(lines(write.askFallbacks())).toEqual(["ask e"]);
  });

  it("by a server that is no owner needs two servers all the same", () => {
    const write = quorum({ self: "d", fallbacks: ["d", "e"] });
    expect(lines(write.begin())).toEqual(["publish"]);
    write.onStoredHere();
    write.onAnswer("a", true);
    expect([write.isSettled(), write.compared]).toEqual([false, 1]);
    write.onAnswer("b", true);
    expect(write.isSettled()).toBe(true);
  });

  it("that is strict counts owners alone, and nobody stands in for them", () => {
    const write = quorum({ kind: "strict-write" }, ["b"]);
    expect(lines(write.begin())).toEqual(["publish"]);
    write.onStoredHere();
    expect([lines(write.askFallbacks()), write.isSettled(), write.stored]).toEqual([[], false, 1]);
    write.onAnswer("c", true);
    expect([write.isSettled(), write.stored]).toEqual([true, 2]);
    const elsewhere = quorum({ kind: "strict-write", self: "d" }, ["b"]);
    elsewhere.begin();
    elsewhere.onStoredHere();
    elsewhere.onAnswer("a", true);
    expect(elsewhere.stored).toBe(1);
  });
});

describe("a read at its coordinator", () => {
  it("is compared with one other copy, and asks further when that one is silent", () => {
    const read = quorum({ kind: "read" });
    expect(lines(read.begin())).toEqual(["ask b"]);
    read.onStoredHere();
    expect(read.isSettled()).toBe(false);
    expect(lines(read.resend())).toEqual(["ask b", "ask c"]);
    read.onAnswer("c", true);
    expect(read.isSettled()).toBe(true);
  });

  it("goes to a fallback where the other owners are dead, which may have what they missed", () => {
    expect(lines(quorum({ kind: "read" }, ["b", "c"]).begin())).toEqual(["ask d"]);
  });

  it("by a server that is no owner compares two owners", () => {
    expect(lines(quorum({ kind: "read", self: "e" }).begin())).toEqual(["ask a", "ask b"]);
  });
});

describe("what is certain", () => {
  it("takes R owners, and one that has lost its disk is none of them", () => {
    const [read, rebuilt, own] = [
      quorum({ kind: "read" }),
      quorum({ kind: "read" }),
      quorum({ kind: "read", isWhole: false }),
    ];
    for (const one of [read, rebuilt, own]) one.begin();
    read.onAnswer("b", true, true);
    rebuilt.onAnswer("b", true, false);
    own.onAnswer("b", true, true);
    expect([read.comparedOwners, rebuilt.comparedOwners, own.comparedOwners]).toEqual([2, 1, 1]);
  });
});
