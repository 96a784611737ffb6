import { appendFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Document } from "../../crdt/document.js";
import { partitionOf } from "../../protocol/hash-ring.js";
import type { ListId } from "../../protocol/ids.js";
import { makeFolder, syncFolder } from "../../runtime/durable-file.js";
import { takeLock, type Lock } from "../../runtime/lock.js";
import { GroupCommit } from "./group-commit.js";
import { encodeLine, readSegment, SegmentWriter } from "./journal-segment.js";
import { Snapshots } from "./snapshots.js";
import { StoreError, type Damage, type ListDelta, type Store } from "./store.js";

export interface JournalOptions {
  /** A segment that has grown beyond this is closed, and its lists are written out as snapshots. */
  readonly segmentBytes: number;
  readonly onDamage: (damage: Damage) => void;
  /** Writing snapshots failed; the journal still has everything, and it is tried again with the next segment. */
  readonly onCompactionFailed: (error: unknown) => void;
}

interface Append {
  readonly batch: readonly ListDelta[];
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
}

type Tail = Map<ListId, Document>;

/** Segments that take no more appends, and what they hold until it is in snapshots. */
interface Closed {
  readonly segments: readonly string[];
  readonly tail: Tail;
}

const LOCK_TIMEOUT_MS = 2_000;

/**
 * A journal of deltas and snapshots of lists. Joins are idempotent, so a list is simply its snapshot joined with every
 * delta of it still in the journal: an overlap or a repeat after a crash is harmless and no checkpoint has to be recorded.
 */
export class JournalStore implements Store {
  readonly #groups = new GroupCommit<Append>();
  readonly #lists = new Set<ListId>();
  /** What the open segment holds. */
  #tail: Tail = new Map();
  #closed: readonly Closed[] = [];
  #flushing: Promise<void> | null = null;
  #compacting: Promise<void> | null = null;
  /** Snapshots are written and removed one after the other, so that neither undoes the other. */
  #snapshotWork: Promise<unknown> = Promise.resolve();
  /** Lists whose snapshots are being removed: until then there would still be something to read. */
  readonly #removing = new Map<ListId, Promise<void>>();

  private constructor(
    readonly folder: string,
    readonly options: JournalOptions,
    readonly snapshots: Snapshots,
    readonly lock: Lock,
    private segment: SegmentWriter,
    private nextSegment: number,
  ) {}

  /** @throws LockedError where another process has the folder */
  static async open(dataDir: string, options: JournalOptions): Promise<JournalStore> {
    const folder = join(dataDir, "journal");
    const listsFolder = join(dataDir, "lists");
    const damagedFolder = join(dataDir, "damaged");
    for (const path of [folder, listsFolder]) await makeFolder(path);
    const lock = await takeLock(join(dataDir, "lock"), LOCK_TIMEOUT_MS);
    const snapshots = new Snapshots(listsFolder, damagedFolder, options.onDamage);
    const names = (await readdir(folder)).filter((name) => /^[0-9]{8}\.jsonl$/.test(name)).sort();
    const first = Number(names.at(-1)?.slice(0, 8) ?? 0) + 1;
    const segment = await SegmentWriter.create(segmentPath(folder, first));
    await syncFolder(folder);
    const store = new JournalStore(folder, options, snapshots, lock, segment, first + 1);
    for await (const listId of snapshots.scanAll()) store.#lists.add(listId);
    for (const name of names) await store.#recover(join(folder, name), damagedFolder);
    store.#startCompaction();
    return store;
  }

  append(batch: readonly ListDelta[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#groups.add({ batch, resolve, reject });
      this.#flush();
    });
  }

  async read(listId: ListId): Promise<Document | null> {
    await this.#removing.get(listId);
    return this.#lists.has(listId) ? await this.#read(listId) : null;
  }

  async #read(listId: ListId): Promise<Document> {
    // Taken before the snapshot is read: what is compacted meanwhile is either in that snapshot or still in these.
    const tails = [...this.#closed.map((closed) => closed.tail), this.#tail];
    const list = (await this.snapshots.read(listId)) ?? new Document();
    for (const tail of tails) {
      const delta = tail.get(listId);
      if (delta !== undefined) list.join(delta);
    }
    return list;
  }

  async drop(listId: ListId): Promise<void> {
    this.#lists.delete(listId);
    for (const tail of [this.#tail, ...this.#closed.map((closed) => closed.tail)]) tail.delete(listId);
    const removed = this.#exclusively(() => this.snapshots.remove(listId));
    this.#removing.set(listId, removed);
    try {
      await removed;
    } finally {
      if (this.#removing.get(listId) === removed) this.#removing.delete(listId);
    }
  }

  lists(): Iterable<ListId> {
    return this.#lists;
  }

  *scan(partition: number): Iterable<ListId> {
    for (const listId of this.#lists) if (partitionOf(listId) === partition) yield listId;
  }

  count(): number {
    return this.#lists.size;
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.#compacting;
    await this.#snapshotWork;
    await this.segment.close();
    this.lock.release();
  }

  #flush(): void {
    this.#flushing ??= this.#flushAll();
  }

  /** One group after the other, and between two of them, when the segment is full, the step to the next. */
  async #flushAll(): Promise<void> {
    for (let group = this.#groups.take(); group !== null; group = this.#groups.take()) {
      try {
        await this.segment.append(group.map(({ batch }) => encodeLine(batch)).join(""));
        for (const { batch } of group) for (const change of batch) this.#remember(this.#tail, change);
        for (const { resolve } of this.#groups.flushed()) resolve();
      } catch (error) {
        for (const { reject } of this.#groups.failed()) reject(new StoreError(String(error)));
      }
      if (this.segment.bytes > this.options.segmentBytes && this.#compacting === null) {
        await this.#rotate().catch(this.options.onCompactionFailed);
      }
    }
    // At once, not in a callback: what is appended from here on needs a flush of its own.
    this.#flushing = null;
  }

  /** Closes the segment, opens the next, and lets what the closed ones hold become snapshots. */
  async #rotate(): Promise<void> {
    const next = await SegmentWriter.create(segmentPath(this.folder, this.nextSegment++));
    await syncFolder(this.folder);
    const full = this.segment;
    this.segment = next;
    this.#closed = [...this.#closed, { segments: [full.path], tail: this.#tail }];
    this.#tail = new Map();
    await full.close();
    this.#startCompaction();
  }

  #startCompaction(): void {
    if (this.#compacting !== null || this.#closed.length === 0) return;
    this.#compacting = this.#compact(this.#closed)
      .catch(this.options.onCompactionFailed)
      .finally(() => (this.#compacting = null));
  }

  async #compact(closed: readonly Closed[]): Promise<void> {
    for (const one of closed) {
      for (const listId of one.tail.keys()) await this.#exclusively(() => this.#snapshot(listId, one.tail));
      // Gone already where an earlier attempt got this far.
      for (const path of one.segments) await rm(path, { force: true });
      await syncFolder(this.folder);
      this.#closed = this.#closed.filter((other) => other !== one);
    }
  }

  async #snapshot(listId: ListId, tail: Tail): Promise<void> {
    // It may have been dropped while others were written.
    const list = tail.has(listId) ? await this.#read(listId) : null;
    if (list !== null) await this.snapshots.write(listId, list);
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#snapshotWork.then(work);
    this.#snapshotWork = done.catch(() => undefined);
    return done;
  }

  async #recover(path: string, damagedFolder: string): Promise<void> {
    const { batches, damaged, endsTorn } = await readSegment(path);
    const tail: Tail = new Map();
    for (const batch of batches) for (const change of batch) this.#remember(tail, change);
    this.#closed = [...this.#closed, { segments: [path], tail }];
    if (damaged.length === 0) return;
    await makeFolder(damagedFolder);
    const aside = join(damagedFolder, "journal-lines.txt");
    await appendFile(aside, damaged.map((line) => `${line}\n`).join(""), { mode: 0o600 });
    const problem = `${damaged.length} damaged line(s) of ${path}${endsTorn ? ", the last one unfinished" : ""}`;
    this.options.onDamage({ path: aside, listId: null, problem });
  }

  #remember(tail: Tail, { listId, delta }: ListDelta): void {
    this.#lists.add(listId);
    const known = tail.get(listId);
    if (known === undefined) tail.set(listId, delta.clone());
    else known.join(delta);
  }
}

function segmentPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(8, "0")}.jsonl`);
}
