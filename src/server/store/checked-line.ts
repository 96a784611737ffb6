import { crc32 } from "node:zlib";

const CHECKSUM_LENGTH = 8;
const LINE_FEED = 10;
const SPACE = 32;

/** What lines may take of memory between two groups. */
const MOST_KEPT_BYTES = 1024 * 1024;

/** JSON on a line of its own after a checksum, which tells a torn or flipped line from the one that was written. */
export function checkedLine(json: string): string {
  return `${checksumOf(json)} ${json}\n`;
}

/** The JSON on a line without its line feed, or null where the line is not what was written. */
export function contentOf(line: string, seed = 0): string | null {
  const json = line.slice(CHECKSUM_LENGTH + 1);
  return line[CHECKSUM_LENGTH] === " " && checksumOf(json, seed) === line.slice(0, CHECKSUM_LENGTH) ? json : null;
}

/** Eight hexadecimal digits. */
function checksumOf(json: string | Uint8Array, seed = 0): string {
  return crc32(json, seed).toString(16).padStart(CHECKSUM_LENGTH, "0");
}

/** Checked lines one after the other, in memory that is used again and again. */
export class CheckedLines {
  #memory: Buffer = Buffer.allocUnsafe(4_096);
  #end = 0;

  /** Good until the next change. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#end);
  }

  /** The lines and something after them. Good until the next change. */
  followedBy(tail: Uint8Array): Buffer {
    this.#reserve(tail.byteLength);
    this.#memory.set(tail, this.#end);
    return this.#memory.subarray(0, this.#end + tail.byteLength);
  }

  clear(): void {
    this.#end = 0;
    // One that is very large comes once in a while.
    if (this.#memory.byteLength > MOST_KEPT_BYTES) this.#memory = Buffer.allocUnsafe(MOST_KEPT_BYTES);
  }

  /**
   * @param parts the JSON, in pieces that are not put together first, since that takes as long as all the rest
   * @param seed what the checksum starts from: a line is one for those who know it
   */
  add(parts: readonly string[], seed: number): void {
    // UTF-8 has at most three bytes for a code unit.
    this.#reserve(3 * parts.reduce((sum, { length }) => sum + length, 0) + CHECKSUM_LENGTH + 2);
    const memory = this.#memory;
    const from = this.#end + CHECKSUM_LENGTH + 1;
    let at = from;
    for (const part of parts) at += memory.write(part, at);
    memory.write(checksumOf(memory.subarray(from, at), seed), this.#end, "latin1");
    memory[from - 1] = SPACE;
    memory[at] = LINE_FEED;
    this.#end = at + 1;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#memory.byteLength) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#memory.byteLength, this.#end + bytes));
    this.#memory.copy(larger, 0, 0, this.#end);
    this.#memory = larger;
  }
}
