import { decodeDocument, Document, encodeDocument } from "../../src/crdt/document.js";
import type { ListId } from "../../src/protocol/ids.js";
import { JournalStore } from "../../src/server/store/journal-store.js";
import type { Damage, ListDelta } from "../../src/server/store/store.js";
import { Writer } from "./workload.js";

/** What a store owes after all that drivers said of it. */
export interface Verdict {
  readonly acknowledged: number;
  readonly lost: number;
  readonly problems: readonly string[];
  /** What was set aside when the folder was opened again. */
  readonly damage: readonly string[];
}

const textOf = (document: Document): string => JSON.stringify(encodeDocument(document));

/** Which batches a store was given, and which of them it acknowledged. */
export class Ledger {
  /** The join of all that a list was ever given. */
  readonly #given = new Map<ListId, Document>();
  /** What was acknowledged and not let go of since. */
  readonly #owed = new Map<ListId, Document[]>();
  /** Batches of several lists that are never let go of: all of each or none. */
  readonly #together: (readonly ListDelta[])[] = [];
  readonly #shown = new Map<ListId, Document>();
  #hasShown = false;
  #acknowledged = 0;

  constructor(
    readonly seed: number,
    lines: readonly string[],
    /** What was acknowledged later than that need not be there, in nanoseconds of the monotonic clock. */
    until: bigint | null = null,
  ) {
    this.#hasShown = lines.includes("end");
    const said = new Map<string, Map<number, string>>();
    for (const line of lines) {
      const [what = "", first = "", ...rest] = line.split(" ");
      const second = rest.join(" ");
      if (what === "shows") this.#shown.set(first, decodeDocument(JSON.parse(second)));
      else if (what === "writers")
        for (let writer = Number(first); writer < Number(second); writer++) said.set(`${writer}`, new Map());
      else if (/^(acknowledged|dropping|refused)$/.test(what)) {
        const isLate = what === "acknowledged" && until !== null && BigInt(rest[1] ?? 0) > until;
        said.set(first, (said.get(first) ?? new Map<number, string>()).set(Number(rest[0]), isLate ? "late" : what));
      }
    }
    for (const [writer, steps] of said) this.#replay(Number(writer), steps);
  }

  /** Of what was under way at the end nothing was said: a writer is at most one step further than its last line. */
  #replay(number: number, said: ReadonlyMap<number, string>): void {
    const writer = new Writer(this.seed, number);
    for (let at = 1; at <= Math.max(0, ...said.keys()) + 1; at++) {
      const step = writer.next();
      if (step.type === "drop") this.#owed.delete(step.listId);
      else this.#note(step.batch, said.get(at) === "acknowledged");
    }
  }

  #note(batch: readonly ListDelta[], isAcknowledged: boolean): void {
    if (isAcknowledged) this.#acknowledged++;
    for (const { listId, delta } of batch) {
      const given = this.#given.get(listId) ?? new Document();
      given.join(delta);
      this.#given.set(listId, given);
      if (isAcknowledged) this.#owed.set(listId, [...(this.#owed.get(listId) ?? []), delta]);
    }
    if (batch.length > 1) this.#together.push(batch);
  }

  /** Compares with a store that is opened again, and with what the driver was served before it ended. */
  async check(store: Pick<JournalStore, "read" | "lists">): Promise<Omit<Verdict, "damage">> {
    const lists = new Map<ListId, Document>();
    for (const listId of new Set([...store.lists(), ...this.#given.keys()])) {
      const list = await store.read(listId);
      if (list !== null) lists.set(listId, list);
    }
    const served = this.#compare("after the restart", lists);
    const before = this.#hasShown ? this.#compare("before the end", this.#shown) : { lost: 0, problems: [] };
    return {
      acknowledged: this.#acknowledged,
      lost: served.lost + before.lost,
      problems: [...served.problems, ...before.problems],
    };
  }

  #compare(when: string, lists: ReadonlyMap<ListId, Document>): { lost: number; problems: string[] } {
    const problems: string[] = [];
    let lost = 0;
    for (const [listId, list] of lists) {
      const given = this.#given.get(listId)?.clone() ?? new Document();
      const before = textOf(given);
      given.join(list);
      if (textOf(given) !== before) problems.push(`${when}: ${listId} shows what was never written to it`);
    }
    for (const [listId, owed] of this.#owed) {
      const list = lists.get(listId) ?? new Document();
      const missing = owed.filter((delta) => !list.includes(delta)).length;
      const whole = list.clone();
      for (const delta of owed) whole.join(delta);
      lost += missing;
      if (missing > 0) problems.push(`${when}: ${listId} lacks ${missing} of ${owed.length} acknowledged`);
      else if (textOf(whole) !== textOf(list)) problems.push(`${when}: ${listId} is not what was written`);
    }
    for (const batch of this.#together) {
      const there = batch.filter(({ listId, delta }) => lists.get(listId)?.includes(delta) === true).length;
      if (there > 0 && there < batch.length) problems.push(`${when}: a batch is there in part`);
    }
    return { lost, problems };
  }
}

/** Opens the folder as a server would, checks it, and writes to it. */
export async function checkFolder(folder: string, ledger: Ledger, segmentBytes: number): Promise<Verdict> {
  const problems: string[] = [];
  const damage: string[] = [];
  const options = {
    segmentBytes,
    onDamage: ({ problem }: Damage) => damage.push(problem),
    onCompactionFailed: (error: unknown) => problems.push(`compaction failed: ${String(error)}`),
  };
  try {
    const store = await JournalStore.open(folder, options);
    const verdict = await ledger.check(store);
    const step = new Writer(ledger.seed, 0xeeee).next();
    if (step.type === "append") await store.append(step.batch);
    await store.close();
    return { ...verdict, problems: [...problems, ...verdict.problems], damage };
  } catch (error) {
    return {
      acknowledged: 0,
      lost: 0,
      problems: [...problems, `it could not be opened again: ${String(error)}`],
      damage,
    };
  }
}
