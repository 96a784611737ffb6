import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeDocument, Document, documentDigest } from "../../crdt/document.js";
import type { ListId } from "../../protocol/ids.js";
import { isErrno } from "../../runtime/errno.js";
import { LAYOUT } from "./layout.js";
import { DamagedFileError, unsealed } from "../../runtime/sealed-json.js";
import { readSegment } from "./journal-segment.js";
import { numberedFiles } from "./numbered-files.js";
import { indexOf, parsePackLine, readIndex } from "./pack-file.js";

/** What a server's folder holds, and what of it is not as it was written. */
export interface Inspection {
  readonly segments: number;
  /** Batches in the journal. */
  readonly batches: number;
  readonly packs: number;
  readonly snapshots: number;
  readonly lists: number;
  readonly problems: readonly Problem[];
  /** What needs nobody to do anything. */
  readonly notes: readonly string[];
}

export interface Problem {
  readonly path: string;
  readonly problem: string;
}

/** Reads all of a server's folder, and changes none of it: everything is decoded, and every digest computed anew. */
export async function inspectStore(dataDir: string): Promise<Inspection> {
  const lists = new Set<ListId>();
  const [problems, notes]: [Problem[], string[]] = [[], []];
  const journal = await inspectJournal(join(dataDir, LAYOUT.journal), lists, problems, notes);
  const snapshots = await inspectPacks(join(dataDir, LAYOUT.snapshots), lists, problems);
  try {
    const path = join(dataDir, LAYOUT.membership);
    unsealed(path, await readFile(path, "utf8"));
  } catch (error) {
    if (error instanceof DamagedFileError) problems.push({ path: error.path, problem: error.message });
    else if (!isErrno(error, "ENOENT")) throw error;
    else notes.push("it knows of no other servers yet");
  }
  const aside = await namesIn(join(dataDir, LAYOUT.damaged));
  if (aside.length > 0) notes.push(`set aside earlier: ${aside.join(", ")} in ${join(dataDir, LAYOUT.damaged)}`);
  return { ...journal, ...snapshots, lists: lists.size, problems, notes };
}

async function inspectJournal(
  folder: string,
  lists: Set<ListId>,
  problems: Problem[],
  notes: string[],
): Promise<{ readonly segments: number; readonly batches: number }> {
  let [segments, batches] = [0, 0];
  const { files, strange } = await filesIn(folder);
  for (const path of strange) problems.push({ path, problem: "it is no file" });
  for (const { path, number } of files) {
    const content = await readSegment(path, number);
    segments++;
    batches += content.batches.length;
    for (const batch of content.batches) for (const { listId } of batch) lists.add(listId);
    const damaged = content.damaged.length;
    if (damaged > 0) problems.push({ path, problem: `${damaged} of its lines are damaged` });
    if (content.torn !== null)
      notes.push(`${path} ends in the middle of a line, as where it was being written when the power went`);
  }
  return { segments, batches };
}

async function inspectPacks(
  folder: string,
  lists: Set<ListId>,
  problems: Problem[],
): Promise<{ readonly packs: number; readonly snapshots: number }> {
  let [packs, snapshots] = [0, 0];
  const { files, strange } = await filesIn(folder);
  for (const path of strange) problems.push({ path, problem: "it is no file" });
  for (const { path } of files) {
    const { index, isFound } = await readIndex(path);
    const data = await readFile(path);
    const damaged = indexOf(data).damaged.length;
    packs++;
    if (!isFound) problems.push({ path, problem: "its index is damaged" });
    if (damaged > 0) problems.push({ path, problem: `${damaged} of its lines are damaged` });
    for (const [listId, at, bytes, digest] of index.lists) {
      const line = parsePackLine(data.toString("utf8", at, at + bytes));
      // A line that is not there was counted above.
      if (line === null) continue;
      snapshots++;
      lists.add(listId);
      const wrong =
        line.listId !== listId || line.digest !== digest ? "is another list's" : snapshotProblem(line.document, digest);
      if (wrong !== null) problems.push({ path, problem: `the snapshot of ${listId} ${wrong}` });
    }
  }
  return { packs, snapshots };
}

function snapshotProblem(text: string, digest: string): string | null {
  try {
    // Encoded anew, so that a form which is not the canonical one shows.
    const document = new Document();
    document.join(decodeDocument(JSON.parse(text)));
    const isSame = documentDigest(document) === digest && createHash("sha256").update(text).digest("hex") === digest;
    return isSame ? null : "does not have the digest that it says";
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function filesIn(folder: string): ReturnType<typeof numberedFiles> {
  return (await namesIn(folder)).length === 0 ? { files: [], strange: [], next: 1 } : await numberedFiles(folder);
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}
