import { digestOf } from "../../src/crdt/codec.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { partitionOf } from "../../src/protocol/hash-ring.js";
import { Membership } from "../../src/protocol/membership.js";
import { Placement } from "../../src/protocol/placement.js";
import { copyOf, type Doors, type Visibility } from "./doors.js";
import type { Ledger } from "./ledger.js";
import type { SimClient } from "./sim-client.js";
import type { SimServer } from "./sim-server.js";
import type { World } from "./world.js";

/** How long a cluster in which everything works again may take for each step on the way to being one. */
export const LIVENESS_MS = 60_000;

interface Parts {
  readonly world: World;
  readonly servers: readonly SimServer[];
  readonly household: readonly SimClient[];
  readonly guest: SimClient;
  readonly ledger: Ledger;
  readonly doors: Doors;
  readonly lists: readonly string[];
  readonly replicas: number;
}

/** After everything was mended: what the cluster and its devices have to come to by themselves, and how far they get. */
export class Recovery {
  readonly #devices: readonly SimClient[];

  constructor(readonly parts: Parts) {
    this.#devices = [...parts.household, parts.guest];
  }

  /** Answers what is still wrong when the time is up, or null. */
  run(): string | null {
    const syncAll = (clients: readonly SimClient[], isDue: (client: SimClient, listId: string) => boolean): void => {
      for (const client of clients) {
        for (const listId of this.parts.lists) if (isDue(client, listId)) client.sync(listId);
      }
    };
    const isWaiting = (client: SimClient, listId: string): boolean => client.list(listId).outbox.length > 0;
    const { household } = this.parts;
    const guest = [this.parts.guest];
    // Devices only send what they still have to; making copies one is the servers' own business; then everyone looks.
    return (
      this.#until(
        () => this.#unsent(household) ?? this.#unknown(),
        () => syncAll(household, (client, listId) => isWaiting(client, listId) || !this.#isKnown(listId)),
      ) ??
      this.#until(
        () => this.#unlike(),
        () => undefined,
      ) ??
      this.#turnAway(() => syncAll(guest, () => true)) ??
      this.#doorsUntil("open") ??
      this.#until(
        () => this.#unsent(guest),
        () => syncAll(guest, isWaiting),
      ) ??
      this.#until(
        () => this.#unlike(),
        () => undefined,
      ) ??
      this.#until(
        () => this.#difference(),
        () => syncAll(this.#devices, () => true),
      )
    );
  }

  /** Works until there is no problem any more, or for as long as a cluster may take; answers what then is left of it. */
  #until(problem: () => string | null, work: () => void): string | null {
    const end = this.parts.world.now + LIVENESS_MS;
    for (let left = problem(); left !== null; left = problem()) {
      if (this.parts.world.now >= end) return left;
      work();
      // Not in step with anything that happens at an interval.
      this.parts.world.runUntil(this.parts.world.now + 2_000 + this.parts.world.below(2_000));
    }
    return null;
  }

  /** A device that still has something to send, or null. */
  #unsent(clients: readonly SimClient[]): string | null {
    for (const listId of this.parts.lists) {
      const client = clients.find((one) => one.list(listId).outbox.length > 0);
      if (client !== undefined) return `${client.name} still has changes of ${listId} to send`;
    }
    return null;
  }

  #isKnown(listId: string): boolean {
    return this.#ownersOf(listId).some((owner) => owner.documentOnDisk(listId) !== null);
  }

  /** A list that the servers have not heard of, or null. */
  #unknown(): string | null {
    const listId = this.parts.lists.find((id) => !this.#isKnown(id));
    return listId === undefined ? null : `${listId} is nowhere`;
  }

  /** What keeps the servers from being one, or null. */
  #unlike(): string | null {
    for (const listId of this.parts.lists) {
      const owners = this.#ownersOf(listId);
      const copies = owners.map((owner) => copyOf(owner, listId));
      if (new Set(copies).size > 1) return `${listId} is not one: ${copies.join(", ")}`;
      const problem = this.parts.doors.check(owners, listId);
      if (problem !== null) return problem;
    }
    return this.#litter();
  }

  /** Makes all lists open or private; answers what could not be. */
  #doorsUntil(visibility: Visibility): string | null {
    const other = (): string | undefined =>
      this.parts.lists.find((listId) => !this.parts.doors.isKnownAs(listId, visibility));
    const problem = (): string | null =>
      other() === undefined ? null : `${other() ?? ""} cannot be made ${visibility}`;
    return this.#until(problem, () => {
      for (const listId of this.parts.lists)
        if (!this.parts.doors.isKnownAs(listId, visibility)) this.parts.doors.set(listId, visibility);
    });
  }

  /** Closes all lists, after which the guest may neither see nor change any. */
  #turnAway(knock: () => void): string | null {
    const problem = this.#doorsUntil("private");
    if (problem !== null) return problem;
    this.parts.guest.shutOut.clear();
    const copies = (): string =>
      this.parts.lists.flatMap((id) => this.#ownersOf(id).map((owner) => copyOf(owner, id))).join();
    const before = copies();
    const letIn = (): string | undefined => this.parts.lists.find((listId) => !this.parts.guest.shutOut.has(listId));
    const left = this.#until(() => (letIn() === undefined ? null : `the guest is let into ${letIn() ?? ""}`), knock);
    return left ?? (copies() === before ? null : "the guest has changed something");
  }

  /** What keeps devices from being one with the servers and the oracle, or null. */
  #difference(): string | null {
    for (const listId of this.parts.lists) {
      const expected = this.parts.ledger.totals(listId);
      const [owner] = this.#ownersOf(listId);
      const digest = digestOf(owner?.onDisk(listId) ?? new ShoppingList());
      for (const client of this.#devices) {
        const { shown } = client.list(listId);
        const shownTotals = JSON.stringify([...shown.visibleItems()].map(({ key, needed }) => [key, needed]).sort());
        if (shownTotals !== expected) return `${client.name} shows ${shownTotals}, the oracle ${expected}`;
        if (digestOf(shown) !== digest) return `${client.name} and the servers differ on ${listId}`;
      }
    }
    return null;
  }

  /** What is left over of what should be over, or null. */
  #litter(): string | null {
    const tables = new Set<string>();
    for (const server of this.parts.servers) {
      const { node, name } = server;
      if (node === null) continue;
      tables.add(JSON.stringify(node.members));
      if (node.hints > 0) return `${name} keeps ${node.hints} hints`;
      if (node.underWay > 0) return `${name} has ${node.underWay} things under way`;
      const pending = node.members.find(({ status }) => status === "joining" || status === "leaving");
      const stray = [...server.stored()].find((listId) => !node.owns(listId));
      if (stray !== undefined) return `${name} still has ${stray}, which is not its own`;
      if (pending !== undefined) return `${pending.id} is still ${pending.status} for ${name}`;
    }
    if (tables.size > 1) return `the membership tables differ: ${[...tables].join(" ")}`;
    for (const server of this.parts.servers.filter(({ hasLeft }) => !hasLeft)) {
      const listId = this.parts.lists.find((id) => [...(server.onDisk(id)?.seen.cloud() ?? [])].length > 0);
      if (listId !== undefined) return `${server.name} has gaps in ${listId}`;
    }
    return null;
  }

  #ownersOf(listId: string): readonly SimServer[] {
    const members = this.parts.servers.map(({ node }) => node?.members ?? []).find((table) => table.length > 0) ?? [];
    const owners = Placement.of(Membership.of(members), this.parts.replicas).owners(partitionOf(listId));
    return owners.flatMap((owner) => this.parts.servers.filter(({ name }) => name === owner));
  }
}
