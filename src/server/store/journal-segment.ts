import { constants } from "node:fs";
import { open, readFile, type FileHandle } from "node:fs/promises";
import { decodeDocument } from "../../crdt/document.js";
import { isListId } from "../../protocol/ids.js";
import { checkedLine, contentOf } from "./checked-line.js";
import type { ListDelta } from "./store.js";

/** One line of a journal: the batch as JSON. */
export function encodeLine(batch: readonly ListDelta[]): string {
  return checkedLine(`[${batch.map(({ listId, delta }) => `["${listId}",${delta.text}]`).join(",")}]`);
}

/** The batch on a line without its line feed, or null where the line is not what was written. */
export function decodeLine(line: string): readonly ListDelta[] | null {
  const json = contentOf(line);
  if (json === null) return null;
  try {
    return (JSON.parse(json) as [string, unknown][]).map(([listId, delta]) => {
      if (!isListId(listId)) throw new Error("malformed list id");
      return { listId, delta: decodeDocument(delta) };
    });
  } catch {
    return null;
  }
}

export interface SegmentContent {
  readonly batches: readonly (readonly ListDelta[])[];
  /** Lines that are not what was written. A crash leaves at most one group of them, at the end, that was never acknowledged. */
  readonly damaged: readonly string[];
  readonly endsTorn: boolean;
  readonly bytes: number;
}

/** The text of a file without the room at its end that was never written to. */
function written(data: Buffer): string {
  let end = data.byteLength;
  while (end > 0 && data[end - 1] === 0) end--;
  return data.toString("utf8", 0, end);
}

/** What is left of room that a failed append did not fill. */
const ROOM = /^\0*$/;

export async function readSegment(path: string): Promise<SegmentContent> {
  const text = written(await readFile(path));
  const lines = text.split("\n");
  const unfinished = lines.pop() ?? "";
  const batches: (readonly ListDelta[])[] = [];
  const damaged: string[] = [];
  for (const line of lines) {
    // Before the first append after a failed one there may be nothing, or room that the failed one did not fill.
    if (ROOM.test(line)) continue;
    const batch = decodeLine(line);
    if (batch === null) damaged.push(line);
    else batches.push(batch);
  }
  if (unfinished !== "") damaged.push(unfinished);
  return { batches, damaged, endsTorn: unfinished !== "", bytes: text.length };
}

/**
 * How much a segment grows at a time: within room that it has, an append changes no metadata of the file, and so costs the disk
 * half (see bench/journal.ts).
 */
const ROOM_BYTES = 256 * 1024;

/** A write returns when the disk has it: one way to the disk and back instead of two. */
const ON_DISK = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_DSYNC;

/** The segment that is being appended to. */
export class SegmentWriter {
  #bytes = 0;
  #allocated = 0;
  #growth: Promise<void> | null = null;
  #endIsUnknown = false;

  private constructor(
    readonly path: string,
    readonly file: FileHandle,
  ) {}

  /** Creates the file; it must not be there yet. */
  static async create(path: string): Promise<SegmentWriter> {
    return new SegmentWriter(path, await open(path, ON_DISK, 0o600));
  }

  /** What was appended so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends whole lines and waits until the disk has them. What a failed one left is closed off by a line feed. */
  async append(lines: string): Promise<void> {
    const data = Buffer.from(this.#endIsUnknown ? `\n${lines}` : lines);
    const at = this.#bytes;
    this.#endIsUnknown = true;
    this.#bytes += data.byteLength;
    await this.#makeRoom(this.#bytes);
    await this.#write(data, at);
    this.#endIsUnknown = false;
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
