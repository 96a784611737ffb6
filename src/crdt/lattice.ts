/**
 * A value of a join-semilattice. `join` folds `other` in: the result is the least upper bound of both, so joining is
 * commutative, associative and idempotent. What a value shares with one that it has joined never changes.
 */
export interface Lattice<Self> {
  join(other: Self): void;
}

/** The pointwise order on maps: an absent key stands for bottom. */
export function joinMaps<K, V extends Lattice<V>>(
  target: Map<K, V>,
  source: ReadonlyMap<K, V>,
  bottom: (key: K) => V,
): void {
  for (const [key, value] of source) {
    let own = target.get(key);
    if (own === undefined) {
      own = bottom(key);
      target.set(key, own);
    }
    own.join(value);
  }
}

/** Code-unit order: the one order of strings that every replica shares, whatever its locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
