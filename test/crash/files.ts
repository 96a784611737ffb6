import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LINE_FEED = 10;

/** What nobody would take for a file of ours. */
export const GARBAGE = Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7_919) % 256));

/** All files in the folder and those below it, in order of their paths. */
export function filesIn(folder: string): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** What stands in a segment of a journal where its next line would begin. */
const END = Buffer.alloc(8);

/** How much of the file says something: of a segment, what is before its end. */
export function lengthOf(path: string): number {
  const bytes = readFileSync(path);
  if (bytes.subarray(0, END.byteLength).equals(END)) return 0;
  const feed = bytes.indexOf(Buffer.concat([Buffer.of(LINE_FEED), END]));
  return feed < 0 ? 1 + bytes.findLastIndex((byte) => byte !== 0) : feed + 1;
}

/** Writes what is none of the file's own after all that says something. */
export function spoilEnd(path: string): void {
  const bytes = readFileSync(path);
  const at = lengthOf(path);
  writeFileSync(path, Buffer.concat([bytes.subarray(0, at), GARBAGE, bytes.subarray(at + GARBAGE.byteLength)]));
}

/**
 * Changes one bit of the file, `at` from 0 for its begin to 1 for its end; where there is a line feed, which may be of no
 * account, of the byte before. Writes it in place.
 */
export function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  let position = Math.floor(at * (lengthOf(path) - 1));
  if (bytes[position] === LINE_FEED) position += position === 0 ? 1 : -1;
  bytes[position] = (bytes[position] ?? 0) ^ 4;
  writeFileSync(path, bytes);
}

/** The same a little behind the first place that has this text. */
export function flipBehind(path: string, text: string): void {
  const position = readFileSync(path).indexOf(text) + text.length + 10;
  flip(path, position / (lengthOf(path) - 1) + Number.EPSILON);
}
