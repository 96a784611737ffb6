import { constants } from "node:fs";
import { open, readFile, rename, type FileHandle } from "node:fs/promises";
import { decodeDocument, Document } from "../../crdt/document.js";
import { isListId } from "../../protocol/ids.js";
import { CheckedLines, contentOf } from "./checked-line.js";
import { numberedPath } from "./numbered-files.js";
import type { ListDelta } from "./store.js";

export type Batch = readonly ListDelta[];

/** No line begins like this, whichever byte of it is flipped. */
const NO_LINE = "\0".repeat(8);

/** A file's mark, of whatever life. */
const MARK = /^\0{8}[0-9]{15}/;

/** What stands after the last line of a segment of this number: what follows is room, or what the file held in an earlier life. */
function endOf(number: number): Buffer {
  return Buffer.from(`${NO_LINE}${String(number).padStart(15, "0")}`);
}

/** The batch of a line without its line feed, or null where the line is not what was written to this segment. */
function decodeLine(line: string, number: number): Batch | null {
  const json = contentOf(line, number);
  if (json === null) return null;
  try {
    return (JSON.parse(json) as [string, unknown][]).map(([listId, delta]) => {
      if (!isListId(listId)) throw new Error("malformed list id");
      return { listId, delta: documentOf(delta) };
    });
  } catch {
    return null;
  }
}

/** What was written unopened may be a document to another build alone. */
function documentOf(delta: unknown): Document {
  try {
    return decodeDocument(delta);
  } catch {
    return Document.unopened(JSON.stringify(delta));
  }
}

export interface SegmentContent {
  readonly batches: readonly Batch[];
  /** Lines that are not what was written. */
  readonly damaged: readonly string[];
  /** What stands in the place of an end, as a crash leaves it in the middle of a group, which was never acknowledged. */
  readonly torn: string | null;
  readonly bytes: number;
}

/**
 * @param number the segment's own: its lines are checked by it, so that those of the file's earlier lives are none of them
 */
export async function readSegment(path: string, number: number): Promise<SegmentContent> {
  const data = await readFile(path);
  const own = endOf(number);
  const batches: Batch[] = [];
  const damaged: string[] = [];
  // Emptied, and about to get another number: what it held is elsewhere.
  if (MARK.test(data.toString("latin1", 0, own.byteLength))) return { batches, damaged, torn: null, bytes: 0 };
  // Of a group that a crash cut off, and of an earlier life if the file had one: nothing that was acknowledged.
  let strange: string[] = [];
  let [at, bytes] = [0, 0];
  while (at < data.byteLength && !isAt(data, at, own)) {
    const feed = data.indexOf(10, at);
    const end = feed < 0 ? data.byteLength : feed;
    const line = data.toString("utf8", at, end);
    const batch = feed < 0 ? null : decodeLine(line, number);
    at = end + 1;
    if (batch === null) {
      strange.push(line);
      continue;
    }
    damaged.push(...strange);
    strange = [];
    batches.push(batch);
    bytes = at;
  }
  const [first = ""] = strange;
  // All that stands before the segment's own end was acknowledged; and it has one from its beginning.
  if (at < data.byteLength) damaged.push(...strange);
  else if (first.startsWith(NO_LINE) && bytes === 0) damaged.push("");
  else if (first !== "" && !first.startsWith(NO_LINE)) return { batches, damaged, torn: first, bytes };
  return { batches, damaged, torn: null, bytes };
}

function isAt(data: Buffer, at: number, what: Buffer): boolean {
  return data.subarray(at, at + what.byteLength).equals(what);
}

/**
 * How much a segment grows at a time: within room that it has, an append changes no metadata of the file, and so costs the disk
 * half (see bench/journal.ts).
 */
const ROOM_BYTES = 256 * 1024;

/** A write returns when the disk has it: one way to the disk and back instead of two. */
const ON_DISK = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_DSYNC;

/** A file that is being appended to, by one at a time. */
export class SegmentWriter {
  readonly #lines = new CheckedLines();
  #bytes = 0;
  #allocated = 0;
  #growth: Promise<void> | null = null;
  #isSpoiled = false;
  #end: Buffer;

  private constructor(
    readonly folder: string,
    private number: number,
    readonly file: FileHandle,
  ) {
    this.#end = endOf(number);
  }

  /** Creates the file, which must not be there yet. Its name is for the caller to make durable. */
  static async create(folder: string, number: number): Promise<SegmentWriter> {
    const writer = new SegmentWriter(folder, number, await open(numberedPath(folder, number), ON_DISK, 0o600));
    // On a disk that is full there may still be much to read.
    await writer.#write(writer.#end, 0).then(
      () => (writer.#allocated = writer.#end.byteLength),
      () => undefined,
    );
    return writer;
  }

  get path(): string {
    return numberedPath(this.folder, this.number);
  }

  /** What was appended so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the disk refused something here: better to go on elsewhere. */
  get isSpoiled(): boolean {
    return this.#isSpoiled;
  }

  /** Appends a line for each batch and waits until the disk has them. What a failed one left is overwritten by the next. */
  async append(batches: Iterable<Batch>): Promise<void> {
    this.#lines.clear();
    for (const batch of batches) this.#lines.add(partsOf(batch), this.number);
    const end = this.#bytes + this.#lines.bytes.byteLength;
    try {
      const data = this.#lines.followedBy(this.#end);
      await this.#makeRoom(this.#bytes + data.byteLength);
      await this.#write(data, this.#bytes);
    } catch (error) {
      this.#isSpoiled = true;
      throw error;
    }
    this.#bytes = end;
  }

  /**
   * Empties the file and gives it another number, under which what it held is nothing any more: an append to room that was
   * written to before costs least (as PostgreSQL recycles its segments). Not to be appended to before its name is durable.
   */
  async renew(number: number): Promise<void> {
    await this.#growth;
    const end = endOf(number);
    await this.#write(end, 0);
    const before = this.path;
    await rename(before, numberedPath(this.folder, number));
    this.number = number;
    this.#end = end;
    this.#bytes = 0;
  }

  async close(): Promise<void> {
    await this.#growth;
    await this.file.close();
  }

  /** Waits until there is room for so many bytes, and sees to more of it ahead of time. */
  async #makeRoom(wanted: number): Promise<void> {
    while (wanted > this.#allocated) await this.#growing(wanted - this.#allocated);
    if (wanted > this.#allocated - ROOM_BYTES / 2) void this.#growing(ROOM_BYTES);
  }

  /** More room, unless it is on its way. Where the disk has none to spare, what is appended makes its own. */
  #growing(wanted: number): Promise<void> {
    const bytes = Math.ceil(wanted / ROOM_BYTES) * ROOM_BYTES;
    this.#growth ??= this.#write(Buffer.alloc(bytes), this.#allocated)
      .catch(() => undefined)
      .then(() => {
        this.#allocated += bytes;
        this.#growth = null;
      });
    return this.#growth;
  }

  async #write(data: Buffer, position: number): Promise<void> {
    for (let at = 0; at < data.byteLength;) {
      at += (await this.file.write(data, at, data.byteLength - at, position + at)).bytesWritten;
    }
  }
}

/** The batch as JSON, in pieces. */
function partsOf(batch: Batch): readonly string[] {
  const parts: string[] = [];
  for (const { listId, delta } of batch) parts.push(`${parts.length === 0 ? "[" : ","}["${listId}",`, delta.text, "]");
  parts.push(parts.length === 0 ? "[]" : "]");
  return parts;
}
