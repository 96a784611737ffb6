import { describe, expect, it } from "@jest/globals";
import type { Member } from "../../src/protocol/membership.js";
import { serverConfig } from "../../src/server/config.js";
import { ServerNode } from "../../src/server/node.js";

const own = (incarnation: number, publish = "tcp://a"): Member[] => [
  { id: "server-1", status: "member", incarnation, publish },
];

function started(remembered: readonly Member[], peers: readonly string[] = []): ServerNode {
  const place = { id: "server-1", brokers: ["tcp://x"], publish: "tcp://b", dataDir: "d", peers };
  const node = new ServerNode(serverConfig(place), { luck: 0, members: remembered, lists: [] });
  node.start(0);
  return node;
}

/** Another server's table arrives; answers what the node wants to be done about it. */
function hear(node: ServerNode, now: number, members: readonly Member[]): readonly string[] {
  const effects = node.step(now, { type: "peer", from: "server-9", message: { type: "members", members } });
  return effects.map(({ type }) => type);
}

describe("a server's roster", () => {
  it("comes after every earlier run that it or its peers remember", () => {
    const node = started(own(4));
    expect(node.members).toMatchObject([{ incarnation: 5, publish: "tcp://b" }]);
    expect(hear(node, 0, own(9))).toContain("save-members");
    expect(node.members).toMatchObject([{ incarnation: 10, publish: "tcp://b" }]);
    expect(hear(node, 0, own(10, "tcp://b"))).not.toContain("save-members");
  });

  it("learns of others and keeps them", () => {
    const node = started(own(1));
    const other: Member = { id: "server-2", status: "member", incarnation: 1, publish: "tcp://c" };
    expect(hear(node, 0, [other])).toEqual(expect.arrayContaining(["save-members", "connect"]));
    expect(hear(node, 0, [other])).not.toContain("save-members");
    expect(node.members.map(({ id }) => id)).toEqual(["server-1", "server-2"]);
  });

  it("stops where somebody else keeps announcing its id", () => {
    const node = started(own(1));
    const effects = [1, 2, 3, 4].flatMap((round) => hear(node, 0, own(100 * round)));
    expect(effects).toContain("stop");
  });

  it("begins a cluster of its own when it hears of no member, after waiting for the peers it was told of", () => {
    const alone = started([]);
    expect(alone.members).toMatchObject([{ status: "joining" }]);
    hear(alone, 1, []);
    expect(alone.members).toMatchObject([{ status: "member" }]);
    const waiting = started([], ["tcp://c"]);
    hear(waiting, 1, []);
    expect(waiting.members).toMatchObject([{ status: "joining" }]);
    waiting.step(10_000, { type: "tick" });
    expect(waiting.members).toMatchObject([{ status: "member" }]);
  });

  it("joins a cluster that has members, and begins none beside it", () => {
    const node = started([]);
    hear(node, 1, [{ id: "server-2", status: "member", incarnation: 1, publish: "tcp://c" }]);
    node.step(10_000, { type: "tick" });
    expect(node.members).toMatchObject([{ id: "server-1", status: "joining" }, { id: "server-2" }]);
  });
});
