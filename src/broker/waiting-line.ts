/** Those who wait for one server: each client's in order, and the clients by turns, so that nobody waits for all of another's. */
export class WaitingLine<T extends { readonly client: string }> {
  // A Map iterates in order of insertion: who has had a turn is put back last.
  readonly #byClient = new Map<string, T[]>();

  /** Whose turn it is, or null where nobody waits. */
  get first(): T | null {
    for (const [first] of this.#byClient.values()) return first ?? null;
    return null;
  }

  add(one: T): void {
    const others = this.#byClient.get(one.client);
    if (others === undefined) this.#byClient.set(one.client, [one]);
    else others.push(one);
  }

  /** Takes out whose turn it is. */
  next(): void {
    const [turn] = this.#byClient;
    if (turn === undefined) return;
    const [client, [, ...left]] = turn;
    this.#byClient.delete(client);
    if (left.length > 0) this.#byClient.set(client, left);
  }

  /** Takes out one that does not want to wait any longer; its client keeps its place. */
  withdraw(one: T): void {
    const left = (this.#byClient.get(one.client) ?? []).filter((other) => other !== one);
    if (left.length > 0) this.#byClient.set(one.client, left);
    else this.#byClient.delete(one.client);
  }
}
