import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const IMAGE_BYTES = { ext4: 64 * 1024 * 1024, xfs: 320 * 1024 * 1024 } as const;
const PATIENCE_MS = 60_000;
export type FileSystem = keyof typeof IMAGE_BYTES;
export const FILE_SYSTEMS = Object.keys(IMAGE_BYTES) as readonly FileSystem[];

const tool = (command: string, ...words: string[]): void =>
  void execFileSync(command, words, { stdio: ["ignore", "ignore", "pipe"], timeout: 60_000 });

/** What is mounted at the moment; it goes when the process ends, however it ends. */
const mounted = new Set<Mount>();
process.once("exit", () => mounted.forEach((one) => one.remove()));

/** A file system of our own in a temporary folder. */
export class Mount {
  readonly #scratch = mkdtempSync(join(tmpdir(), "aisle-mount-"));
  readonly path = join(this.#scratch, "mnt");
  #isMounted = false;

  private constructor(readonly words: (scratch: string) => readonly string[]) {
    mkdirSync(this.path);
    mounted.add(this);
  }

  /** In memory, with so much room. */
  static memory(bytes: number): Mount {
    const made = new Mount(() => ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs"]);
    return made.#mountedFirst(() => undefined);
  }

  /** In a file, through a loop device. */
  static image(kind: FileSystem): Mount {
    const made = new Mount((scratch) => ["-t", kind, "-o", "loop", join(scratch, "image")]);
    return made.#mountedFirst((scratch) => {
      const image = join(scratch, "image");
      writeFileSync(image, "");
      truncateSync(image, IMAGE_BYTES[kind]);
      tool(`mkfs.${kind}`, "-q", image);
    });
  }

  /** Why there can be none, or null where there can. */
  static problem(make: () => Mount): string | null {
    try {
      make().remove();
      return null;
    } catch (error) {
      return String(error).split("\n")[0] ?? "";
    }
  }

  #mountedFirst(prepare: (scratch: string) => void): this {
    try {
      prepare(this.#scratch);
      this.mount();
      return this;
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  mount(): void {
    tool("mount", ...this.words(this.#scratch), this.path);
    this.#isMounted = true;
  }

  /**
   * Until nothing holds it any more: a process with a copy of all mounts keeps the file system alive, and whoever mounts its
   * image again meanwhile gets it as it was, with what never reached the disk.
   * @throws where that takes too long
   */
  async unmount(): Promise<void> {
    tool("umount", this.path);
    this.#isMounted = false;
    const end = Date.now() + PATIENCE_MS;
    while (execFileSync("losetup", ["--associated", join(this.#scratch, "image")]).length > 0) {
      if (Date.now() > end) throw new Error(`something holds the file system that was at ${this.path}`);
      await pause(20);
    }
  }

  readOnly(isReadOnly: boolean): void {
    tool("mount", "-o", isReadOnly ? "remount,ro" : "remount,rw", this.path);
  }

  /** Takes all the room there is; answers what gives it back. */
  fill(): () => void {
    const path = join(this.path, "filler");
    for (const bytes of [64 * 1024, 4_096, 1]) {
      try {
        for (;;) appendFileSync(path, Buffer.alloc(bytes));
      } catch {
        // Full, but for less than that.
      }
    }
    return () => rmSync(path);
  }

  /**
   * Gets ready to lose the power; answers what does it. From then on nothing reaches the disk any more, not even what waits in
   * the file system's own journal.
   */
  powerSwitch(): () => Promise<void> {
    const child = spawn("xfs_io", ["-x", this.path], { stdio: ["pipe", "ignore", "ignore"] });
    // It waits for what to do, so that doing it takes no time.
    return async () => {
      const gone = new Promise<number | null>((resolve) => child.once("close", resolve));
      child.stdin.end("shutdown\n");
      if ((await gone) !== 0) throw new Error("the power could not be lost");
    };
  }

  remove(): void {
    mounted.delete(this);
    // A process that was killed a moment ago may still hold it.
    if (this.#isMounted) tool("umount", "--lazy", this.path);
    this.#isMounted = false;
    rmSync(this.#scratch, { recursive: true, force: true });
  }
}
