/**
 * Durable writes of 2 KB by 32 writers, each of which waits for its write before it makes the next: the journal store with all
 * that it does (encoding, checksums, rotation, snapshots) beside a bare loop that appends as many bytes and flushes them in
 * groups, and SQLite, batched and synchronous. Medians of interleaved rounds on one disk.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Document, encodeDocument } from "../src/crdt/document.js";
import { ShoppingList } from "../src/crdt/shopping-list.js";
import { JournalStore, SEGMENT_BYTES } from "../src/server/store/journal-store.js";
import { generator } from "../test/households.js";
import { median, report, type Row } from "./table.js";

const WRITERS = 32;
const WRITE_BYTES = 2_000;
/** Enough for many segments, and so for what making snapshots of them takes, and for using them again. */
const WRITES = 300_000;
const ROUNDS = 5;
const LISTS = 1_000;

const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? process.cwd(), ".bench-"));
let files = 0;

/** Writers in a circle. @returns writes a second */
async function rate(write: (index: number) => Promise<void>): Promise<number> {
  let written = 0;
  const began = performance.now();
  const writer = async (): Promise<void> => {
    while (written < WRITES) await write(written++);
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  return (WRITES / (performance.now() - began)) * 1_000;
}

/** What there is to do at least: append, flush what came together, tell those who wait. */
async function bare(): Promise<number> {
  const file = await open(join(folder, `bare-${++files}`), "a");
  const line = Buffer.alloc(WRITE_BYTES, "x");
  let waiting: (() => void)[] = [];
  let flushing = false;
  const flush = async (): Promise<void> => {
    flushing = true;
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      await file.appendFile(Buffer.concat(group.map(() => line)));
      await file.datasync();
      for (const resolve of group) resolve();
    }
    flushing = false;
  };
  const result = await rate(
    () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        if (!flushing) void flush();
      }),
  );
  await file.close();
  return result;
}

/** Deltas of about so many bytes, each several items of one list, as they stand in messages. */
function deltas(): readonly { readonly listId: string; readonly text: string }[] {
  const random = generator(7);
  return Array.from({ length: LISTS }, (_, index) => {
    const list = new ShoppingList();
    const delta = new Document();
    for (let item = 0; JSON.stringify(encodeDocument(delta)).length < WRITE_BYTES; item++) {
      const author = {
        replica: `replica${index}`,
        id: `${index}-${item}-${random().toString(36).slice(2, 8)}`,
        at: 1_790_000_000_000 + item,
      };
      delta.join(new Document(list.add(author, `something ${item}`, null, 1_000)));
    }
    const listId = `${(index + 0x10000000).toString(16)}-1111-4111-8111-111111111111`;
    return { listId, text: JSON.stringify(encodeDocument(delta)) };
  });
}

const made = deltas();

async function journal(): Promise<number> {
  const problem = (what: unknown): never => {
    throw new Error(JSON.stringify(what));
  };
  const options = { segmentBytes: SEGMENT_BYTES, onDamage: problem, onCompactionFailed: problem };
  const store = await JournalStore.open(join(folder, `journal-${++files}`), options);
  // A server reads them from messages, which is no part of storing them.
  const changes = made.map(({ listId, text }) => ({ listId, delta: Document.read(text) }));
  const result = await rate(async (index) => {
    const change = changes[index % changes.length];
    if (change !== undefined) await store.append([change]);
  });
  await store.close();
  return result;
}

/** Python's own, since it is there wherever these benchmarks run; a transaction for what 32 writers bring, synchronous=FULL. */
function sqlite(): number {
  const path = join(folder, `sqlite-${++files}.db`);
  const { stdout, status, stderr } = spawnSync(
    "python3",
    [join(import.meta.dirname, "sqlite.py"), path, `${WRITERS}`, `${WRITE_BYTES}`, "1"],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}

const rates = { bare: [] as number[], journal: [] as number[], sqlite: [] as number[] };
try {
  for (let round = 0; round < ROUNDS; round++) {
    rates.bare.push(await bare());
    rates.journal.push(await journal());
    rates.sqlite.push(sqlite());
  }
  const reference = median(rates.bare);
  const row = (name: string, values: readonly number[], atLeast: number | null): Row => ({
    name,
    figure: `${Math.round(median(values)).toLocaleString("en")} writes/s`,
    ratio: median(values) / reference,
    ...(atLeast === null ? {} : { atLeast }),
  });
  report(`durable writes of ${WRITE_BYTES} bytes, ${WRITERS} writers`, [
    row("append and group commit, bare", rates.bare, null),
    row("journal store", rates.journal, 0.8),
    row("SQLite, batched, synchronous=FULL", rates.sqlite, null),
    {
      name: "journal store to SQLite",
      figure: "",
      ratio: median(rates.journal) / median(rates.sqlite),
      atLeast: 1,
    },
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
