import type { ReplicaId } from "./dot.js";
import type { DotContext } from "./dot-context.js";
import type { ItemKey } from "./item-key.js";
import { COLUMN, type ItemState } from "./item-state.js";
import { cellOf, COLUMNS, NO_ROWS, type Rows } from "./rows.js";

/** After so many a log is full: it would take more memory than looking at all items takes time. */
const MOST_TOUCHES = 4_096;

interface Touches {
  /** No touch by the replica above this is missing below. */
  readonly since: number;
  /** In order, with the item of each. */
  readonly counters: number[];
  readonly keys: ItemKey[];
}

/**
 * Which items were touched since it was begun, so that what a reader lacks is found without a look at every item of the list.
 * It is no part of the list's value: whoever lacks more than it knows of is told so.
 */
export class TouchLog {
  readonly #byReplica = new Map<ReplicaId, Touches>();
  #size = 0;

  /** @param items all there are */
  constructor(items: Iterable<ItemState>) {
    const newest = new Map<ReplicaId, number>();
    for (const { replicas, cells } of items)
      for (const [row, replica] of replicas.entries()) {
        const touched = cells[row * COLUMNS + COLUMN.touched] ?? 0;
        if (touched > (newest.get(replica) ?? 0)) newest.set(replica, touched);
      }
    for (const [replica, since] of newest) this.#byReplica.set(replica, { since, counters: [], keys: [] });
  }

  /** Whether it is time to begin another one: this one notes no more, and knows of nothing. */
  get isFull(): boolean {
    return this.#size >= MOST_TOUCHES;
  }

  /** Notes by whom an item was touched, between two of its states. */
  noteChange(key: ItemKey, before: Rows = NO_ROWS, after: Rows): void {
    const isSameTable = before.replicas === after.replicas;
    for (const [row, replica] of after.replicas.entries()) {
      const at = row * COLUMNS + COLUMN.touched;
      const touched = after.cells[at] ?? 0;
      const known = isSameTable ? (before.cells[at] ?? 0) : cellOf(before, replica, COLUMN.touched);
      if (touched > known) this.note(key, replica, touched);
    }
  }

  note(key: ItemKey, replica: ReplicaId, counter: number): void {
    if (this.isFull) return;
    let touches = this.#byReplica.get(replica);
    if (touches === undefined) this.#byReplica.set(replica, (touches = { since: 0, counters: [], keys: [] }));
    const { since, counters, keys } = touches;
    if (counter <= since) return;
    // Touches of one replica come in order, nearly always.
    let at = counters.length;
    while (at > 0 && (counters[at - 1] ?? 0) > counter) at--;
    counters.splice(at, 0, counter);
    keys.splice(at, 0, key);
    this.#size++;
  }

  /** All items with a touch outside `known`, perhaps among others; null where it cannot tell. */
  outside(known: DotContext): ReadonlySet<ItemKey> | null {
    if (this.isFull) return null;
    const found = new Set<ItemKey>();
    for (const [replica, { since, counters, keys }] of this.#byReplica) {
      const prefix = known.vector.get(replica);
      if (prefix < since) return null;
      for (let at = counters.length - 1; (counters[at] ?? 0) > prefix; at--) found.add(keys[at] ?? "");
    }
    return found;
  }
}
