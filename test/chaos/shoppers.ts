import { rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { DataFolder } from "../../src/client/data-folder.js";
import { AisleError } from "../../src/client/errors.js";
import type { LocalList } from "../../src/client/local-list.js";
import { Operator } from "../../src/client/operator.js";
import { Session } from "../../src/client/session.js";
import { Synchronizer } from "../../src/client/synchronizer.js";
import { Workspace } from "../../src/client/workspace.js";
import { writeCredentials } from "../../src/protocol/identity.js";
import type { WhereReply } from "../../src/protocol/cluster-messages.js";
import { randomInt } from "node:crypto";
import { temporaryFolder } from "../e2e/harness.js";

const SYNC_BUDGET_MS = 5_000;

/** A device with the production client in this process: many of them cost no process each. */
export class Shopper {
  readonly #workspace: Workspace;
  readonly #synchronizer: Synchronizer;
  #items = 0;
  /** The items that the cluster has taken for good, by list. */
  readonly acknowledged: { readonly list: string; readonly item: string }[] = [];
  /** Syncs that did not get everything acknowledged within their budget. */
  failures = 0;

  private constructor(
    readonly name: string,
    readonly folder: DataFolder,
    brokers: readonly string[],
  ) {
    this.#workspace = new Workspace(folder);
    const device = async (): Promise<string> =>
      writeCredentials({ ...(await this.#workspace.credentials()), account: null, operator: null });
    this.#synchronizer = new Synchronizer(folder, new Session(brokers, device));
  }

  static open(name: string, brokers: string): Shopper {
    return new Shopper(name, DataFolder.open(temporaryFolder()), brokers.split(","));
  }

  /** Makes a list that all the others may edit, and has the cluster know it. */
  async found(): Promise<string> {
    const { id } = await this.#workspace.found();
    await this.#workspace.note(id, (list) => list.rights.foundAs(true));
    await this.#workspace.change(id, () => [{ type: "rename", name: `of ${this.name}` }]);
    this.#workspace.commit();
    if (!(await this.sync(id))) throw new Error("the cluster took no list");
    return id;
  }

  /** Adds items that nobody else adds; durable here when this returns. @returns the last one's name */
  async add(list: string, count = 1): Promise<string> {
    await this.#workspace.create(list);
    const names = Array.from({ length: count }, () => `${this.name}-${++this.#items}`);
    await this.#workspace.change(list, () =>
      names.map((name) => ({ type: "add", name, unit: null, amount: 1_000, note: null, aisle: null }) as const),
    );
    this.#workspace.commit();
    return names.at(-1) ?? "";
  }

  /** Whether everything is acknowledged afterwards. */
  async sync(list: string, budgetMs = SYNC_BUDGET_MS): Promise<boolean> {
    try {
      const { pending } = await this.#synchronizer.synchronize(list, budgetMs, true);
      return pending === 0;
    } catch (error) {
      if (error instanceof AisleError) return false;
      throw error;
    }
  }

  async shop(list: string): Promise<void> {
    const item = await this.add(list);
    if (await this.sync(list)) this.acknowledged.push({ list, item });
    else this.failures++;
  }

  /** Shops until told to stop, with a moment of thought between two items. */
  async shopUntil(lists: readonly string[], isOver: () => boolean, thinkMs: number): Promise<void> {
    while (!isOver()) {
      await this.shop(lists[randomInt(lists.length)] ?? "");
      await pause(randomInt(thinkMs));
    }
  }

  /** The names on the list, fetched first; for a device that has never seen it, all that the cluster has. */
  async read(list: string, budgetMs = SYNC_BUDGET_MS): Promise<ReadonlySet<string>> {
    await this.#workspace.create(list);
    this.#workspace.commit();
    await this.#synchronizer.synchronize(list, budgetMs);
    return new Set([...(this.list(list)?.shown.visibleItems() ?? [])].map(({ name }) => name));
  }

  list(list: string): LocalList | null {
    return this.folder.readList(list);
  }

  remove(): void {
    rmSync(this.folder.path, { recursive: true, force: true });
  }
}

/** What was acknowledged to these shoppers and a fresh device does not find. */
export async function missing(shoppers: readonly Shopper[], brokers: string): Promise<readonly string[]> {
  const reader = Shopper.open("reader", brokers);
  const acknowledged = shoppers.flatMap((shopper) => [...shopper.acknowledged]);
  const missing: string[] = [];
  for (const list of new Set(acknowledged.map((one) => one.list))) {
    const there = await reader.read(list);
    for (const one of acknowledged) if (one.list === list && !there.has(one.item)) missing.push(one.item);
  }
  reader.remove();
  return missing;
}

/** Whether every owner of every list has the same copy. */
export async function areOne(lists: readonly string[], operator: Operator): Promise<boolean> {
  for (const list of lists) {
    const { copies } = await operator.where(list);
    if (copies.length === 0 || new Set(copies.map(({ digest }) => digest)).size !== 1) return false;
    if (copies.some(({ digest }) => digest === null)) return false;
  }
  return true;
}

/** Waits until it holds; answers after how many milliseconds, or throws once the time is up. */
export async function until(what: string, limitMs: number, holds: () => Promise<boolean>): Promise<number> {
  const start = process.hrtime.bigint();
  const elapsedMs = (): number => Number((process.hrtime.bigint() - start) / 1_000_000n);
  for (;;) {
    try {
      if (await holds()) return elapsedMs();
    } catch (error) {
      if (!(error instanceof AisleError)) throw error;
    }
    if (elapsedMs() > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await pause(50);
  }
}

export async function hintsOf(operator: Operator): Promise<number> {
  const inspections = await operator.inspectAll(await operator.survey());
  return [...inspections.values()].reduce((sum, inspection) => sum + (inspection?.hints.total ?? 1), 0);
}

export function ownersIn({ copies }: WhereReply): readonly string[] {
  return copies.filter(({ role }) => role === "owner").map(({ server }) => server);
}
