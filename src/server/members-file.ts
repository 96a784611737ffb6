import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Low } from "lowdb";
import { safeParse } from "valibot";
import type { ServerId } from "../protocol/ids.js";
import { MembersSchema, type Member } from "../protocol/membership.js";
import { DurableJsonFile, syncFolder } from "../runtime/durable-file.js";
import type { Logger } from "../runtime/logger.js";
import { DamagedFileError } from "../runtime/sealed-json.js";
import { LAYOUT } from "./store/layout.js";

/** The membership table on disk, one write at a time. */
export class MembersFile {
  readonly #db: Low;
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();

  constructor(
    readonly dataDir: string,
    readonly logger: Logger,
  ) {
    this.#path = join(dataDir, LAYOUT.membership);
    this.#db = new Low(new DurableJsonFile(this.#path), []);
  }

  /** Asked before the store makes its folders: whether the journal is gone that belongs to the table, as where a disk is not mounted. */
  isAlone(): boolean {
    return existsSync(this.#path) && !existsSync(join(this.dataDir, LAYOUT.journal));
  }

  /**
   * The table as it was last saved. Nothing where it is damaged: it is everyone's, and the others bring it back.
   * @param hasLost whether the server has less than it said: then it is left out, which is how a roster knows
   */
  async read(own: ServerId, hasLost: boolean): Promise<readonly Member[]> {
    try {
      await this.#db.read();
    } catch (error) {
      if (!(error instanceof DamagedFileError)) throw error;
      this.logger.error({ event: "damage-replaced", path: error.path, problem: error.message });
    }
    const table = safeParse(MembersSchema, this.#db.data);
    const members = table.success ? table.output : [];
    const mark = join(this.dataDir, LAYOUT.lost);
    if (!hasLost && !existsSync(mark)) return members;
    const others = members.filter(({ id }) => id !== own);
    await this.save(others);
    await rm(mark, { force: true });
    await syncFolder(this.dataDir);
    return others;
  }

  save(members: readonly Member[]): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      this.#db.data = members;
      await this.#db.write().catch((error: unknown) => {
        this.logger.error({ event: "membership-not-saved", problem: String(error) });
      });
    });
    return this.#writing;
  }
}
