import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** A file whose name says its place in an order: eight digits, or more once they do not suffice. */
export interface NumberedFile {
  readonly number: number;
  readonly path: string;
}

/** Beyond that nobody comes by counting, and a checksum cannot begin with it: a file that is called so is none of ours. */
const MOST = 4_000_000_000;

const NAME = /^([0-9]{8,15})\.jsonl$/;

export function numberedPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(8, "0")}.jsonl`);
}

/**
 * The numbered files of a folder in their order, what stands in the place of one and is none, and the first number that nothing
 * there has.
 */
export async function numberedFiles(
  folder: string,
): Promise<{ readonly files: readonly NumberedFile[]; readonly strange: readonly string[]; readonly next: number }> {
  const files: NumberedFile[] = [];
  const strange: string[] = [];
  let next = 1;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const number = Number(NAME.exec(entry.name)?.[1]);
    if (Number.isNaN(number)) continue;
    const path = join(folder, entry.name);
    if (number < MOST) next = Math.max(next, number + 1);
    if (number < MOST && entry.isFile()) files.push({ number, path });
    else strange.push(path);
  }
  return { files: files.sort((a, b) => a.number - b.number), strange, next };
}
