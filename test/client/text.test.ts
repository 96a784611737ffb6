import { describe, expect, it } from "@jest/globals";
import { acceptText, displayable } from "../../src/client/text.js";
import { isAccountName } from "../../src/protocol/account-name.js";

/** Letters that nobody sees, each in a word that is otherwise one. */
const INVISIBLE = [
  "mi\u{3164}lk",
  "mi\u{34f}lk",
  "mi\u{115f}lk",
  "mi\u{fe0f}lk",
  "mi\u{200b}lk",
  "mi\u{e0041}lk",
  "mi\u{2066}lk",
];

/** A heart, a family, a keycap; Persian and Mongolian words. */
const WRITTEN = [
  "\u{2764}\u{fe0f}",
  "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
  "1\u{fe0f}\u{20e3}",
  "\u{645}\u{6cc}\u{200c}\u{62e}",
  "\u{1828}\u{180b}",
];

describe("text", () => {
  it.each(INVISIBLE)("is refused with what cannot be seen in it: %j", (text) => {
    expect(() => acceptText("name", text)).toThrow(/cannot be shown/);
    expect(displayable(text)).toMatch(/\\u\{/);
    expect(isAccountName(text)).toBe(false);
  });

  it.each(WRITTEN)("keeps what people write: %j", (text) => {
    expect(acceptText("name", text)).toBe(text);
    expect(displayable(text)).toBe(text);
  });
});

describe("the name of an account", () => {
  it.each(["ann", "Änne", "o-neil.2", "\u{43e}\u{43b}\u{433}\u{430}", "\u{592a}\u{90ce}"])("may be %j", (name) => {
    expect(isAccountName(name)).toBe(true);
  });

  it.each(["", "-ann", "an n", "a".repeat(33), "\u{430}nn", "\u{3b1}nn", "\u{fb01}nn"])("may not be %j", (name) => {
    expect(isAccountName(name)).toBe(false);
  });
});
