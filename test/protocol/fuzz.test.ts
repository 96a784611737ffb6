import { describe, expect, it } from "@jest/globals";
import { ProtocolError } from "../../src/protocol/errors.js";
import { mutated, randomFrom, samples } from "./mutations.js";

const MESSAGES = process.env.AISLE_LONG === undefined ? 40_000 : 1_000_000;

describe("decoders given messages that were tampered with", () => {
  it.each(samples())(
    "answer for %s with a coded refusal or a value, and nothing else",
    (_name, frames, decode) => {
      const random = randomFrom(MESSAGES + frames.length);
      const codes = new Map<string, number>();
      for (let count = 0; count < MESSAGES / 8; count++) {
        const tampered = mutated(frames, random);
        try {
          decode(tampered);
          codes.set("read", (codes.get("read") ?? 0) + 1);
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
          codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
        }
      }
      // Most of what is tampered with is noticed; a flipped letter of a note is not.
      expect(codes.get("malformed") ?? 0).toBeGreaterThan(MESSAGES / 70);
    },
    300_000,
  );
});
