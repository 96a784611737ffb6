import { describe, expect, it } from "@jest/globals";
import { Batches } from "../../src/runtime/batches.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const part = (text: string): Uint8Array[] => [Buffer.from(text)];

function gathered(): { readonly batches: Batches<string>; readonly sent: string[] } {
  const sent: string[] = [];
  const batches = new Batches<string>((receiver, frames) => {
    if (receiver === "nobody") throw new Error("there is nobody");
    sent.push(`${receiver}: ${frames.map((frame) => Buffer.from(frame).toString()).join(" ")}`);
  });
  return { batches, sent };
}

describe("batches", () => {
  it("send what comes first at once, and the rest of its turn together, for each receiver", async () => {
    const { batches, sent } = gathered();
    for (const name of ["a1", "a2", "b1", "a3", "b2"]) batches.add(name.slice(0, 1), part(name));
    expect(sent).toEqual(["a: a1"]);
    await turn();
    expect(sent).toEqual(["a: a1", "a: a2 a3", "b: b1 b2"]);
  });

  it("wait for the end of a turn after one with more to send, until there is little again", async () => {
    const { batches, sent } = gathered();
    for (const name of ["a1", "a2"]) batches.add("a", part(name));
    await turn();
    for (const name of ["a3", "a4"]) batches.add("a", part(name));
    expect(sent).toEqual(["a: a1", "a: a2"]);
    await turn();
    expect(sent.at(-1)).toBe("a: a3 a4");
    batches.add("a", part("a5"));
    await turn();
    batches.add("a", part("a6"));
    expect(sent.at(-1)).toBe("a: a6");
  });

  it("do not wait for more once there are many parts, or large ones", () => {
    const { batches, sent } = gathered();
    for (let count = 0; count <= 16; count++) batches.add("a", part(`${count}`));
    expect(sent).toEqual(["a: 0", `a: ${Array.from({ length: 16 }, (_, at) => at + 1).join(" ")}`]);
    batches.add("a", part("x".repeat(1_000_000)));
    expect(sent).toHaveLength(3);
  });

  it("go on after one that could not be sent", async () => {
    const { batches, sent } = gathered();
    expect(() => batches.add("nobody", part("x"))).toThrow("nobody");
    batches.add("a", part("a1"));
    await turn();
    batches.add("a", part("a2"));
    await turn();
    expect(sent).toEqual(["a: a1", "a: a2"]);
  });
});
