import { glanceAt, type Glance } from "./views.js";
import type { Hooks } from "./hooks.js";
import type { ListId } from "../protocol/ids.js";
import { wallClockMs } from "../runtime/clock.js";
import type { Lock } from "../runtime/lock.js";
import { randomId, randomSecret } from "../runtime/rng.js";
import { deviceOf, listIdOf } from "../protocol/identity.js";
import type { DataFolder, Entrance, LoginFile, Settings } from "./data-folder.js";
import { AisleError, EXIT } from "./errors.js";
import { stepOf, type Step } from "./undo.js";
import { orRefused, type Intent } from "./intent.js";
import { LocalList } from "./local-list.js";
import type { LocalListFile } from "./local-list-file.js";
import { t } from "./messages.js";

interface ChangeOptions {
  /** Told what is really going to be done, after the hooks. */
  readonly onIntents?: (intents: readonly Intent[]) => void;
  /** How many earlier changes this takes back, where it does. */
  readonly taking?: number;
  readonly onStep?: (done: number, total: number) => void;
}

/**
 * How to come back to where a list was before a change of several parts that fails half-way: from a copy, which is made once for all
 * commands of a batch, by doing again what was done since.
 */
interface Mark {
  readonly before: LocalListFile;
  readonly since: ((list: LocalList) => void)[];
}

/**
 * The lists of a data folder as one run of commands sees them. Changes collect in memory, under the folder's lock, until
 * `commit` makes them durable: one write per list, however many commands of a batch came before it.
 */
export class Workspace {
  #lock: Lock | null = null;
  /** By which this device is known; it never changes. */
  #secret: string | null = null;
  #settings: Settings | null = null;
  /** Which device writes and who is logged in on it, while the lock is held. */
  #author: { readonly device: string; readonly name: string | null } | null = null;
  readonly #lists = new Map<ListId, LocalList>();
  /** As read without the lock, with the stamps of their files. */
  readonly #seen = new Map<ListId, { readonly stamp: string; readonly list: LocalList }>();
  readonly #changed = new Set<ListId>();
  readonly #unsent = new Set<ListId>();
  #touched = new Set<ListId>();
  readonly #marks = new Map<ListId, Mark>();
  #settingsChanged = false;

  constructor(
    readonly folder: DataFolder,
    readonly hooks: Hooks | null = null,
  ) {}

  settings(): Settings {
    this.#settings ??= this.folder.settings();
    return this.#settings;
  }

  async changeSettings(change: Partial<Settings>): Promise<void> {
    await this.#beginWriting();
    this.#settings = { ...this.settings(), ...change };
    this.#settingsChanged = true;
  }

  /** By what this device, and whoever is logged in on it, are known to the cluster. */
  async credentials(): Promise<{ readonly device: string; readonly login: LoginFile | null }> {
    this.#secret ??= this.folder.knownDeviceSecret();
    const secret = (): string => this.folder.deviceSecret();
    this.#secret ??= this.#lock === null ? await this.folder.locked(secret) : secret();
    return { device: this.#secret, login: this.folder.login() };
  }

  /** Durably, at once. */
  async saveLogin(login: LoginFile | null): Promise<void> {
    await this.#locked(() => this.folder.saveLogin(login));
    this.#author = null;
  }

  /** The same, unless somebody has logged in or out meanwhile. */
  async renewLogin(before: LoginFile, renewed: LoginFile): Promise<void> {
    await this.#locked(() => {
      if (this.folder.login()?.token === before.token) this.folder.saveLogin(renewed);
    });
  }

  /** What is under way, or else `fresh`, remembered durably until `endEntrance`. */
  async beginEntrance(what: string, fresh: () => Omit<Entrance, "what">): Promise<Entrance> {
    const known = this.folder.entrance();
    if (known?.what === what) return known;
    const begun = { what, ...fresh() };
    await this.#locked(() => this.folder.saveEntrance(begun));
    return begun;
  }

  async endEntrance(): Promise<void> {
    if (this.folder.entrance() === null) return;
    await this.#locked(() => {
      this.folder.saveEntrance(null);
    });
  }

  async #locked(save: () => void): Promise<void> {
    if (this.#lock === null) await this.folder.locked(save);
    else save();
  }

  listIds(): readonly ListId[] {
    const onDisk = this.folder.listIds();
    return [...new Set([...onDisk, ...this.#changed])];
  }

  /** The list as it is now, uncommitted changes included, or null. */
  list(id: ListId): LocalList | null {
    const known = this.#lists.get(id);
    if (known !== undefined) return known;
    // Only the holder of the lock may rely on what it read a moment ago, unless the file is still the same.
    const stamp = this.folder.listStamp(id);
    const seen = this.#seen.get(id);
    const list = seen?.stamp === stamp ? seen.list : this.folder.readList(id);
    if (list === null) return null;
    if (this.#lock !== null) this.#lists.set(id, list);
    else this.#seen.set(id, { stamp, list });
    return list;
  }

  /** What the list looks like now, or null: less work than the list where nothing else is asked of it. */
  glance(id: ListId): Glance | null {
    const known = this.#lists.get(id) === undefined ? this.folder.readGlance(id) : null;
    if (known !== null) return known;
    const list = this.list(id);
    return list === null ? null : glanceAt(list);
  }

  /** A new list of whoever is logged in here, or else of this device. */
  async found(): Promise<LocalList> {
    await this.#beginWriting();
    const [login, device] = [this.folder.login(), deviceOf(this.folder.deviceSecret())];
    const nonce = randomSecret();
    const id = listIdOf(login?.account ?? device, nonce);
    const founding = { nonce, by: login === null ? "device" : "account", open: false } as const;
    const list = LocalList.create(id, this.folder.device(), randomId(), founding);
    this.#lists.set(id, list);
    this.#touch(id);
    return list;
  }

  /** Takes note of something about the list that is no change to it, unless another command has forgotten the list meanwhile. */
  async note(id: ListId, note: (list: LocalList) => void): Promise<void> {
    await this.#beginWriting();
    const list = this.list(id);
    if (list === null) return;
    note(list);
    this.#marks.get(id)?.since.push(note);
    this.#touch(id);
  }

  /** An empty list, or the one that is there by now. */
  async create(id: ListId): Promise<LocalList> {
    await this.#beginWriting();
    const known = this.list(id);
    if (known !== null) return known;
    const list = LocalList.create(id, this.folder.device(), randomId());
    this.#lists.set(id, list);
    this.#touch(id);
    return list;
  }

  /**
   * Lets `plan` say what to change, given the list under the lock, and makes those changes together or not at all.
   */
  async change(
    id: ListId,
    plan: (list: LocalList) => readonly Intent[],
    { taking, onIntents, onStep }: ChangeOptions = {},
  ): Promise<LocalList> {
    await this.#beginWriting();
    const list = this.list(id);
    if (list === null) throw new AisleError(EXIT.notFound, "not-found", t("the list is not on this device any more"));
    const planned = plan(list);
    const { hooks } = this;
    const intents =
      hooks === null || this.folder.isDryRun ? planned : (await import("./hooked.js")).hooked(hooks, list, planned);
    onIntents?.(intents);
    if (intents.length === 0 && taking === undefined) return list;
    requireMayChange(list, intents);
    this.#author ??= { device: this.folder.device(), name: this.folder.login()?.name ?? null };
    list.belongTo(this.#author.device, randomId);
    const author = { at: wallClockMs(), by: this.#author.name };
    const named = intents.map((intent) => ({ intent, author: { id: randomId(), ...author } }));
    const perform = (changed: LocalList, onStep?: ChangeOptions["onStep"]): void => {
      const steps: Step[] = [];
      for (const { intent, author } of named) {
        steps.push(stepOf(changed.shown, intent, changed.replica));
        changed.perform(intent, author);
        onStep?.(steps.length, named.length);
      }
      if (taking === undefined) changed.remember({ at: author.at, steps });
      else changed.forgetChanges(taking);
    };
    // Several changes of one command happen together or not at all.
    const mark = this.#marks.get(id) ?? (named.length > 1 ? this.#mark(list) : undefined);
    try {
      orRefused(() => perform(list, onStep));
    } catch (error) {
      if (mark !== undefined) this.#lists.set(id, restored(mark));
      throw error;
    }
    mark?.since.push(perform);
    this.#touch(id);
    return list;
  }

  #mark(list: LocalList): Mark {
    const mark = { before: list.toFile(), since: [] };
    this.#marks.set(list.id, mark);
    return mark;
  }

  /** Forgets the list on this device, at once. */
  async forget(id: ListId): Promise<void> {
    this.commit({ keepLock: true });
    await this.#beginWriting();
    this.folder.forgetList(id);
    this.#lists.delete(id);
    this.#marks.delete(id);
    if (this.settings().current === id) await this.changeSettings({ current: null });
  }

  /** Makes everything durable and lets other commands write. @throws AisleError where something could not be; the rest is */
  commit(options?: { readonly keepLock?: boolean }): void {
    const [failure] = this.commitEach(options).values();
    if (failure !== undefined) throw failure;
  }

  /** The same, and tells which lists could not be made durable, and why. @throws AisleError where the settings could not */
  commitEach({ keepLock = false } = {}): ReadonlyMap<ListId, Error> {
    const failures = new Map<ListId, Error>();
    try {
      if (this.folder.isDryRun) return failures;
      for (const id of this.#changed) {
        const list = this.#lists.get(id);
        try {
          if (list !== undefined) this.folder.writeList(list);
          this.#unsent.add(id);
        } catch (error) {
          failures.set(id, error instanceof Error ? error : new Error(String(error)));
        }
      }
      if (this.#settingsChanged && this.#settings !== null) this.folder.saveSettings(this.#settings);
      return failures;
    } finally {
      this.#changed.clear();
      this.#settingsChanged = false;
      if (!keepLock) this.release();
    }
  }

  /** The lists that were made durable since this was asked last: what is to be sent. */
  takeUnsent(): readonly ListId[] {
    const unsent = [...this.#unsent];
    this.#unsent.clear();
    return unsent;
  }

  /** The lists that were changed since this was asked last. */
  takeTouched(): ReadonlySet<ListId> {
    const touched = this.#touched;
    this.#touched = new Set();
    return touched;
  }

  #touch(id: ListId): void {
    this.#changed.add(id);
    this.#touched.add(id);
  }

  /** Drops whatever was not committed. */
  release(): void {
    this.#lists.clear();
    this.#marks.clear();
    this.#seen.clear();
    this.#author = null;
    this.#changed.clear();
    this.#settings = null;
    this.#settingsChanged = false;
    this.#lock?.release();
    this.#lock = null;
  }

  async #beginWriting(): Promise<void> {
    if (this.#lock !== null) return;
    this.#lock = await this.folder.takeLock();
    // Read again whatever was read without the lock.
    this.#settings = null;
    this.#lists.clear();
  }
}

/** As the list was when it was marked, with what was done to it since. */
function restored({ before, since }: Mark): LocalList {
  const list = LocalList.fromFile(before);
  for (const redo of since) redo(list);
  return list;
}

/** What the cluster would refuse for good is better refused before it is made. @throws AisleError */
function requireMayChange(list: LocalList, intents: readonly Intent[]): void {
  const isDeletion = intents.some(({ type }) => type === "set-deleted");
  if (isDeletion && !list.rights.mayDelete) {
    const hint = t("leave it with `aisle leave`, or forget it on this device with `aisle delete --local`");
    throw new AisleError(EXIT.notAllowed, "not-allowed", t("only an owner deletes a list for everyone"), hint);
  }
  if (list.rights.mayWrite) return;
  const hint = t("ask an owner to make you an editor; if that has been done, run `aisle sync` first");
  throw new AisleError(EXIT.notAllowed, "not-allowed", t("you may read this list and not change it"), hint);
}
