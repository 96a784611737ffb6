import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { HashRing, PARTITIONS } from "../../src/protocol/hash-ring.js";
import { Membership, MEMBER_STATUSES, type Member } from "../../src/protocol/membership.js";
import { obeysLatticeLaws } from "../crdt/laws.js";

const servers = (count: number): string[] => Array.from({ length: count }, (_, index) => `server-${index + 1}`);

function ownersOf(ring: HashRing): string[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => ring.preferenceList(partition)[0] ?? "");
}

describe("the ring", () => {
  it("is the same however the members are listed", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(servers(6), { minLength: 6 }), (order) => {
        expect(ownersOf(HashRing.of(order))).toEqual(ownersOf(HashRing.of(servers(6))));
      }),
    );
  });

  it("names every server once in each preference list", () => {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      expect([...HashRing.of(servers(5)).preferenceList(partition)].sort()).toEqual(servers(5));
    }
  });

  it("gives no server more than twice its share", () => {
    const owners = ownersOf(HashRing.of(servers(5)));
    for (const id of servers(5)) {
      expect(owners.filter((owner) => owner === id).length).toBeLessThan((2 * PARTITIONS) / 5);
    }
  });

  it("moves only what a newcomer takes", () => {
    const [before, after] = [ownersOf(HashRing.of(servers(5))), ownersOf(HashRing.of(servers(6)))];
    const moved = before.flatMap((owner, partition) => (owner === after[partition] ? [] : [after[partition]]));
    expect(new Set(moved)).toEqual(new Set(["server-6"]));
  });
});

const member: fc.Arbitrary<Member> = fc.record({
  id: fc.constantFrom("server-1", "server-2"),
  status: fc.constantFrom(...MEMBER_STATUSES),
  incarnation: fc.integer({ min: 1, max: 3 }),
  publish: fc.constantFrom("tcp://a", "tcp://b"),
});
const table = fc.array(member, { maxLength: 5 }).map((members) => () => Membership.of(members));

obeysLatticeLaws("Membership", {
  triples: fc.tuple(table, table, table),
  bottom: () => new Membership(),
  canonical: (membership) =>
    JSON.stringify(membership.members().map((one) => [one.id, one.status, one.incarnation, one.publish])),
});

describe("membership", () => {
  it("never takes a removed server back, whatever it claims", () => {
    const removed: Member = { id: "server-1", status: "removed", incarnation: 1, publish: "tcp://a" };
    const membership = Membership.of([removed, { ...removed, status: "member", incarnation: 9 }]);
    expect(membership.idsOf("joining", "member", "leaving")).toEqual([]);
  });
});
