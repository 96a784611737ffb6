import { mkdirSync } from "node:fs";
import { JournalStore, SEGMENT_BYTES } from "../src/server/store/journal-store.js";
import type { ListDelta } from "../src/server/store/store.js";
import { households } from "../test/households.js";

const BATCH = 200;

function problem(what: unknown): never {
  throw new Error(JSON.stringify(what));
}

/** Writes households' lists as a server would have kept them. @returns the number of items */
export async function fill(dataDir: string, lists: number): Promise<number> {
  mkdirSync(dataDir, { recursive: true });
  const options = { segmentBytes: SEGMENT_BYTES, onDamage: problem, onCompactionFailed: problem };
  const store = await JournalStore.open(dataDir, options);
  let items = 0;
  let batch: ListDelta[] = [];
  for (const list of households(lists)) {
    items += list.items;
    batch.push({ listId: list.listId, delta: list.document });
    if (batch.length < BATCH) continue;
    await store.append(batch);
    batch = [];
  }
  await store.append(batch);
  await store.close();
  // What is left in the journal becomes snapshots, as it would while nothing happens.
  await (await JournalStore.open(dataDir, options)).close();
  return items;
}
