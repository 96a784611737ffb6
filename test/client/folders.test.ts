import { describe, expect, it } from "@jest/globals";
import { digestOf } from "../../src/crdt/codec.js";
import { keyOf, type Intent } from "../../src/client/intent.js";
import { LocalList } from "../../src/client/local-list.js";
import type { LocalListFile } from "../../src/client/local-list-file.js";
import type { SyncRequest } from "../../src/protocol/messages.js";
import { compensation, stepOf, type Step } from "../../src/client/undo.js";
import { generator } from "../households.js";
import { level, OneListServer, take } from "./one-list-server.js";

const LIST = "11111111-1111-4111-8111-111111111111";
const IS_LONG = process.env.AISLE_LONG !== undefined;
const HISTORIES = IS_LONG ? 20_000 : 1_000;
/** Every so many histories a long one, in which rarer things meet. */
const LONG_EVERY = 5;
const NAMES = ["milk", "eggs"];

/** A folder: what is in it, and which one it is. */
interface Folder {
  file: LocalListFile;
  device: string;
  readonly answers: { readonly request: SyncRequest; readonly answer: ReturnType<OneListServer["answer"]> }[];
}

interface Done {
  readonly id: string;
  readonly key: string;
  /** By how much it raised what is wanted. */
  readonly change: number;
  readonly isRemove: boolean;
  /** What was known when it was done. */
  readonly seen: ReadonlySet<string>;
}

/**
 * Some people's folders that are moved, copied and put back to an earlier state while changes wait and answers are lost or late.
 * In the end all have to show the sum of all changes that were stored, less exactly those that a removal had seen.
 */
class History {
  readonly #random: () => number;
  readonly #server = new OneListServer();
  readonly #folders: Folder[] = [];
  readonly #backups: { readonly folder: Folder; readonly file: LocalListFile }[] = [];
  readonly #done: Done[] = [];
  #ids = 0;

  constructor(seed: number) {
    this.#random = generator(seed);
    for (const device of ["A", "B"])
      this.#folders.push({ file: LocalList.create(LIST, device, this.#fresh()).toFile(), device, answers: [] });
  }

  readonly #fresh = (): string => `id-${++this.#ids}`;

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  play(length: number): void {
    for (let left = length + this.#below(2 * length); left > 0; left--) {
      const folder = this.#folders[this.#below(this.#folders.length)];
      if (folder !== undefined) this.#step(folder);
    }
    for (let round = 0; round < 3; round++) for (const folder of this.#folders) this.#level(folder);
  }

  #step(folder: Folder): void {
    const list = read(folder);
    const name = NAMES[this.#below(NAMES.length)] ?? "";
    const isThere = list.shown.item(name) !== null;
    const kind = this.#random();
    if (kind < 0.2) this.#change(folder, list, [adding(name, 1 + this.#below(5))]);
    else if (kind < 0.32) this.#change(folder, list, isThere ? [{ type: "remove", key: name }] : []);
    else if (kind < 0.4)
      this.#change(folder, list, isThere ? [{ type: "need", key: name, total: this.#below(9) }] : []);
    else if (kind < 0.46) this.#undo(folder, list);
    else if (kind < 0.6) this.#send(folder, list);
    else if (kind < 0.68) this.#hear(folder, list);
    else if (kind < 0.78) this.#level(folder);
    else if (kind < 0.84) this.#backups.push({ folder, file: folder.file });
    else if (kind < 0.9) this.#restore();
    else this.#move(folder);
  }

  #change(folder: Folder, list: LocalList, intents: readonly Intent[], isUndo = false): void {
    if (intents.length === 0) return;
    list.belongTo(folder.device, this.#fresh);
    const steps: Step[] = [];
    for (const intent of intents) {
      const [id, key] = [this.#fresh(), keyOf(intent) ?? ""];
      const seen = new Set(list.shown.history.operations().map((operation) => operation.id));
      const before = list.shown.neededOf(key);
      steps.push(stepOf(list.shown, intent, list.replica));
      list.perform(intent, { id, at: 0 });
      const isRemove = intent.type === "remove";
      this.#done.push({ id, key, change: isRemove ? 0 : list.shown.neededOf(key) - before, isRemove, seen });
    }
    if (isUndo) list.forgetChanges(1);
    else list.remember({ at: 0, steps });
    folder.file = list.toFile();
  }

  #undo(folder: Folder, list: LocalList): void {
    const steps = [...(list.changes.at(-1)?.steps ?? [])].reverse();
    this.#change(
      folder,
      list,
      steps.flatMap((step) => compensation(list.shown, step)),
      true,
    );
  }

  /** Sends, and hears of the answer later or never. */
  #send(folder: Folder, list: LocalList): void {
    const request = list.request();
    const answer = this.#server.answer(request);
    if (this.#random() < 0.5) folder.answers.push({ request, answer });
  }

  #hear(folder: Folder, list: LocalList): void {
    const heard = folder.answers.splice(this.#below(folder.answers.length), 1)[0];
    if (heard === undefined) return;
    take(list, heard.request, heard.answer, this.#fresh);
    folder.file = list.toFile();
  }

  #level(folder: Folder): void {
    const list = read(folder);
    level(list, this.#server, this.#fresh);
    folder.file = list.toFile();
  }

  #restore(): void {
    const backup = this.#backups[this.#below(this.#backups.length)];
    if (backup === undefined) return;
    backup.folder.file = backup.file;
    backup.folder.answers.length = 0;
  }

  #move(folder: Folder): void {
    folder.device = this.#fresh();
    if (this.#random() < 0.4) this.#folders.push({ file: folder.file, device: this.#fresh(), answers: [] });
  }

  problems(): readonly string[] {
    const { list } = this.#server;
    const stored = list.history.operations().map(({ id }) => id);
    const twice = stored.filter((id, at) => stored.indexOf(id) < at).map((id) => `${id} is stored twice`);
    const isStored = ({ id }: Done): boolean => stored.includes(id);
    const removals = this.#done.filter((done) => done.isRemove && isStored(done));
    const wrong = NAMES.flatMap((key) => {
      const standing = this.#done.filter(
        (done) =>
          done.key === key && isStored(done) && !removals.some((one) => one.key === key && one.seen.has(done.id)),
      );
      const total = standing.reduce((sum, { change }) => sum + change, 0);
      return list.neededOf(key) === total ? [] : [`${key} is ${list.neededOf(key)} and not ${total}`];
    });
    const apart = this.#folders
      .map(read)
      .filter((one) => one.outbox.length > 0 || digestOf(one.shown) !== digestOf(list))
      .map(() => "a folder is not level");
    return [...twice, ...wrong, ...apart];
  }
}

function read({ file }: Folder): LocalList {
  return LocalList.fromFile(JSON.parse(JSON.stringify(file)) as LocalListFile);
}

function adding(name: string, amount: number): Intent {
  return { type: "add", name, unit: null, amount, note: null, aisle: null };
}

describe("folders that are moved, copied and put back", () => {
  it("lose nothing and count nothing twice, whatever waits in them", () => {
    for (let seed = 1; seed <= HISTORIES; seed++) {
      const history = new History(seed);
      history.play(seed % LONG_EVERY === 0 ? 25 : 8);
      expect({ seed, problems: history.problems() }).toEqual({ seed, problems: [] });
    }
  }, 300_000);
});
