import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Document } from "../../crdt/document.js";
import { partitionOf } from "../../protocol/hash-ring.js";
import type { ListId } from "../../protocol/ids.js";
import { makeFolder, syncFolder } from "../../runtime/durable-file.js";
import { takeLock, type Lock } from "../../runtime/lock.js";
import { Flusher, type Waiter } from "./group-commit.js";
import { Infirmary, isOfDisk } from "./infirmary.js";
import { readSegment, SegmentWriter, type Batch, type SegmentContent } from "./journal-segment.js";
import { LAYOUT } from "./layout.js";
import { numberedFiles, type NumberedFile } from "./numbered-files.js";
import { Packs } from "./packs.js";
import { StoreError, type Damage, type Store } from "./store.js";

export interface JournalOptions {
  /** A segment that has grown beyond this is closed, and its lists are written out as snapshots. */
  readonly segmentBytes: number;
  readonly onDamage: (damage: Damage) => void;
  /** Writing snapshots failed; the journal still has everything, and it is tried again with the next segment. */
  readonly onCompactionFailed: (error: unknown) => void;
}

interface Append extends Waiter {
  readonly batch: Batch;
}

/** What of each list was appended, in order. */
type Tail = Map<ListId, Document[]>;

/** What takes no more appends, and what it holds until that is in snapshots. */
interface Closed {
  readonly path: string;
  readonly tail: Tail;
  readonly bytes: number;
  /** Who wrote it, unless it was there at the start. */
  readonly writer: SegmentWriter | null;
}

const LOCK_TIMEOUT_MS = 2_000;

/**
 * What a server's segments grow to. Each time one is full the disk has a handful of metadata to commit, for which appends wait, and
 * the lists in it are read and written anew: a quarter of this costs half of the writes a second (see bench/journal.ts).
 */
export const SEGMENT_BYTES = 32 * 1024 * 1024;

/** Where parts of lists are kept that are as they were written, and no documents. */
const UNREADABLE = "unreadable.txt";

/** So many full segments wait for their snapshots, and their content in memory, before appends wait, too. */
const MOST_CLOSED = 3;

/** How many times as large as it should be a segment may become where the full ones cannot be made snapshots of. */
const MOST_OVERFULL = 2;

/** From here on the parts of a list become one: each of them takes more memory than what it adds. */
const MOST_PARTS = 16;

/**
 * A journal of deltas, and snapshots of lists in packs. Joins are idempotent, so a list is simply its snapshot joined with every
 * delta of it still in the journal: an overlap or a repeat after a crash is harmless and no checkpoint has to be recorded.
 */
export class JournalStore implements Store {
  readonly #appends = new Flusher<Append>(
    async (group) => await this.#flush(group),
    async () => await this.#step(),
  );
  readonly #lists = new Set<ListId>();
  /** What the open segment holds. */
  #tail: Tail = new Map();
  #closed: readonly Closed[] = [];
  /** Emptied, to be appended to again. */
  readonly #spare: SegmentWriter[] = [];
  #compacting: Promise<void> | null = null;
  #verifying: Promise<void> | null = null;
  #isClosing = false;
  #isClosed = false;

  private constructor(
    readonly folder: string,
    readonly options: JournalOptions,
    readonly infirmary: Infirmary,
    readonly packs: Packs,
    readonly lock: Lock,
    private segment: SegmentWriter,
    private nextSegment: number,
  ) {}

  /** @throws LockedError where another process has the folder */
  static async open(dataDir: string, options: JournalOptions): Promise<JournalStore> {
    const folder = join(dataDir, LAYOUT.journal);
    await makeFolder(folder);
    const lock = await takeLock(join(dataDir, LAYOUT.lock), LOCK_TIMEOUT_MS);
    try {
      return await JournalStore.#openLocked(dataDir, folder, options, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  static async #openLocked(
    dataDir: string,
    folder: string,
    options: JournalOptions,
    lock: Lock,
  ): Promise<JournalStore> {
    const infirmary = new Infirmary(join(dataDir, LAYOUT.damaged), options.onDamage);
    const packs = await Packs.open(join(dataDir, LAYOUT.snapshots), infirmary, options.segmentBytes / 4);
    const { files, strange, next } = await numberedFiles(folder);
    for (const path of strange) await infirmary.keepFile(path, `${path} is no file`);
    const segment = await createSegment(folder, next);
    const store = new JournalStore(folder, options, infirmary, packs, lock, segment, next + 1);
    for (const listId of packs.lists()) store.#lists.add(listId);
    for (const file of files) await store.#recover(file);
    store.#startCompaction();
    store.#verifying = packs.verify(() => store.#isClosing).catch(options.onCompactionFailed);
    return store;
  }

  append(batch: Batch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#appends.add({ batch, resolve, reject });
    });
  }

  async read(listId: ListId): Promise<Document | null> {
    return this.#lists.has(listId) ? await this.#read(listId) : null;
  }

  async #read(listId: ListId): Promise<Document> {
    // Taken before the snapshot is read: what is compacted meanwhile is either in that snapshot or still in these.
    const parts = this.#tails.flatMap((tail) => tail.get(listId) ?? []);
    const snapshot = await this.packs.read(listId);
    const list = Document.unopened();
    for (const part of await this.#sound(listId, snapshot, parts)) list.join(part);
    return list;
  }

  /**
   * The parts that can be joined. One that was taken unopened and is no document is set aside; where there is no other, it stays
   * for whoever opens it to tell.
   */
  async #sound(listId: ListId, snapshot: Document | null, tail: readonly Document[]): Promise<readonly Document[]> {
    const parts = snapshot === null ? tail : [snapshot, ...tail];
    if (parts.length === 1) return parts;
    for (const part of parts) {
      const problem = problemOf(part);
      if (problem === null) continue;
      await this.infirmary.keepLines(UNREADABLE, [part.text], listId, `part of ${listId} ${problem}`);
      if (part === snapshot) this.packs.setAside(listId);
      for (const tail of this.#tails) {
        const others = tail.get(listId)?.filter((other) => other !== part);
        if (others !== undefined) tail.set(listId, others);
      }
    }
    return parts.filter((part) => problemOf(part) === null);
  }

  get #tails(): readonly Tail[] {
    return [...this.#closed.map(({ tail }) => tail), this.#tail];
  }

  drop(listId: ListId): Promise<void> {
    this.#lists.delete(listId);
    for (const tail of this.#tails) tail.delete(listId);
    this.packs.forget(listId);
    return Promise.resolve();
  }

  lists(): Iterable<ListId> {
    return this.#lists;
  }

  digest(listId: ListId): string | null {
    return this.#tails.some((tail) => tail.has(listId)) ? null : this.packs.digest(listId);
  }

  *scan(partition: number): Iterable<ListId> {
    for (const listId of this.#lists) if (partitionOf(listId) === partition) yield listId;
  }

  count(): number {
    return this.#lists.size;
  }

  get journalBytes(): number {
    return this.#closed.reduce((sum, { bytes }) => sum + bytes, this.segment.bytes);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#verifying;
    await this.#appends.idle();
    await this.#compacting;
    this.#isClosed = true;
    await this.#appends.idle();
    const writers = [...this.#closed.map(({ writer }) => writer), ...this.#spare, this.segment];
    try {
      for (const writer of writers) await writer?.close();
      await this.packs.close();
    } finally {
      this.lock.release();
    }
  }

  async #flush(group: readonly Append[]): Promise<void> {
    const batches = group.map(({ batch }) => batch);
    if (this.#isClosed) throw new StoreError("the store is closed");
    if (this.#isStuck) throw new StoreError("the disk takes no snapshots, and the journal is full");
    try {
      await this.segment.append(batches);
    } catch (error) {
      throw new StoreError(String(error));
    }
    for (const batch of batches) this.#remember(this.#tail, batch);
  }

  /** Between two groups the step to the next segment, when this one is full or the disk refuses to have more in it. */
  async #step(): Promise<void> {
    const { bytes, isSpoiled } = this.segment;
    if (this.#isClosed) return;
    if (bytes > this.options.segmentBytes || (isSpoiled && bytes > 0))
      await this.#rotate().catch(this.options.onCompactionFailed);
  }

  /** Whether no more can be appended, or memory would not be bounded, until snapshots can be written again. */
  get #isStuck(): boolean {
    return this.#closed.length >= MOST_CLOSED && this.segment.bytes > MOST_OVERFULL * this.options.segmentBytes;
  }

  /** Closes the segment, opens the next, and lets what the closed ones hold become snapshots. */
  async #rotate(): Promise<void> {
    if (this.#closed.length >= MOST_CLOSED) {
      this.#startCompaction();
      await this.#compacting;
      if (this.#closed.length >= MOST_CLOSED) return;
    }
    const next = this.#spare.pop() ?? (await createSegment(this.folder, this.nextSegment++));
    const { path, bytes } = this.segment;
    this.#closed = [...this.#closed, { path, tail: this.#tail, bytes, writer: this.segment }];
    this.segment = next;
    this.#tail = new Map();
    this.#startCompaction();
  }

  #startCompaction(): void {
    if (this.#compacting !== null || this.#closed.length === 0) return;
    this.#compacting = this.#compact(this.#closed)
      .catch(this.options.onCompactionFailed)
      .finally(() => {
        this.#compacting = null;
      });
  }

  /** Makes snapshots of what the closed segments hold, all in one pack, and lets go of the segments. */
  async #compact(closed: readonly Closed[]): Promise<void> {
    const lists = new Set(closed.flatMap(({ tail }) => [...tail.keys()]));
    // What was dropped since is not there any more.
    const isThere = (listId: ListId): boolean => closed.some(({ tail }) => tail.has(listId));
    const read = async (listId: ListId): Promise<Document | null> =>
      isThere(listId) ? await this.#read(listId) : null;
    if (lists.size > 0) await this.packs.write(lists, read);
    const renewed: SegmentWriter[] = [];
    for (const { path, writer } of closed) {
      if (writer !== null && (await this.#renew(writer))) renewed.push(writer);
      else await rm(writer?.path ?? path, { force: true });
    }
    await syncFolder(this.folder);
    // Not before their new names are durable.
    this.#spare.push(...renewed);
    this.#closed = this.#closed.filter((one) => !closed.includes(one));
  }

  /** Empties the segment for the next time that one is full, or else closes it for good. @returns whether it can be used again */
  async #renew(writer: SegmentWriter): Promise<boolean> {
    const number = this.nextSegment++;
    const isRenewed = !writer.isSpoiled && (await writer.renew(number).then(yes, no));
    if (!isRenewed) await writer.close();
    return isRenewed;
  }

  async #recover({ path, number }: NumberedFile): Promise<void> {
    let content: SegmentContent;
    try {
      content = await readSegment(path, number);
    } catch (error) {
      if (!isOfDisk(error)) throw error;
      await this.infirmary.keepFile(path, `${path} cannot be read: ${String(error)}`);
      return;
    }
    const { batches, damaged, torn, bytes } = content;
    const tail: Tail = new Map();
    for (const batch of batches) this.#remember(tail, batch);
    this.#closed = [...this.#closed, { path, tail, bytes, writer: null }];
    const lines = torn === null ? damaged : [...damaged, torn];
    if (lines.length === 0) return;
    const problem = `${lines.length} damaged line(s) of ${path}${torn === null ? "" : ", the last one unfinished"}`;
    await this.infirmary.keepLines("journal-lines.txt", lines, null, problem);
  }

  /** The deltas stay as they are: who appended them is done with them. */
  #remember(tail: Tail, batch: Batch): void {
    for (const { listId, delta } of batch) {
      this.#lists.add(listId);
      const parts = tail.get(listId);
      if (parts === undefined) tail.set(listId, [delta]);
      else if (parts.length < MOST_PARTS) parts.push(delta);
      else if ([...parts, delta].every((part) => problemOf(part) === null)) {
        const whole = new Document();
        for (const part of [...parts, delta]) whole.join(part);
        tail.set(listId, [whole]);
      } else parts.push(delta);
    }
  }
}

function problemOf(part: Document): string | null {
  try {
    part.open();
    return null;
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const yes = (): boolean => true;
const no = (): boolean => false;

/** A new segment whose name survives a crash. */
async function createSegment(folder: string, number: number): Promise<SegmentWriter> {
  const segment = await SegmentWriter.create(folder, number);
  try {
    await syncFolder(folder);
    return segment;
  } catch (error) {
    await segment.close();
    await rm(segment.path, { force: true });
    throw error;
  }
}
