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

/** How much of the file says something: room for more, as zeros, may follow. */
export function lengthOf(path: string): number {
  return 1 + readFileSync(path).findLastIndex((byte) => byte !== 0);
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
