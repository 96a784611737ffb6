import { readdir, readFile, rm } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { Document } from "../../crdt/document.js";
import type { ListId } from "../../protocol/ids.js";
import { makeFolder, syncFolder } from "../../runtime/durable-file.js";
import { isErrno } from "../../runtime/errno.js";
import { PackWriter, parsePackLine, readIndex, type PackIndex, type PackLine } from "./pack-file.js";
import { isOfDisk, type Infirmary } from "./infirmary.js";
import { numberedFiles } from "./numbered-files.js";
import { OpenFiles } from "./open-files.js";

/** A file of snapshots. It never changes: what is written later stands in a later one. */
interface Pack {
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  /** The lists whose newest snapshot it has, and how long those are. */
  readonly lists: Set<ListId>;
  live: number;
  /** Whether anything in it was not as it was written: then it is not thrown away. */
  isDamaged: boolean;
}

/** Where a list's newest snapshot lies. */
interface Place {
  readonly pack: Pack;
  readonly at: number;
  readonly bytes: number;
  readonly digest: string;
}

/** How many packs of less than `smallBytes` there may be before they become one. */
const MOST_SMALL = 8;

/** Where lines of packs are kept that are not as they were written. */
const DAMAGED_LINES = "snapshots.txt";

/** Snapshots looked at between two turns of everything else. */
const LOOKED_AT_A_TIME = 64;

/** Packs that stay open: what a process may have open is bounded, and each list that comes to memory is a read. */
const MOST_OPEN = 64;

/** What of old packs is written anew in one go at most: the rest has to wait for the next. */
const MOST_MOVED_BYTES = 64 * 1024 * 1024;

/**
 * Snapshots of lists, many to a file, each file written once, in one go, and then only read (a log-structured store after
 * Rosenblum and Ousterhout 1992, as Bitcask has it): one fsync for thousands of lists, and a start reads where they are and how
 * they hash, and none of them. A file that is half out of date moves, with what is still good, into the next one.
 */
export class Packs {
  readonly #places = new Map<ListId, Place>();
  readonly #packs = new Map<number, Pack>();
  readonly #files = new OpenFiles(MOST_OPEN);
  /** Let go of since the last pack was begun: the next one says so. */
  #gone = new Set<ListId>();
  #next = 1;

  private constructor(
    readonly folder: string,
    readonly infirmary: Infirmary,
    readonly smallBytes: number,
    readonly mostMovedBytes: number,
  ) {}

  static async open(
    folder: string,
    infirmary: Infirmary,
    smallBytes: number,
    mostMovedBytes = MOST_MOVED_BYTES,
  ): Promise<Packs> {
    const packs = new Packs(folder, infirmary, smallBytes, mostMovedBytes);
    await makeFolder(folder);
    const { files, strange, next } = await numberedFiles(folder);
    packs.#next = next;
    for (const path of strange) await infirmary.keepFile(path, `${path} is no file`);
    for (const { number, path } of files) await packs.#learn(number, path);
    // What a crash left of a pack that was being written says nothing that the journal does not say.
    for (const { name } of await readdir(folder, { withFileTypes: true }))
      if (/^[0-9]{8,15}\.jsonl\.tmp$/.test(name)) await rm(join(folder, name), { recursive: true });
    return packs;
  }

  lists(): Iterable<ListId> {
    return this.#places.keys();
  }

  /** The digest of the snapshot, or null where there is none. */
  digest(listId: ListId): string | null {
    return this.#places.get(listId)?.digest ?? null;
  }

  /** Unopened. Null where there is none, or where it was damaged: then it is set aside for a person to look at. */
  async read(listId: ListId): Promise<Document | null> {
    const line = await this.#line(listId);
    return line === null ? null : Document.unopened(line.document);
  }

  async close(): Promise<void> {
    await this.#files.closeAll();
  }

  /** Lets go of the list's snapshot. */
  forget(listId: ListId): void {
    this.#gone.add(listId);
    this.#displace(listId);
  }

  /** Reads the list's snapshot no more, which is as it was written and yet no document: its pack is kept for a person to look at. */
  setAside(listId: ListId): void {
    const place = this.#places.get(listId);
    if (place !== undefined) place.pack.isDamaged = true;
    this.#displace(listId);
  }

  /**
   * Writes these lists as they are now, durably, together with what is to be moved of older packs.
   * @param read null for what is not there any more
   */
  async write(lists: Iterable<ListId>, read: (listId: ListId) => Promise<Document | null>): Promise<void> {
    const gone = this.#gone;
    this.#gone = new Set();
    const victims = this.#victims();
    const writer = await PackWriter.create(this.folder, this.#next++).catch((error: unknown) => {
      for (const listId of gone) this.#gone.add(listId);
      throw error;
    });
    const moved = new Set(victims.flatMap((pack) => [...pack.lists]));
    try {
      for (const listId of lists) {
        moved.delete(listId);
        const document = await read(listId);
        if (document === null || document.isEmpty) continue;
        const { text } = document;
        await writer.add({ listId, digest: createHash("sha256").update(text).digest("hex"), document: text });
      }
      for (const listId of moved) {
        const line = await this.#line(listId);
        if (line !== null) await writer.add(line);
      }
      await writer.finish([...gone]);
    } catch (error) {
      await writer.abandon();
      for (const listId of gone) this.#gone.add(listId);
      throw error;
    }
    // What was let go of meanwhile has a snapshot again on disk, until the next pack says that it is gone.
    this.#install(writer.number, writer.path, writer.bytes, { lists: writer.places, gone: [] }, this.#gone);
    await this.#removeEmpty();
  }

  /**
   * Looks at every snapshot, so that what the disk has lost is found while others still have it, and not when it is needed.
   * @param isOver asked between two packs, and now and then within one
   */
  async verify(isOver: () => boolean): Promise<void> {
    for (const pack of [...this.#packs.values()]) {
      const isGone = (): boolean => this.#packs.get(pack.number) !== pack;
      if (isGone()) continue;
      // What cannot be read whole is read line by line.
      const data = await readFile(pack.path).catch((error: unknown) => {
        if (isGone()) return null;
        const problem = `${pack.path} cannot be read whole: ${reasonOf(error)}`;
        this.infirmary.onDamage({ path: pack.path, listId: null, problem });
        return null;
      });
      let looked = 0;
      for (const listId of [...pack.lists]) {
        if (++looked % LOOKED_AT_A_TIME === 0) await new Promise((resolve) => setImmediate(resolve));
        if (isOver()) return;
        const place = this.#places.get(listId);
        if (place?.pack !== pack) continue;
        if (data === null) await this.#line(listId);
        else if (!isIt(parsePackLine(data.toString("utf8", place.at, place.at + place.bytes)), listId, place))
          await this.#lose(place, listId);
      }
    }
  }

  async #line(listId: ListId): Promise<PackLine | null> {
    for (;;) {
      const place = this.#places.get(listId);
      if (place === undefined) return null;
      const line = await this.#text(place).then(parsePackLine, (error: unknown) => {
        if (!isOfDisk(error)) throw error;
        return reasonOf(error);
      });
      // While it was being looked for it may have moved.
      if (this.#places.get(listId) !== place) continue;
      if (typeof line !== "string" && isIt(line, listId, place)) return line;
      await this.#lose(place, listId, typeof line === "string" ? `cannot be read: ${line}` : undefined);
      return null;
    }
  }

  /** Empty where the file is gone. */
  async #text({ pack: { path }, at, bytes }: Place): Promise<string> {
    try {
      return (await this.#files.read(path, at, bytes)).toString("utf8");
    } catch (error) {
      if (isErrno(error, "ENOENT")) return "";
      throw error;
    }
  }

  async #learn(number: number, path: string): Promise<void> {
    try {
      const { index, isFound, bytes, damaged } = await readIndex(path);
      const pack = this.#install(number, path, bytes, index, new Set());
      if (isFound) return;
      pack.isDamaged = true;
      const problem = `the index of ${path} is damaged, with ${damaged.length} of its lines`;
      await this.infirmary.keepLines(DAMAGED_LINES, damaged, null, problem);
    } catch (error) {
      if (!isOfDisk(error)) throw error;
      await this.infirmary.keepFile(path, `${path} cannot be read: ${reasonOf(error)}`);
    }
  }

  #install(number: number, path: string, bytes: number, { lists, gone }: PackIndex, not: ReadonlySet<ListId>): Pack {
    for (const listId of gone) this.#displace(listId);
    const pack: Pack = { number, path, bytes, lists: new Set(), live: 0, isDamaged: false };
    this.#packs.set(number, pack);
    for (const [listId, at, length, digest] of lists) {
      if (not.has(listId)) continue;
      this.#displace(listId);
      this.#places.set(listId, { pack, at, bytes: length, digest });
      pack.lists.add(listId);
      pack.live += length;
    }
    return pack;
  }

  #displace(listId: ListId): void {
    const place = this.#places.get(listId);
    if (place === undefined) return;
    this.#places.delete(listId);
    place.pack.lists.delete(listId);
    place.pack.live -= place.bytes;
  }

  /** What is worth writing anew: packs that are half out of date, and small ones where there are many. */
  #victims(): readonly Pack[] {
    const packs = [...this.#packs.values()];
    const small = packs.filter(({ bytes }) => bytes < this.smallBytes);
    const isWorth = (pack: Pack): boolean =>
      2 * pack.live < pack.bytes || (small.length > MOST_SMALL && pack.bytes < this.smallBytes);
    const [first, ...others] = packs.filter(isWorth);
    if (first === undefined) return [];
    // One that is larger than there is room for would never move if it were not moved then.
    let room = this.mostMovedBytes - first.live;
    return [first, ...others.filter(({ live }) => live <= room && (room -= live) >= 0)];
  }

  async #removeEmpty(): Promise<void> {
    const empty = [...this.#packs.values()].filter(({ lists }) => lists.size === 0);
    for (const { number, path, isDamaged } of empty) {
      this.#packs.delete(number);
      if (isDamaged) await this.infirmary.keepFile(path, `${path} was damaged, and nothing in it is needed any more`);
      else await rm(path, { force: true });
      await this.#files.close(path);
    }
    if (empty.length > 0) await syncFolder(this.folder);
  }

  /** Sets a damaged snapshot aside. */
  async #lose(place: Place, listId: ListId, reason = "is damaged"): Promise<void> {
    const { pack } = place;
    this.#displace(listId);
    pack.isDamaged = true;
    const text = await this.#text(place).catch(() => "");
    await this.infirmary.keepLines(
      DAMAGED_LINES,
      [text],
      listId,
      `the snapshot of ${listId} in ${pack.path} ${reason}`,
    );
  }
}

function isIt(line: PackLine | null, listId: ListId, { digest }: Place): line is PackLine {
  return line?.listId === listId && line.digest === digest;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
