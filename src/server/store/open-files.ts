import { open, type FileHandle } from "node:fs/promises";

/** Files that are read again and again stay open, the newest of them, however many there are. */
export class OpenFiles {
  /** In the order of their last use. */
  readonly #files = new Map<string, Promise<FileHandle>>();

  constructor(readonly most: number) {}

  /**
   * So many bytes from a place, or as many as there are.
   * @throws what the disk says, ENOENT among it
   */
  async read(path: string, position: number, bytes: number): Promise<Buffer> {
    const file = await this.#open(path);
    const buffer = Buffer.allocUnsafe(Math.max(0, bytes));
    let at = 0;
    while (at < buffer.byteLength) {
      const { bytesRead } = await file.read(buffer, at, buffer.byteLength - at, position + at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return buffer.subarray(0, at);
  }

  /** Settles when nobody reads it any more. */
  async close(path: string): Promise<void> {
    const opening = this.#files.get(path);
    this.#files.delete(path);
    // What could not be opened is not to be closed.
    const file = await opening?.catch(() => null);
    await file?.close();
  }

  async closeAll(): Promise<void> {
    for (const path of [...this.#files.keys()]) await this.close(path);
  }

  async #open(path: string): Promise<FileHandle> {
    const opening = this.#files.get(path) ?? open(path, "r");
    this.#files.delete(path);
    this.#files.set(path, opening);
    const [oldest] = this.#files.keys();
    // It was only read: what goes wrong when it is closed is nobody's loss.
    if (this.#files.size > this.most && oldest !== undefined) this.close(oldest).catch(() => undefined);
    try {
      return await opening;
    } catch (error) {
      if (this.#files.get(path) === opening) this.#files.delete(path);
      throw error;
    }
  }
}
