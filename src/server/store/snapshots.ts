import { readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { Low } from "lowdb";
import { MalformedStateError } from "../../crdt/codec.js";
import { decodeDocument, encodeDocument } from "../../crdt/document.js";
import type { Document } from "../../crdt/document.js";
import { PARTITIONS, partitionOf } from "../../protocol/hash-ring.js";
import { isListId, type ListId } from "../../protocol/ids.js";
import { DurableJsonFile, makeFolder } from "../../runtime/durable-file.js";
import { isErrno } from "../../runtime/errno.js";
import { DamagedFileError } from "../../runtime/sealed-json.js";
import type { Damage } from "./store.js";

/** One JSON file per list, in one folder per partition, each replaced as a whole. */
export class Snapshots {
  readonly #madeFolders = new Set<string>();

  constructor(
    readonly root: string,
    readonly damagedFolder: string,
    readonly onDamage: (damage: Damage) => void,
  ) {}

  async write(listId: ListId, list: Document): Promise<void> {
    const folder = this.#folderOf(partitionOf(listId));
    if (!this.#madeFolders.has(folder)) {
      await makeFolder(folder);
      this.#madeFolders.add(folder);
    }
    await new Low<unknown>(this.#fileOf(listId), encodeDocument(list)).write();
  }

  /** Null where there is none, or where it was damaged: then it is set aside for a person to look at. */
  async read(listId: ListId): Promise<Document | null> {
    const db = new Low<unknown>(this.#fileOf(listId), null);
    try {
      await db.read();
      return db.data === null ? null : decodeDocument(db.data);
    } catch (error) {
      if (!(error instanceof DamagedFileError || error instanceof MalformedStateError)) throw error;
      await this.#setAside(listId, error.message);
      return null;
    }
  }

  async remove(listId: ListId): Promise<void> {
    await rm(this.#fileOf(listId).path, { force: true });
  }

  async *scan(partition: number): AsyncIterable<ListId> {
    for (const name of await listFolder(this.#folderOf(partition))) {
      const listId = basename(name, ".json");
      if (isListId(listId)) yield listId;
    }
  }

  async *scanAll(): AsyncIterable<ListId> {
    for (let partition = 0; partition < PARTITIONS; partition++) yield* this.scan(partition);
  }

  async #setAside(listId: ListId, problem: string): Promise<void> {
    const { path } = this.#fileOf(listId);
    await makeFolder(this.damagedFolder);
    const aside = join(this.damagedFolder, `${basename(path)}.${(await readdir(this.damagedFolder)).length}`);
    await rename(path, aside);
    this.onDamage({ path: aside, listId, problem });
  }

  #fileOf(listId: ListId): DurableJsonFile<unknown> {
    return new DurableJsonFile(join(this.#folderOf(partitionOf(listId)), `${listId}.json`));
  }

  #folderOf(partition: number): string {
    return join(this.root, partition.toString(16).padStart(2, "0"));
  }
}

async function listFolder(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}
