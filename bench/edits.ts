/**
 * One list edited 1,000 and 100,000 times on a server's disk: how large its folder is afterwards, and how long it takes to open it
 * and read the list. EDITS names another number.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Document } from "../src/crdt/document.js";
import { itemKey } from "../src/crdt/item-key.js";
import { ShoppingList } from "../src/crdt/shopping-list.js";
import { JournalStore, SEGMENT_BYTES } from "../src/server/store/journal-store.js";
import { median, report, type Row } from "./table.js";

const LIST = "11111111-1111-4111-8111-111111111111";
const ITEMS = 20;
const OPENINGS = 11;
/** So many edits wait for one flush, as when many clients write. */
const AT_A_TIME = 50;
const EDITS = [1_000, Number(process.env.EDITS ?? 100_000)];

const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? process.cwd(), ".bench-"));

function open(path: string): Promise<JournalStore> {
  const problem = (what: unknown): never => {
    throw new Error(JSON.stringify(what));
  };
  return JournalStore.open(path, { segmentBytes: SEGMENT_BYTES, onDamage: problem, onCompactionFailed: problem });
}

async function edit(path: string, edits: number): Promise<void> {
  const store = await open(path);
  const list = new ShoppingList();
  const keys = Array.from({ length: ITEMS }, (_, item) => itemKey(`item ${item}`, null));
  const author = (at: number) => ({ replica: `replica${at % 3}`, id: `edit-${at}`, at });
  keys.forEach((_, item) => list.add(author(item), `item ${item}`, null, 1_000));
  await store.append([{ listId: LIST, delta: new Document(list.clone()) }]);
  for (let at = 0; at < edits; at += AT_A_TIME) {
    const deltas = Array.from({ length: AT_A_TIME }, (_, one) =>
      list.acquire(author(ITEMS + at + one), keys[(at + one) % ITEMS] ?? "", (at + one) % 2 === 0 ? 1 : -1),
    );
    await Promise.all(deltas.map((delta) => store.append([{ listId: LIST, delta: new Document(delta) }])));
  }
  await store.close();
}

function sizeOf(path: string): number {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

const times = new Map(EDITS.map((edits) => [edits, [] as number[]]));
const sizes = new Map<number, number>();
try {
  for (const edits of EDITS) {
    await edit(join(folder, `${edits}`), edits);
    sizes.set(edits, sizeOf(join(folder, `${edits}`)));
  }
  for (let opening = 0; opening < OPENINGS; opening++) {
    for (const edits of EDITS) {
      const began = performance.now();
      const store = await open(join(folder, `${edits}`));
      await store.read(LIST);
      times.get(edits)?.push(performance.now() - began);
      await store.close();
    }
  }
  const medianOf = (edits: number): number => median(times.get(edits) ?? []);
  const first = medianOf(EDITS[0] ?? 0);
  const rows = EDITS.map((edits): Row => ({
    name: `${edits.toLocaleString("en")} edits, ${Math.round((sizes.get(edits) ?? 0) / 1024)} kB on disk`,
    figure: `${medianOf(edits).toFixed(1)} ms to read`,
    ratio: medianOf(edits) / first,
    ...(edits === EDITS[0] ? {} : { atMost: 1.25 }),
  }));
  report("one list edited many times: opening its store and reading it", rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
