import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

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

/** Changes one bit of the file, `at` from 0 for its begin to 1 for its end. Writes it in place. */
export function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  const position = Math.floor(at * (bytes.length - 1));
  bytes[position] = (bytes[position] ?? 0) ^ 4;
  writeFileSync(path, bytes);
}
