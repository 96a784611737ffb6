import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Lattice } from "../../src/crdt/lattice.js";

/** Makes one value afresh at each call, since joining changes values in place. */
export type Make<T> = () => T;

/** A lattice to be tested: triples of values that can occur together, bottom, and a form that is equal for equal states. */
export interface LatticeCase<T extends Lattice<T>> {
  readonly triples: fc.Arbitrary<readonly [Make<T>, Make<T>, Make<T>]>;
  readonly bottom: Make<T>;
  readonly canonical: (value: T) => string;
}

function joined<T extends Lattice<T>>(into: T, ...others: readonly T[]): T {
  for (const other of others) into.join(other);
  return into;
}

/** The laws of a join-semilattice, for any lattice that plugs in. */
export function obeysLatticeLaws<T extends Lattice<T>>(
  name: string,
  { triples, bottom, canonical }: LatticeCase<T>,
): void {
  describe(`${name} is a join-semilattice`, () => {
    const holds = (law: (a: Make<T>, b: Make<T>, c: Make<T>) => void): void =>
      fc.assert(fc.property(triples, ([a, b, c]) => law(a, b, c)));

    it("joins commutatively", () =>
      holds((a, b) => expect(canonical(joined(a(), b()))).toBe(canonical(joined(b(), a())))));

    it("joins associatively", () =>
      holds((a, b, c) =>
        expect(canonical(joined(joined(a(), b()), c()))).toBe(canonical(joined(a(), joined(b(), c())))),
      ));

    it("joins idempotently", () =>
      holds((a, b) => {
        const once = joined(a(), b());
        expect(canonical(joined(joined(a(), b()), b(), a()))).toBe(canonical(once));
      }));

    it("has bottom as its identity", () => holds((a) => expect(canonical(joined(bottom(), a()))).toBe(canonical(a()))));

    it("never changes or keeps a part of what it joined", () =>
      holds((a, b, c) => {
        const source = b();
        const target = joined(a(), source);
        expect(canonical(source)).toBe(canonical(b()));
        joined(target, c());
        expect(canonical(source)).toBe(canonical(b()));
      }));
  });
}
