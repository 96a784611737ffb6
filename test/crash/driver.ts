/**
 * Writes to a store until it has done its steps or is killed, and says on standard output, a line each, what it is about
 * to do and what the store acknowledged and when. A store that refuses is told of, and gone on with.
 */
import { encodeDocument } from "../../src/crdt/document.js";
import { print, readerGone } from "../../src/runtime/output.js";
import { JournalStore } from "../../src/server/store/journal-store.js";
import { FIXED_PID } from "./fixed.js";
import { Writer } from "./workload.js";

export interface DriverOptions {
  readonly folder: string;
  readonly seed: number;
  /** The writers' numbers: from the first up to, and without, the second. */
  readonly writers: readonly [number, number];
  /** How many each writer makes; null for no end. */
  readonly steps: number | null;
  readonly segmentBytes: number;
  /** Ends like a process that was killed. */
  readonly dies: boolean;
}

const say = (...words: readonly unknown[]): void => print(`${words.map(oneLine).join(" ")}\n`);
const oneLine = (word: unknown): string => String(word).replaceAll("\n", " ");

async function write(store: JournalStore, writer: Writer, steps: number): Promise<void> {
  for (let number = 1; number <= steps; number++) {
    const step = writer.next();
    const name = `${writer.number} ${number}`;
    try {
      if (step.type === "append") {
        await store.append(step.batch);
        say("acknowledged", name, process.hrtime.bigint());
      } else {
        say("dropping", name);
        await store.drop(step.listId);
      }
    } catch (error) {
      say("refused", name, error);
    }
  }
}

async function main({ folder, seed, writers: [from, to], steps, segmentBytes, dies }: DriverOptions): Promise<void> {
  say("writers", from, to);
  const store = await JournalStore.open(folder, {
    segmentBytes,
    onDamage: ({ problem }) => say("damage", problem),
    onCompactionFailed: (error) => say("compaction-failed", error),
  });
  const writers = Array.from({ length: to - from }, (_, index) => new Writer(seed, from + index));
  await Promise.all(writers.map(async (writer) => await write(store, writer, steps ?? Infinity)));
  if (dies) process.kill(realPid, "SIGKILL");
  for (const listId of store.lists()) {
    const list = await store.read(listId);
    if (list !== null) say("shows", listId, JSON.stringify(encodeDocument(list)));
  }
  await store.close();
  say("end");
}

const realPid = process.pid;
// A part of the names of temporary files, which have to be known before they are made.
Object.defineProperty(process, "pid", { value: FIXED_PID });
// Whoever listened may have been killed.
void readerGone().then(() => process.exit(1));
const options = JSON.parse(process.argv[2] ?? "") as DriverOptions;
main(options).catch((error: unknown) => {
  say("failed", error);
  process.exit(1);
});
