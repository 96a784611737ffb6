import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { encodeListText } from "../../src/crdt/codec.js";
import { Document } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { partitionOf } from "../../src/protocol/hash-ring.js";
import type { Store } from "../../src/server/store/store.js";
import { author, change, type Change } from "../crdt/scripts.js";

/** A backend under test: the same place can be opened again, after closing or after a crash. */
export interface StorePlace {
  open(): Promise<Store>;
  /** Leaves the store as a killed process would: nothing finished, nothing closed. */
  crash(store: Store): Promise<void>;
  remove(): void;
}

const LIST = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";

function addition(list: ShoppingList, name: string): Document {
  return new Document(list.add(author("a"), name, null, 1_000));
}

/** What every store promises; run for each backend. */
/** @param isShared whether others write to it, too, so that it neither knows all that it has nor lets go of any of it */
export function keepsTheStoreContract(name: string, newPlace: () => StorePlace, isShared = false): void {
  describe(`${name} as a store`, () => {
    const places: StorePlace[] = [];
    const place = (): StorePlace => {
      const made = newPlace();
      places.push(made);
      return made;
    };
    afterEach(() => places.splice(0).forEach((one) => one.remove()));

    it("knows nothing of a list that was never written", async () => {
      const store = await place().open();
      expect(await store.read(LIST)).toBeNull();
      expect(store.count()).toBe(0);
      await store.close();
    });

    it("reads the join of what was appended, in whatever order it came, before and after it is opened again", async () => {
      const at = place();
      const list = new ShoppingList();
      const deltas = ["milk", "eggs", "bread"].map((item) => addition(list, item));
      const store = await at.open();
      for (const delta of [...deltas].reverse()) await store.append([{ listId: LIST, delta }]);
      expect(encodeListText((await store.read(LIST))?.list ?? new ShoppingList())).toBe(encodeListText(list));
      await store.close();
      const again = await at.open();
      expect(encodeListText((await again.read(LIST))?.list ?? new ShoppingList())).toBe(encodeListText(list));
      await again.close();
    });

    it("hands out lists that the caller may change", async () => {
      const store = await place().open();
      const list = new ShoppingList();
      await store.append([{ listId: LIST, delta: addition(list, "milk") }]);
      const mine = await store.read(LIST);
      addition(mine?.list ?? new ShoppingList(), "beer");
      expect(encodeListText((await store.read(LIST))?.list ?? new ShoppingList())).toBe(encodeListText(list));
      await store.close();
    });

    if (!isShared)
      it("lets go of a list, and keeps what is written to it afterwards", async () => {
        const at = place();
        const store = await at.open();
        await store.append([{ listId: LIST, delta: addition(new ShoppingList(), "milk") }]);
        await store.append([{ listId: OTHER, delta: addition(new ShoppingList(), "eggs") }]);
        await store.drop(LIST);
        expect([await store.read(LIST), store.count(), [...store.lists()]]).toEqual([null, 1, [OTHER]]);
        const list = new ShoppingList();
        const dropping = store.drop(LIST);
        await store.append([{ listId: LIST, delta: addition(list, "bread") }]);
        await dropping;
        expect(encodeListText((await store.read(LIST))?.list ?? new ShoppingList())).toBe(encodeListText(list));
        await store.close();
        const again = await at.open();
        const after = [...((await again.read(LIST))?.list ?? new ShoppingList()).visibleItems()].map(
          (item) => item.name,
        );
        expect(after).toContain("bread");
        await again.close();
      });

    it("keeps everything it acknowledged through a crash, many writers at once included", async () => {
      const at = place();
      const lists = new Map([LIST, OTHER].map((id) => [id, new ShoppingList()]));
      const store = await at.open();
      const writes: Promise<void>[] = [];
      for (let round = 0; round < 50; round++) {
        for (const [listId, list] of lists) {
          writes.push(store.append([{ listId, delta: addition(list, `item ${round}`) }]));
        }
      }
      await Promise.all(writes);
      await at.crash(store);
      const again = await at.open();
      for (const [listId, list] of lists) {
        expect(encodeListText((await again.read(listId))?.list ?? new ShoppingList())).toBe(encodeListText(list));
      }
      await again.close();
    });

    it("appends a batch of several lists as one", async () => {
      const at = place();
      const store = await at.open();
      const [one, two] = [new ShoppingList(), new ShoppingList()];
      await store.append([
        { listId: LIST, delta: addition(one, "milk") },
        { listId: OTHER, delta: addition(two, "eggs") },
      ]);
      await at.crash(store);
      const again = await at.open();
      if (!isShared) expect(again.count()).toBe(2);
      expect((await again.read(OTHER))?.list.item("eggs")).toMatchObject({ needed: 1_000 });
      await again.close();
    });

    it("scans the lists of a partition and no others", async () => {
      const at = place();
      const store = await at.open();
      for (const listId of [LIST, OTHER]) await store.append([{ listId, delta: addition(new ShoppingList(), "milk") }]);
      const scan = async (): Promise<string[]> => {
        const found: string[] = [];
        for await (const listId of store.scan(partitionOf(LIST))) found.push(listId);
        return found;
      };
      expect(partitionOf(LIST)).not.toBe(partitionOf(OTHER));
      expect(await scan()).toEqual([LIST]);
      await store.close();
    });

    it("is a join: any split, order and repetition of the same deltas reads the same", async () => {
      const step: fc.Arbitrary<Change> = fc.record({
        type: fc.constantFrom("add" as const, "acquire" as const),
        replica: fc.constant(0),
        name: fc.nat(2),
        amount: fc.integer({ min: 1, max: 9 }),
      });
      const property = fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.nat(7),
        async (steps, repeated) => {
          const at = place();
          const list = new ShoppingList();
          const deltas = steps.map((one) => new Document(change(list, "a", one)));
          const store = await at.open();
          for (const delta of [...deltas, deltas[repeated % deltas.length] ?? new Document()].reverse()) {
            await store.append([{ listId: LIST, delta }]);
          }
          await store.close();
          const again = await at.open();
          expect(encodeListText((await again.read(LIST))?.list ?? new ShoppingList())).toBe(encodeListText(list));
          await again.close();
        },
      );
      await fc.assert(property, { numRuns: 20 });
    });
  });
}
