import { compareText } from "./lattice.js";

/** One data folder's identity within one list; see `ReplicaId` in docs/crdt.md for when a new one is minted. */
export type ReplicaId = string;

/** The name of one operation: the `counter`-th (from 1) that `replica` made on this list. */
export interface Dot {
  readonly replica: ReplicaId;
  readonly counter: number;
}

/** By replica, then counter. */
export function compareDots(a: Dot, b: Dot): number {
  return compareText(a.replica, b.replica) || a.counter - b.counter;
}
