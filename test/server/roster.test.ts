import { describe, expect, it } from "@jest/globals";
import type { Member } from "../../src/protocol/membership.js";
import { serverConfig } from "../../src/server/config.js";
import { ServerNode } from "../../src/server/node.js";

const own = (incarnation: number, publish = "tcp://a:1"): Member[] => [
  { id: "server-1", status: "member", incarnation, publish },
];

function started(remembered: readonly Member[], peers: readonly string[] = []): ServerNode {
  const place = { id: "server-1", brokers: ["tcp://x:1"], publish: "tcp://b:1", dataDir: "d", peers };
  const node = new ServerNode(serverConfig(place), { firstTag: 1, members: remembered, lists: new Map() });
  node.start(0);
  return node;
}

const replication = { replicas: 3, writeQuorum: 2, readQuorum: 2 };

/** Another server's table arrives; answers what the node wants to be done about it. */
function hear(node: ServerNode, now: number, members: readonly Member[]): readonly string[] {
  const effects = node.step(now, {
    type: "peer",
    from: "server-9",
    message: { type: "members", members, replication },
  });
  return effects.map(({ type }) => type);
}

describe("a server's roster", () => {
  it("comes after every earlier run that it or its peers remember", () => {
    const node = started(own(4));
    expect(node.members).toMatchObject([{ incarnation: 5, publish: "tcp://b:1" }]);
    expect(hear(node, 0, own(9))).toContain("save-members");
    expect(node.members).toMatchObject([{ incarnation: 10, publish: "tcp://b:1" }]);
    expect(hear(node, 0, own(10, "tcp://b:1"))).not.toContain("save-members");
  });

  it("learns of others and keeps them", () => {
    const node = started(own(1));
    const other: Member = { id: "server-2", status: "member", incarnation: 1, publish: "tcp://c:1" };
    expect(hear(node, 0, [other])).toEqual(expect.arrayContaining(["save-members", "connect"]));
    expect(hear(node, 0, [other])).not.toContain("save-members");
    expect(node.members.map(({ id }) => id)).toEqual(["server-1", "server-2"]);
  });

  it("stops where somebody else keeps announcing its id", () => {
    const node = started(own(1));
    const effects = [1, 2, 3, 4, 5, 6, 7].flatMap((round) => hear(node, 0, own(100 * round)));
    expect(effects).toContain("stop");
  });

  it("does not join a cluster that keeps another number of copies", () => {
    const node = started([]);
    const members: Member[] = [{ id: "server-9", status: "member", incarnation: 1, publish: "tcp://c:1" }];
    const message = { type: "members", members, replication: { replicas: 5, writeQuorum: 3, readQuorum: 3 } } as const;
    const effects = node.step(1, { type: "peer", from: "server-9", message });
    expect(effects).toContainEqual(expect.objectContaining({ type: "stop" }));
  });

  it("begins a cluster when it hears of no member, and never alone where it was told of peers", () => {
    const alone = started([]);
    expect(alone.members).toMatchObject([{ status: "joining" }]);
    hear(alone, 1, []);
    expect(alone.members).toMatchObject([{ status: "member" }]);
    const waiting = started([], ["tcp://c:1"]);
    hear(waiting, 1, []);
    expect(waiting.members).toMatchObject([{ status: "joining" }]);
    waiting.step(10_000, { type: "tick" });
    expect(waiting.members).toMatchObject([{ status: "joining" }]);
    hear(waiting, 10_001, [{ id: "server-2", status: "joining", incarnation: 1, publish: "tcp://c:1" }]);
    expect(waiting.members[0]).toMatchObject({ status: "member" });
  });

  it("joins a cluster that has members, and begins none beside it", () => {
    const node = started([]);
    hear(node, 1, [{ id: "server-2", status: "member", incarnation: 1, publish: "tcp://c:1" }]);
    node.step(10_000, { type: "tick" });
    expect(node.members).toMatchObject([{ id: "server-1", status: "joining" }, { id: "server-2" }]);
  });

  it("leaves itself out of what it remembers where it finds that it has lost its disk, whatever it is told again", () => {
    const other: Member = { id: "server-2", status: "member", incarnation: 1, publish: "tcp://c:1" };
    const node = started([]);
    const saved = (members: readonly Member[]): readonly string[] => {
      const effects = node.step(0, {
        type: "peer",
        from: "server-2",
        message: { type: "members", members, replication },
      });
      return effects.flatMap((effect) => (effect.type === "save-members" ? effect.members.map(({ id }) => id) : []));
    };
    expect(saved([...own(3), other])).not.toContain("server-1");
    expect(node.members.map(({ id, status }) => [id, status])).toEqual([
      ["server-1", "member"],
      ["server-2", "member"],
    ]);
    const remembering = started([...own(3), other]);
    expect(hear(remembering, 0, [{ ...other, incarnation: 2 }])).toContain("save-members");
    expect(remembering.members).toHaveLength(2);
  });
});
