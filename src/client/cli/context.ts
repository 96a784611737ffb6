import { dirname, join } from "node:path";
import { foldName } from "../../crdt/item-key.js";
import { isOnNetwork, readAddress } from "../../protocol/address.js";
import { writeCredentials } from "../../protocol/identity.js";
import type { ListId } from "../../protocol/ids.js";
import { xdgFolder } from "../../runtime/xdg-folder.js";
import { isInputTerminal, isOutputTerminal, printError } from "../../runtime/output.js";
import { readConfiguration, type Configuration } from "../configuration.js";
import { Hooks } from "../hooks.js";
import { DataFolder } from "../data-folder.js";
import { AisleError, EXIT, ambiguous, notFound, usageError, type ExitCode } from "../errors.js";
import type { LocalList } from "../local-list.js";
import { PLAIN, type Style } from "../render.js";
import type { Authentication, Session } from "../session.js";
import type { Synchronizer } from "../synchronizer.js";
import { displayable } from "../text.js";
import type { Glance } from "../views.js";
import { Workspace } from "../workspace.js";
import { t } from "../messages.js";

/** Flags that every command understands, before or after its name. */
export interface GlobalOptions {
  readonly dataDir?: string;
  readonly list?: string;
  readonly json?: boolean;
  readonly ndjson?: boolean;
  readonly plain?: boolean;
  readonly accessible?: boolean;
  readonly color?: boolean;
  readonly input?: boolean;
  readonly offline?: boolean;
  readonly syncBudget?: string;
  readonly verbose?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly operatorKey?: string;
  readonly insecure?: boolean;
}

/** What a command has to say: a value for programs, and the same for people. */
export interface CommandResult {
  readonly value: unknown;
  readonly text: string;
  /** For commands that print what came before a failure: the failure, told once the rest is said. */
  readonly failure?: AisleError;
  /** Where everything has been said already: only how to exit. */
  readonly exitCode?: ExitCode;
}

const DEFAULT_BROKERS = ["tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556"] as const;

/** Everything a command works with: the folder, the flags, and the way to the cluster. */
export class Context {
  #style: Style | null = null;
  #hasDamage = false;

  constructor(
    readonly workspace: Workspace,
    readonly options: GlobalOptions,
    readonly environment: NodeJS.ProcessEnv,
    readonly configuration: Configuration = {},
    /** Why the configuration could not be read, for who looks for what is wrong. */
    readonly configurationError: AisleError | null = null,
  ) {}

  /**
   * @param isForgiving whether a configuration that cannot be read is only noted
   * @throws AisleError for one that cannot be read otherwise
   */
  static async open(options: GlobalOptions, environment: NodeJS.ProcessEnv, isForgiving = false): Promise<Context> {
    const folder = xdgFolder(environment, "XDG_CONFIG_HOME");
    let problem: AisleError | null = null;
    const configuration = await readConfiguration(folder).catch((error: unknown): Configuration => {
      if (!isForgiving || !(error instanceof AisleError)) throw error;
      problem = error;
      return {};
    });
    const { dataDir = xdgFolder(environment, "XDG_DATA_HOME"), ...defaults } = configuration;
    const path = options.dataDir ?? nonEmpty(environment.AISLE_DATA_DIR) ?? dataDir;
    if (path === "") throw usageError(t("the data folder has no name"), t("say which one with --data-dir FOLDER"));
    const workspace = new Workspace(DataFolder.open(path, options.dryRun === true), Hooks.in(folder));
    const { offline, plain, accessible, syncBudget } = defaults;
    const settled = Object.fromEntries(
      Object.entries({ offline, plain, accessible, syncBudget }).filter(([, value]) => value !== undefined),
    );
    return new Context(workspace, { ...settled, ...options }, environment, configuration, problem);
  }

  /** Flags that a change would only stumble over when it is durable already. @throws AisleError */
  checkFlags(): void {
    parseDuration(this.options.syncBudget ?? "0");
  }

  /** The same work with the flags of another command, as in a batch. */
  with(options: GlobalOptions): Context {
    // Of a flag that begins with "no-" commander says that it is on where nobody has said anything.
    const isOn = (flag: "input" | "color"): boolean => this.options[flag] !== false && options[flag] !== false;
    const both = { ...this.options, ...options, input: isOn("input"), color: isOn("color") };
    return new Context(this.workspace, both, this.environment, this.configuration);
  }

  get isInteractive(): boolean {
    return this.options.input !== false && isInputTerminal() && isOutputTerminal();
  }

  async style(): Promise<Style> {
    if (this.#style !== null) return this.#style;
    const words = this.options.accessible === true;
    const isColoured = nonEmpty(this.environment.NO_COLOR) === null && isOutputTerminal();
    if (!isColoured || words || this.options.plain === true || this.options.color === false) {
      this.#style = { ...PLAIN, words };
    } else {
      const { default: chalk } = await import("chalk");
      this.#style = { words, bold: chalk.bold, dim: chalk.dim, good: chalk.green, warn: chalk.yellow };
    }
    return this.#style;
  }

  /** Where a cluster of this machine is by default: beside the lists. */
  get clusterFolder(): string {
    return join(dirname(this.workspace.folder.path), "aisle-cluster");
  }

  /** The list a command is about: the one named, else `--list`, `AISLE_LIST`, the current one, the only one. */
  theList(named?: string): LocalList {
    return this.#find(named, (id) => this.workspace.list(id));
  }

  /** The same for who only looks at it. */
  theGlance(named?: string): Glance {
    return this.#find(named, (id) => this.workspace.glance(id));
  }

  #find<T extends { readonly isDeleted: boolean }>(named: string | undefined, look: (id: ListId) => T | null): T {
    const reference = named ?? this.options.list ?? nonEmpty(this.environment.AISLE_LIST);
    if (reference !== null) return this.#resolve(reference, look);
    const { current } = this.workspace.settings();
    const list = current === null ? null : look(current);
    if (list !== null && !list.isDeleted) return list;
    const [only, ...others] = this.glances();
    if (only === undefined)
      throw notFound(t("there is no list yet"), t("make one with `aisle new NAME` or join one with `aisle join`"));
    if (others.length === 0) return this.#resolve(only.id, look);
    if (this.configuration.list !== undefined) return this.#resolve(this.configuration.list, look);
    throw notFound(t("no list is current"), t("choose one with `aisle use LIST` or --list LIST"));
  }

  /** Whether a damaged list was left out of what was asked for. */
  get hasDamage(): boolean {
    return this.#hasDamage;
  }

  /** All lists, by name, without deleted ones unless asked for. A damaged one is told of on stderr and left out. */
  glances(withDeleted = false): readonly Glance[] {
    const lists: Glance[] = [];
    for (const id of this.workspace.listIds()) {
      try {
        const list = this.workspace.glance(id);
        if (list !== null && (withDeleted || !list.isDeleted)) lists.push(list);
      } catch (error) {
        if (!(error instanceof AisleError)) throw error;
        this.#hasDamage = true;
        say(`aisle: ${error.message}; ${error.hint ?? ""}`);
      }
    }
    return lists.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1));
  }

  /** The same for who has to know all about them. */
  lists(withDeleted = false): readonly LocalList[] {
    return this.glances(withDeleted).flatMap(({ id }) => this.workspace.list(id) ?? []);
  }

  #resolve<T>(reference: string, look: (id: ListId) => T | null): T {
    const id = reference.toLowerCase();
    // The id in full needs no look at the other lists, and finds deleted ones too.
    const exact = this.workspace.listIds().find((candidate) => candidate === id);
    const list = exact === undefined ? null : look(exact);
    if (list !== null) return list;
    const lists = this.glances();
    const named = lists.filter(({ name }) => foldName(name) === foldName(reference));
    const matching = named.length > 0 ? named : lists.filter((candidate) => id !== "" && candidate.id.startsWith(id));
    const [only, ...others] = matching;
    if (only !== undefined && others.length === 0) return this.#resolve(only.id, look);
    const shown = namesOf(matching.length > 0 ? matching : lists);
    const problem = matching.length > 0 ? t("names several lists") : t("is no list on this device");
    throw (matching.length > 0 ? ambiguous : notFound)(
      `"${displayable(reference.slice(0, 80))}" ${problem}`,
      shown === "" ? t("make one with `aisle new NAME`") : t`there is: ${shown}`,
    );
  }

  /** A deleted list that is still on this device. */
  aDeletedList(reference: string): LocalList {
    const deleted = this.glances(true).filter((list) => list.isDeleted);
    const [only, ...others] = deleted.filter(
      ({ id, name }) => id === reference.toLowerCase() || foldName(name) === foldName(reference),
    );
    if (only !== undefined && others.length === 0) return this.theList(only.id);
    const shown = namesOf(deleted);
    const problem = only === undefined ? t("is no deleted list on this device") : t("names several deleted lists");
    throw (only === undefined ? notFound : ambiguous)(
      `"${displayable(reference.slice(0, 80))}" ${problem}`,
      shown === "" ? t("`aisle lists` shows what there is") : t`there is: ${shown}`,
    );
  }

  /** Something for the person where there is nothing to print. */
  sayNothing(text: string): string {
    if (this.options.json !== true && this.options.ndjson !== true) say(text);
    return "";
  }

  /** For what is about nothing but the cluster. @throws AisleError where it is to be left alone */
  requireOnline(): void {
    if (this.options.offline === true)
      throw new AisleError(EXIT.unreachable, "offline", t("this needs the cluster"), t("try it without --offline"));
  }

  brokers(): readonly string[] {
    const given = nonEmpty(this.environment.AISLE_BROKERS);
    const { brokers, insecure } = this.workspace.settings();
    const named = (given ?? "").split(",").flatMap((address) => nonEmpty(address.trim()) ?? []);
    if (named.length > 0) return this.checked(named);
    if (brokers.length > 0) return this.checked(brokers, insecure);
    return this.checked(this.configuration.brokers ?? DEFAULT_BROKERS);
  }

  /** @throws AisleError for what is no address, and for one that would get secrets in clear text over a network */
  checked(addresses: readonly string[], isInsecure = false): readonly string[] {
    const mayBeRead = isInsecure || this.options.insecure === true || this.environment.AISLE_INSECURE === "1";
    for (const text of addresses) {
      const address = readAddress(text);
      const shown = displayable(text.slice(0, 80));
      if (address === null) {
        const hint = t("an address looks like tcp://127.0.0.1:5555, with #KEY after it where the cluster has keys");
        throw usageError(t`"${shown}" is no broker address`, hint);
      }
      if (address.key !== null || mayBeRead || !isOnNetwork(address.endpoint)) continue;
      const hint = t("name its key (ADDRESS#KEY), or add --insecure where the network itself is private");
      throw usageError(t`everybody on the way to ${shown} could read your password`, hint);
    }
    return addresses;
  }

  /** Loaded on demand: most commands never talk to the network. */
  async session(): Promise<Session> {
    const { RequestSockets } = await import("../../runtime/request-sockets.js");
    const sockets = new RequestSockets();
    const { broker } = this.workspace.folder.syncTimes();
    const brokers = this.brokers();
    const address = readAddress(brokers.includes(broker ?? "") ? (broker ?? "") : (brokers[0] ?? ""));
    // The rest is loaded while it shakes hands.
    if (address !== null) sockets.connect(address);
    const { Session } = await import("../session.js");
    return new Session(brokers, await this.authentication(), broker, sockets);
  }

  /** Says with each request which device asks, and who is logged in on it. */
  async authentication(): Promise<Authentication> {
    // Known from now on; who is logged in may change while this runs.
    await this.workspace.credentials();
    return async () => {
      const { device, login } = await this.workspace.credentials();
      return writeCredentials({ device, account: login?.token ?? null, operator: null });
    };
  }

  async synchronizer(): Promise<Synchronizer> {
    const session = await this.session();
    const { Synchronizer } = await import("../synchronizer.js");
    return new Synchronizer(this.workspace.folder, session);
  }
}

const MOST_NAMED = 8;

/** As one tells them apart: with their ids only where names do not. */
function namesOf(lists: readonly Glance[]): string {
  const names = lists.map(({ name }) => displayable(name));
  const isOnly = (name: string): boolean => names.filter((other) => foldName(other) === foldName(name)).length === 1;
  const told = lists.map(({ id }, at) => (isOnly(names[at] ?? "") ? names[at] : `${names[at] ?? ""} (${id})`));
  return [...told.slice(0, MOST_NAMED), ...(told.length > MOST_NAMED ? ["…"] : [])].join(", ");
}

/** Something for the person, not for programs. */
export function say(text: string): void {
  printError(`${text}\n`);
}

/** `250ms`, `5s`, `2m`, `12h`, `7d`; a plain number is milliseconds. */
export function parseDuration(text: string): number {
  const match = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)?$/.exec(text);
  const scales = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 24 * 3_600_000, w: 7 * 24 * 3_600_000 };
  const scale = scales[(match?.[2] ?? "ms") as keyof typeof scales];
  if (match === null)
    throw usageError(t`"${displayable(text.slice(0, 80))}" is no duration`, t("write it as 250ms, 5s, 2m, 12h or 7d"));
  return Number(match[1]) * scale;
}

function nonEmpty(text: string | undefined): string | null {
  return text === undefined || text === "" ? null : text;
}
