import { describe, expect, it } from "@jest/globals";
import { simulate } from "./simulation.js";

const SEEDS = process.env.AISLE_LONG === undefined ? 25 : 1_000;

describe("a simulated cluster", () => {
  it("loses nothing that was acknowledged and ends as the oracle says, whatever fails on the way", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { problem } = simulate(seed);
      expect({ seed, problem }).toEqual({ seed, problem: null });
    }
  });

  it("plays the same run again for the same seed", () => {
    expect(simulate(7).traceHash).toBe(simulate(7).traceHash);
    expect(simulate(7).traceHash).not.toBe(simulate(8).traceHash);
  });

  it("catches a server that acknowledges before it has persisted", () => {
    const outcomes = Array.from({ length: 12 }, (_, seed) => simulate(seed, { acknowledgesEarly: true }).problem);
    expect(outcomes.some((problem) => problem?.includes("on no disk"))).toBe(true);
  });
});
