import { encodeDocument } from "../../src/crdt/document.js";
import type { SimClient } from "./sim-client.js";
import type { SimServer } from "./sim-server.js";
import type { World } from "./world.js";

export type Visibility = "open" | "private";

/**
 * Who may come in: an owner opens and closes lists, a guest comes in while they are open. What is checked is that a list
 * stays closed once its owner was told that it is, whatever they had asked for before and whatever arrives late.
 */
export class Doors {
  /** What a list may be, by all that was asked for. */
  readonly #possible = new Map<string, Set<Visibility>>();
  readonly #wanted = new Map<string, Visibility>();
  readonly #acknowledged = new Map<string, Visibility>();
  /** What is under way, by the owner's run: a crash ends it. */
  readonly #busy = new Map<string, number>();

  constructor(
    readonly world: World,
    readonly owner: SimClient,
  ) {}

  toggle(listId: string): void {
    this.set(listId, this.#wanted.get(listId) === "open" ? "private" : "open");
  }

  /** One thing at a time, as an owner at one terminal would. */
  set(listId: string, visibility: Visibility): void {
    const { run } = this.owner.host;
    if (this.#busy.get(listId) === run) return;
    this.#busy.set(listId, run);
    this.#wanted.set(listId, visibility);
    this.#acknowledged.delete(listId);
    this.#possibleOf(listId).add(visibility);
    this.owner.setVisibility(listId, visibility, (isAcknowledged) => {
      this.#busy.delete(listId);
      if (!isAcknowledged) return;
      this.world.trace(`${listId.slice(0, 4)} is known to be ${visibility}`);
      this.#acknowledged.set(listId, visibility);
      // An unanswered request to close may still win over a later one to open: of two that did not meet the stricter does.
      if (visibility === "private") this.#possibleOf(listId).delete("open");
    });
  }

  /** Whether the owner was told so last. */
  isKnownAs(listId: string, visibility: Visibility): boolean {
    return this.#acknowledged.get(listId) === visibility;
  }

  /** A list that is not as its owner was told, or null; once all copies are one. */
  check(owners: readonly SimServer[], listId: string): string | null {
    const access = owners[0]?.documentOnDisk(listId)?.access;
    if (access === undefined || access.isEmpty) return null;
    const found = access.isOpen ? "open" : "private";
    const possible = this.#possibleOf(listId);
    return possible.has(found)
      ? null
      : `${listId} is ${found}, and its owner was told that it is ${[...possible].join()}`;
  }

  #possibleOf(listId: string): Set<Visibility> {
    const known = this.#possible.get(listId) ?? new Set<Visibility>(["private"]);
    this.#possible.set(listId, known);
    return known;
  }
}

/** All that a server has of a list, its access record too, as text to compare. */
export function copyOf(server: SimServer, listId: string): string {
  const document = server.documentOnDisk(listId);
  return document === null ? "" : JSON.stringify(encodeDocument(document));
}
