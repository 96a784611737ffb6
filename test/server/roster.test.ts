import { describe, expect, it } from "@jest/globals";
import { Roster, TwinError } from "../../src/server/roster.js";

const own = (incarnation: number) => [{ id: "server-1", status: "member", incarnation, publish: "tcp://a" }] as const;

describe("a server's roster", () => {
  it("comes after every earlier run that it or its peers remember", () => {
    const roster = new Roster("server-1", "tcp://b", own(4));
    expect(roster.members()).toMatchObject([{ incarnation: 5, publish: "tcp://b" }]);
    expect(roster.learn(own(9))).toEqual({ changed: true, announce: true });
    expect(roster.members()).toMatchObject([{ incarnation: 10, publish: "tcp://b" }]);
    expect(roster.learn(own(10)).announce).toBe(false);
  });

  it("learns of others and keeps them", () => {
    const roster = new Roster("server-1", "tcp://b", []);
    const other = { id: "server-2", status: "member", incarnation: 1, publish: "tcp://c" } as const;
    expect(roster.learn([other])).toEqual({ changed: true, announce: false });
    expect(roster.learn([other])).toEqual({ changed: false, announce: false });
    expect(roster.announcement().members.map(({ id }) => id)).toEqual(["server-1", "server-2"]);
  });

  it("gives up where somebody else keeps announcing its id", () => {
    const roster = new Roster("server-1", "tcp://b", []);
    const announceLater = (): void => {
      for (let round = 1; round < 10; round++) roster.learn(own(100 * round));
    };
    expect(announceLater).toThrow(TwinError);
  });
});
