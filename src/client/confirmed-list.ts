import { decodeList, decodeSeen, encodeList } from "../crdt/codec.js";
import type { DotContext } from "../crdt/dot-context.js";
import type { ShoppingList } from "../crdt/shopping-list.js";

/**
 * What the cluster has confirmed of a list. Most commands neither look at it nor change it, but for its dots: it is kept in
 * its encoded form, as it is in the file, until somebody does.
 */
export class ConfirmedList {
  #list: ShoppingList | null = null;
  #form: unknown;
  #seen: DotContext | null = null;

  /** @param form one that `decodeList` accepts */
  constructor(form: unknown) {
    this.#form = form;
  }

  static of(list: ShoppingList): ConfirmedList {
    const confirmed = new ConfirmedList(null);
    confirmed.#list = list;
    return confirmed;
  }

  /** Not to be changed by the caller. */
  get list(): ShoppingList {
    return (this.#list ??= decodeList(this.#form));
  }

  /** Not to be changed by the caller. */
  get seen(): DotContext {
    return this.#list?.seen ?? (this.#seen ??= decodeSeen(this.#form));
  }

  get form(): unknown {
    return (this.#form ??= encodeList(this.list));
  }

  join(delta: ShoppingList): void {
    this.list.join(delta);
    this.#form = null;
    this.#seen = null;
  }
}
