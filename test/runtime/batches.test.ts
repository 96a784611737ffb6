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
  it("send together what one turn brought for a receiver, and nothing later than that", async () => {
    const { batches, sent } = gathered();
    for (const name of ["a1", "a2", "b1", "a3", "b2"]) batches.add(name.slice(0, 1), part(name));
    expect(sent).toEqual([]);
    await turn();
    expect(sent).toEqual(["a: a1 a2 a3", "b: b1 b2"]);
    batches.add("a", part("a4"));
    await turn();
    expect(sent.at(-1)).toBe("a: a4");
  });

  it("wait for what else is there to be dealt with, and for no event", async () => {
    const { batches, sent } = gathered();
    const order: string[] = [];
    setImmediate(() => order.push(`an event: ${sent.join()}`));
    void Promise.resolve().then(() => {
      batches.add("a", part("a2"));
    });
    batches.add("a", part("a1"));
    await turn();
    expect(order).toEqual(["an event: a: a1 a2"]);
  });

  it("do not wait for more once there are many parts, or large ones", async () => {
    const { batches, sent } = gathered();
    for (let count = 0; count <= 16; count++) batches.add("a", part(`${count}`));
    expect(sent).toEqual([`a: ${Array.from({ length: 16 }, (_, at) => at).join(" ")}`]);
    batches.add("a", part("x".repeat(1_000_000)));
    expect(sent).toHaveLength(2);
    await turn();
    expect(sent).toHaveLength(2);
  });

  it("do not hold on to what could not be sent", async () => {
    const { batches, sent } = gathered();
    expect(() => {
      for (let count = 0; count < 16; count++) batches.add("nobody", part("x"));
    }).toThrow("nobody");
    batches.add("a", part("a1"));
    await turn();
    expect(sent).toEqual(["a: a1"]);
  });
});
