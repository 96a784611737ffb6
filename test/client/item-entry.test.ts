import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { AisleError } from "../../src/client/errors.js";
import { joinLoneNumbers, parseEntry } from "../../src/client/item-entry.js";
import { formatAmount, parseAmountIn, parseQuantity } from "../../src/client/quantity.js";
import { acceptText, displayable } from "../../src/client/text.js";

/** An entry as `amount unit name, note @aisle`, in thousandths. */
function shown(line: string): string {
  const { name, quantity, note, aisle } = parseEntry(line);
  return `${quantity.thousandths} ${quantity.unit ?? "-"} ${name}|${note ?? ""}|${aisle ?? ""}`;
}

describe("item entry", () => {
  it.each([
    ["milk", "1000 - milk||"],
    ["2 milk", "2000 - milk||"],
    ["milk x2", "2000 - milk||"],
    ["milk ×2", "2000 - milk||"],
    ["2x milk", "2000 - milk||"],
    ["2kg flour, organic @baking", "2000000 g flour|organic|baking"],
    ["2 kg flour @baking, organic", "2000000 g flour|organic|baking"],
    ["1,5 l milk", "1500000 ml milk||"],
    ["0.5 kg grapes", "500000 g grapes||"],
    ["flour x 2kg", "2000000 g flour||"],
    ["2 bottles of milk", "2000 bottle milk||"],
    ["3 Bottle milk", "3000 bottle milk||"],
    ["7up", "1000 - 7up||"],
    ["2% milk", "1000 - 2% milk||"],
    ["FFP2", "1000 - FFP2||"],
    ["Vitamin B 12", "1000 - Vitamin B 12||"],
    ["Max x-ray", "1000 - Max x-ray||"],
    ["  oat   milk  ", "1000 - oat milk||"],
    ["نان سنگک", "1000 - نان سنگک||"],
    ["👨‍👩‍👧 cake", "1000 - 👨‍👩‍👧 cake||"],
    ["__proto__", "1000 - __proto__||"],
    ['"2 milk, cold" x3, note @dairy', "3000 - 2 milk, cold|note|dairy"],
    ['"say \\"hi\\""', '1000 - say "hi"||'],
    ['"Old" cheddar', '1000 - "Old" cheddar||'],
  ])("reads %s", (line, expected) => expect(shown(line)).toBe(expected));

  it.each([
    "",
    "   ",
    "-5 milk",
    "1e999 milk",
    "milk x-5",
    "milk x1e999",
    "99999999999 milk",
    "mi\u0007lk",
    "\u202emilk",
    ", note",
  ])("refuses %j with one line", (line) => expect(() => parseEntry(line)).toThrow(AisleError));

  it("takes a name of 200 characters, and refuses one of ten million at once", () => {
    expect(parseEntry("x".repeat(200)).name).toHaveLength(200);
    expect(() => parseEntry("x".repeat(10_000_000))).toThrow("longer than");
  });

  it.each([
    [["2", "milk"], ["2 milk"]],
    [["milk", "x2"], ["milk x2"]],
    [["milk", "2"], ["milk x2"]],
    [
      ["milk", "2", "eggs", "6"],
      ["milk x2", "eggs x6"],
    ],
    [
      ["2", "milk", "6", "eggs"],
      ["2 milk", "6 eggs"],
    ],
    [
      ["bread", "2", "milk"],
      ["bread", "2 milk"],
    ],
    [
      ["milk", "x2", "eggs"],
      ["milk x2", "eggs"],
    ],
    [["2x", "milk"], ["2x milk"]],
    [
      ["2", "kg", "flour", "eggs"],
      ["2kg flour", "eggs"],
    ],
    [
      ["flour", "2", "kg", "milk", "1", "l"],
      ["flour x2kg", "milk x1l"],
    ],
    [
      ["2 milk", "eggs"],
      ["2 milk", "eggs"],
    ],
  ])("gives lone numbers to their neighbours: %j", (words, expected) =>
    expect(joinLoneNumbers(words)).toEqual(expected),
  );

  it.each([[["2"]], [["x2"]], [["2", "3", "milk"]], [["2", "kg"]]])("refuses numbers without an item: %j", (words) =>
    expect(() => joinLoneNumbers(words)).toThrow("belongs to no item"),
  );

  it("reads any line or refuses it with an AisleError", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (line) => {
        try {
          parseEntry(line);
        } catch (error) {
          expect(error).toBeInstanceOf(AisleError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("amounts", () => {
  it("are exact thousandths of one base unit for each kind of measure", () => {
    expect(parseQuantity("1.5", "kg")).toEqual({ thousandths: 1_500_000, unit: "g" });
    expect(parseQuantity("0.1", null)).toEqual({ thousandths: 100, unit: null });
    expect(parseQuantity("3", "dl")).toEqual({ thousandths: 300_000, unit: "ml" });
  });

  it.each(["-5", "1e999", "", "two", "Infinity", "0x10", "99999999999"])("refuse %j", (text) =>
    expect(() => parseQuantity(text, null)).toThrow(AisleError),
  );

  it("are converted to the unit an item is counted in, or refused", () => {
    expect(parseAmountIn("2kg", "g")).toBe(2_000_000);
    expect(parseAmountIn("2", "g")).toBe(2_000);
    expect(() => parseAmountIn("2l", "g")).toThrow("counted in g");
  });

  it("show in the unit a person would use, and never below nothing", () => {
    expect(formatAmount(1_500_000, "g")).toBe("1.5 kg");
    expect(formatAmount(2_000, "bottle")).toBe("2 bottle");
    expect(formatAmount(-3_000, null)).toBe("0");
  });
});

describe("text", () => {
  it("keeps joiners where a script or an emoji needs them and shows any others for what they are", () => {
    for (const text of ["سبزی‌خوردن", "👨‍👩‍👧", "क्‍ष"]) {
      expect(acceptText("name", text)).toBe(text);
      expect(displayable(text)).toBe(text);
    }
    expect(() => acceptText("name", "mi \u200dlk")).toThrow("U+200D");
    expect(displayable("a\u202eb\u001b[31m\u{e0041}")).toBe("a\\u{202e}b\\u{1b}[31m\\u{e0041}");
  });

  it("drops soft hyphens and collapses white space", () => {
    expect(acceptText("name", " oat\u00ad \n milk ")).toBe("oat milk");
  });
});

describe("an amount that some read as thousands", () => {
  it.each(["1,000 g salt", "salt x1,000", "12,000 rice"])("is refused in %s", (text) => {
    expect(() => parseEntry(text)).toThrow(/may be thousands, or a fraction/);
  });

  it("is none where a fraction is meant beyond doubt", () => {
    expect(parseEntry("1,5 kg salt").quantity.thousandths).toBe(1_500_000);
    expect(parseEntry("1.250 kg flour").quantity.thousandths).toBe(1_250_000);
  });
});
