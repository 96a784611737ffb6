import { UNTOUCHED } from "../../src/crdt/item-state.js";
import { DotContext } from "../../src/crdt/dot-context.js";
import type { Dot } from "../../src/crdt/dot.js";
import type { Intent } from "../../src/client/intent.js";
import type { SimClient } from "./sim-client.js";
import type { SimServer } from "./sim-server.js";
import type { World } from "./world.js";

interface Accepted {
  readonly listId: string;
  readonly item: string;
  readonly dot: Dot;
  readonly needed: number;
  readonly isRemove: boolean;
  /** What its author knew of the item: each replica's last operation on it. */
  readonly saw: ReadonlyMap<string, number>;
  readonly author: SimClient;
  /** How many disks had been lost when its author was told that it is on enough servers; null before that. */
  lostBefore: number | null;
}

/** Every operation that a device has accepted, and what follows from them: the oracle of a run. */
export class Ledger {
  readonly #accepted: Accepted[] = [];
  /** What each device had of each list when last looked at: reads are monotonic. */
  readonly #sight = new Map<string, DotContext>();

  constructor(readonly world: World) {}

  /** Makes a change on a device, and remembers it. @param amount null to remove the item */
  record(client: SimClient, listId: string, item: string, amount: number | null): void {
    const state = client.list(listId).shown.items.get(item) ?? UNTOUCHED;
    const saw = new Map(state.replicas.map((replica) => [replica, state.touchedBy(replica)]));
    const intent: Intent =
      amount === null
        ? { type: "remove", key: item }
        : { type: "add", name: item, unit: null, amount, note: null, aisle: null };
    const dot = client.change(listId, intent).outbox.at(-1);
    if (dot === undefined) throw new Error("a change is in the outbox");
    const isRemove = amount === null;
    this.#accepted.push({
      listId,
      item,
      dot,
      needed: amount ?? 0,
      isRemove,
      saw,
      author: client,
      lostBefore: null,
    });
    const what = isRemove ? `removes ${item} from` : `adds ${amount} ${item} to`;
    this.world.trace(`${client.name} ${what} ${listId.slice(0, 4)} as ${dot.replica}:${dot.counter}`);
  }

  /** Whether nobody has lost sight of anything they had seen; else who has. */
  checkSight(clients: readonly SimClient[]): string | null {
    for (const client of clients) {
      for (const listId of client.listIds) {
        const name = `${client.name} ${listId}`;
        const { seen } = client.list(listId).shown;
        const before = this.#sight.get(name);
        if (before !== undefined && !seen.includesAll(before)) return `${name}: something seen is not there any more`;
        const copy = new DotContext();
        copy.join(seen);
        this.#sight.set(name, copy);
      }
    }
    return null;
  }

  /**
   * Whether everything that its author takes for stored is on so many disks, less those that were lost since it was told
   * so; else what is not.
   * @param lostLongAgo the disks that were lost before any answer set out that arrives now
   */
  check(servers: readonly SimServer[], wanted: number, lost: number, lostLongAgo: number): string | null {
    for (const one of this.#accepted) {
      const { dot, author } = one;
      const name = `${dot.replica}:${dot.counter}`;
      if (!author.list(one.listId).shown.seen.has(dot)) return `${author.name} does not see its own ${name}`;
      if (one.lostBefore === null) {
        const { outbox, rejected } = author.list(one.listId);
        if (outbox.some(({ replica, counter }) => replica === dot.replica && counter === dot.counter)) continue;
        if (rejected.length > 0) return `a change by ${author.name} was rejected`;
        one.lostBefore = lostLongAgo;
        this.world.trace(`${name} is acknowledged`);
      }
      const copies = servers.filter((server) => server.onDisk(one.listId)?.seen.has(dot) === true).length;
      const due = wanted - (lost - one.lostBefore);
      if (copies < due) return `${author.name} takes ${name} for stored, and it is on ${copies} of ${due} disks`;
    }
    return null;
  }

  /** All accepted operations, less those that a remove had seen. */
  totals(listId: string): string {
    const accepted = this.#accepted.filter((one) => one.listId === listId);
    const removes = accepted.filter((one) => one.isRemove);
    const isSeen = ({ dot, item }: Accepted): boolean =>
      removes.some((remove) => remove.item === item && (remove.saw.get(dot.replica) ?? 0) >= dot.counter);
    const totals = new Map<string, number>();
    for (const one of accepted) {
      if (!one.isRemove && !isSeen(one)) totals.set(one.item, (totals.get(one.item) ?? 0) + one.needed);
    }
    return JSON.stringify([...totals].sort());
  }
}
