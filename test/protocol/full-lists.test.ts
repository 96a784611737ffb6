import { describe, expect, it } from "@jest/globals";
import { overflowOf } from "../../src/crdt/capacity.js";
import { encodeListText } from "../../src/crdt/codec.js";
import { Document } from "../../src/crdt/document.js";
import { LIMITS, LimitExceededError } from "../../src/crdt/limits.js";
import { COLUMN, ItemState } from "../../src/crdt/item-state.js";
import { madeRows } from "../../src/crdt/rows.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { BOUNDS } from "../../src/protocol/bounds.js";
import { decodePeerMessage, encodePeerMessage } from "../../src/protocol/peer-messages.js";

/** A list in which there is no more room. */
function full(replica: string): ShoppingList {
  const list = new ShoppingList();
  try {
    for (let count = 0; ; count++) {
      const [author, note] = [{ replica, id: `${replica}${count}`, at: 1 }, "x".repeat(1_000)];
      list.add(author, `${replica} ${count}`, null, 1_000, { note });
    }
  } catch (error) {
    if (!(error instanceof LimitExceededError)) throw error;
    return list;
  }
}

describe("a list that is full", () => {
  it("moves between servers, also where two parts of a cluster have filled it that did not hear of each other", () => {
    const list = full("a");
    list.join(full("b"));
    const document = new Document(list);
    expect(document.text.length).toBeGreaterThan(BOUNDS.bodyBytes);
    const copied = decodePeerMessage(encodePeerMessage({ type: "copied", tag: 1, document }));
    const fetched = decodePeerMessage(encodePeerMessage({ type: "fetched", tag: 1, document, whole: true }));
    for (const moved of [copied, fetched])
      expect("document" in moved && moved.document?.text === document.text).toBe(true);
  });

  it("moves between servers, also where somebody writes nothing but the largest numbers", () => {
    const replicas = Array.from({ length: LIMITS.replicas }, (_, at) => `r${String(at).padStart(5, "0")}`);
    const most = LIMITS.counterTotal;
    const row = [LIMITS.counter, LIMITS.counter, ...new Array<number>(8).fill(most)];
    row[COLUMN.touched] = LIMITS.counter;
    const item = new ItemState(
      madeRows(
        replicas,
        replicas.flatMap(() => row),
      ),
      null,
      null,
      null,
      null,
    );
    const list = new ShoppingList();
    for (let count = 0; ; count++) {
      const delta = new ShoppingList();
      delta.items.put(`item ${count}`, item);
      if (overflowOf(list, delta) !== null) break;
      list.join(delta);
    }
    expect(list.items.entries().size).toBeGreaterThan(1);
    expect(encodeListText(list).length).toBeLessThan(BOUNDS.documentBytes);
  });
});
