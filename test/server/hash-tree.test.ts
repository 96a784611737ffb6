import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { partitionOf } from "../../src/protocol/hash-ring.js";
import { HashTree } from "../../src/server/hash-tree.js";

const ids = Array.from({ length: 40 }, (_, index) => `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`);
const digest = (version: number): string => createHash("sha256").update(`${version}`).digest("hex");
const ALL = Array.from({ length: 256 }, (_, partition) => partition);

/** What is there, by list. */
const content = fc.dictionary(fc.constantFrom(...ids), fc.nat(3)).map((versions) => new Map(Object.entries(versions)));

function treeOf(content: ReadonlyMap<string, number>): HashTree {
  const tree = new HashTree();
  for (const [id, version] of content) {
    tree.invalidate(id);
    tree.set(id, digest(version));
  }
  return tree;
}

describe("the hash tree", () => {
  it("has the same sums for the same lists, however it came to them", () => {
    fc.assert(
      fc.property(content, content, (before, after) => {
        const tree = treeOf(before);
        for (const id of before.keys()) if (!after.has(id)) tree.remove(id);
        for (const [id, version] of after) {
          tree.invalidate(id);
          tree.set(id, digest(version));
        }
        expect(tree.top(ALL)).toBe(treeOf(after).top(ALL));
        expect(tree.sums(ALL)).toEqual(treeOf(after).sums(ALL));
      }),
    );
  });

  it("leads to exactly the lists that differ, or to others of their buckets, and to none where all are the same", () => {
    fc.assert(
      fc.property(content, content, (ours, theirs) => {
        const [own, other] = [treeOf(ours), treeOf(theirs)];
        const differing = ids.filter((id) => ours.get(id) !== theirs.get(id));
        expect(own.top(ALL) === other.top(ALL)).toBe(differing.length === 0);
        const found = ALL.flatMap((partition) => own.differing(other.buckets(partition))).map(([id]) => id);
        for (const id of differing) if (ours.has(id)) expect(found).toContain(id);
        if (differing.length === 0) expect(found).toEqual([]);
      }),
    );
  });

  it("names lists whose digests are not known, until they are set or the lists go", () => {
    const tree = treeOf(new Map([[ids[0] ?? "", 1]]));
    tree.invalidate(ids[1] ?? "");
    tree.invalidate(ids[2] ?? "");
    expect(tree.stale(ALL)).toEqual([ids[1], ids[2]]);
    expect(tree.stale([partitionOf(ids[1] ?? "")])).toContain(ids[1]);
    tree.set(ids[1] ?? "", digest(1));
    tree.remove(ids[2] ?? "");
    expect(tree.stale(ALL)).toEqual([]);
  });
});
