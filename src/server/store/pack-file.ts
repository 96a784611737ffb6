import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { isListId, type ListId } from "../../protocol/ids.js";
import { syncFolder } from "../../runtime/durable-file.js";
import { numberedPath } from "./numbered-files.js";
import { checkedLine, contentOf } from "./checked-line.js";

/** A snapshot as its line tells it: the document still as JSON. */
export interface PackLine {
  readonly listId: ListId;
  /** SHA-256 of the document's canonical form. */
  readonly digest: string;
  readonly document: string;
}

/** What is in a pack, and where: its last line but one. */
export interface PackIndex {
  readonly lists: readonly (readonly [listId: ListId, at: number, bytes: number, digest: string])[];
  /** Lists of earlier packs that are to be forgotten. */
  readonly gone: readonly ListId[];
}

/** The last line says where the index begins: so many hexadecimal digits and a line feed. */
const TRAILER_BYTES = 17;

/** Written at a time. */
const CHUNK_BYTES = 1024 * 1024;

/** Writes a pack beside the others, where it appears when it is whole. */
export class PackWriter {
  readonly places: [ListId, number, number, string][] = [];
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #bytes = 0;

  private constructor(
    readonly folder: string,
    readonly number: number,
    readonly file: FileHandle,
    readonly temporary: string,
  ) {}

  static async create(folder: string, number: number): Promise<PackWriter> {
    const temporary = `${numberedPath(folder, number)}.tmp`;
    return new PackWriter(folder, number, await open(temporary, "w", 0o600), temporary);
  }

  get path(): string {
    return numberedPath(this.folder, this.number);
  }

  get bytes(): number {
    return this.#bytes;
  }

  async add({ listId, digest, document }: PackLine): Promise<void> {
    const line = checkedLine(`["${listId}","${digest}",${document}]`);
    const at = this.#bytes;
    await this.#append(line);
    this.places.push([listId, at, this.#bytes - at - 1, digest]);
  }

  /** Durably. */
  async finish(gone: readonly ListId[]): Promise<void> {
    const indexAt = this.#bytes;
    const index: PackIndex = { lists: this.places, gone };
    await this.#append(checkedLine(JSON.stringify(index)));
    await this.#append(`${indexAt.toString(16).padStart(TRAILER_BYTES - 1, "0")}\n`);
    await this.#flush();
    await this.file.datasync();
    await this.file.close();
    await rename(this.temporary, this.path);
    await syncFolder(this.folder);
  }

  async abandon(): Promise<void> {
    await this.file.close().catch(() => undefined);
    await rm(this.temporary, { force: true });
  }

  async #append(text: string): Promise<void> {
    const data = Buffer.from(text);
    this.#waiting.push(data);
    this.#waitingBytes += data.byteLength;
    this.#bytes += data.byteLength;
    if (this.#waitingBytes >= CHUNK_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    const data = Buffer.concat(this.#waiting);
    [this.#waiting, this.#waitingBytes] = [[], 0];
    for (let at = 0; at < data.byteLength;) at += (await this.file.write(data, at)).bytesWritten;
  }
}

/** What is in a pack. Where its index cannot be found, all lines are read instead, and `damaged` has those that say nothing. */
export async function readIndex(path: string): Promise<{
  readonly index: PackIndex;
  readonly isFound: boolean;
  readonly bytes: number;
  readonly damaged: readonly string[];
}> {
  const file = await open(path, "r");
  try {
    const { size: bytes } = await file.stat();
    const trailer = await textAt(file, bytes - TRAILER_BYTES, TRAILER_BYTES);
    const indexAt = /^[0-9a-f]{16}\n$/.test(trailer) ? Number.parseInt(trailer, 16) : bytes;
    const line = await textAt(file, indexAt, bytes - TRAILER_BYTES - 1 - indexAt);
    const json = contentOf(line);
    if (json !== null) return { index: JSON.parse(json) as PackIndex, isFound: true, bytes, damaged: [] };
    return { ...indexOf(await file.readFile()), isFound: false, bytes };
  } finally {
    await file.close();
  }
}

/** The index that the lines of a pack make, and those of them that are damaged. */
export function indexOf(data: Buffer): { readonly index: PackIndex; readonly damaged: readonly string[] } {
  const lists: [ListId, number, number, string][] = [];
  const damaged: string[] = [];
  for (let at = 0; at < data.byteLength;) {
    const feed = data.indexOf(10, at);
    const end = feed < 0 ? data.byteLength : feed;
    const text = data.toString("utf8", at, end);
    const line = parsePackLine(text);
    if (line !== null) lists.push([line.listId, at, end - at, line.digest]);
    else if (!isIndex(text)) damaged.push(text);
    at = end + 1;
  }
  return { index: { lists, gone: [] }, damaged };
}

/** The index itself, or the trailer. */
function isIndex(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text) || contentOf(text)?.startsWith("{") === true;
}

const LINE = /^\["([0-9a-f-]{36})","([0-9a-f]{64})",/;
const DOCUMENT_AT = '["",""'.length + 36 + 64 + 1;

/** What a line of a pack says, or null where it is not what was written. */
export function parsePackLine(line: string): PackLine | null {
  const json = contentOf(line);
  const [, listId = "", digest = ""] = LINE.exec(json ?? "") ?? [];
  if (json === null || !isListId(listId)) return null;
  return { listId, digest, document: json.slice(DOCUMENT_AT, -1) };
}

async function textAt(file: FileHandle, position: number, bytes: number): Promise<string> {
  if (position < 0 || bytes <= 0) return "";
  const buffer = Buffer.alloc(bytes);
  let at = 0;
  while (at < bytes) {
    const { bytesRead } = await file.read(buffer, at, bytes - at, position + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return buffer.toString("utf8", 0, at);
}
