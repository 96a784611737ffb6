import { open, readFile, type FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { decodeDocument, encodeDocument } from "../../crdt/document.js";
import { isListId } from "../../protocol/ids.js";
import type { ListDelta } from "./store.js";

/** One line of a journal: a checksum, a space, and the batch as JSON. */
export function encodeLine(batch: readonly ListDelta[]): string {
  const json = JSON.stringify(batch.map(({ listId, delta }) => [listId, encodeDocument(delta)]));
  return `${checksumOf(json)} ${json}\n`;
}

const CHECKSUM_LENGTH = 8;

/** Eight hexadecimal digits that tell a torn or flipped line from the one that was written. */
function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(CHECKSUM_LENGTH, "0");
}

/** The batch on a line without its line feed, or null where the line is not what was written. */
export function decodeLine(line: string): readonly ListDelta[] | null {
  const json = line.slice(CHECKSUM_LENGTH + 1);
  if (line[CHECKSUM_LENGTH] !== " " || checksumOf(json) !== line.slice(0, CHECKSUM_LENGTH)) return null;
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
  /** Lines that are not what was written. A crash leaves at most one, at the end, that was never acknowledged. */
  readonly damaged: readonly string[];
  readonly endsTorn: boolean;
}

export async function readSegment(path: string): Promise<SegmentContent> {
  const text = await readFile(path, "utf8");
  const lines = text.split("\n");
  const unfinished = lines.pop() ?? "";
  const batches: (readonly ListDelta[])[] = [];
  const damaged: string[] = [];
  for (const line of lines) {
    // Empty lines stand before the first append after a failed one.
    if (line === "") continue;
    const batch = decodeLine(line);
    if (batch === null) damaged.push(line);
    else batches.push(batch);
  }
  if (unfinished !== "") damaged.push(unfinished);
  return { batches, damaged, endsTorn: unfinished !== "" };
}

/** The segment that is being appended to. */
export class SegmentWriter {
  #bytes = 0;
  #endIsUnknown = false;

  private constructor(
    readonly path: string,
    readonly file: FileHandle,
  ) {}

  /** Creates the file; it must not be there yet. */
  static async create(path: string): Promise<SegmentWriter> {
    return new SegmentWriter(path, await open(path, "wx", 0o600));
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Appends whole lines and waits until the disk has them. After a failure, what it left is closed off by a line feed. */
  async append(lines: string): Promise<void> {
    const data = Buffer.from(this.#endIsUnknown ? `\n${lines}` : lines);
    this.#endIsUnknown = true;
    await this.file.appendFile(data);
    await this.file.datasync();
    this.#endIsUnknown = false;
    this.#bytes += data.byteLength;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
