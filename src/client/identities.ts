import type { ReplicaId } from "../crdt/dot.js";
import type { NewestOperation } from "../protocol/messages.js";

/** A replica id, and the newest operation under it that is known to be stored. */
export interface Identity {
  readonly replica: ReplicaId;
  readonly basis: NewestOperation | null;
}

/** In the form of a list's file. */
export interface IdentitiesForm extends Identity {
  readonly formers?: readonly Identity[];
}

/**
 * The replica id under which this folder changes a list, and those under which it did so before it became another folder. A
 * change keeps the id that it was made under: the folder that this one was copied from may send it as well.
 */
export class Identities {
  #current: Identity;
  /** Of which the cluster has not been asked yet. */
  #formers: readonly Identity[];

  constructor({ replica, basis, formers = [] }: IdentitiesForm) {
    this.#current = { replica, basis };
    this.#formers = formers;
  }

  get form(): IdentitiesForm {
    return { ...this.#current, formers: this.#formers };
  }

  get current(): Identity {
    return this.#current;
  }

  /** One of them that the cluster is to be asked about, before anything is sent. */
  get former(): Identity | null {
    return this.#formers[0] ?? null;
  }

  /** Another one for what comes; operations already made keep their dots, which name them wherever they are known. */
  renew(replica: ReplicaId): void {
    this.#current = { replica, basis: null };
  }

  /** Before another one is taken: changes wait under this one. */
  keepCurrent(): void {
    this.#formers = [...this.#formers, this.#current];
  }

  forgetFormers(): void {
    this.#formers = [];
  }

  /** The cluster has answered one that asked under this id. Answers can overtake each other: a basis only moves forward. */
  onAnswer(asked: ReplicaId, newest: NewestOperation | null): void {
    this.#formers = this.#formers.filter(({ replica }) => replica !== asked);
    const { replica, basis } = this.#current;
    if (asked === replica && newest !== null && newest.counter > (basis?.counter ?? 0))
      this.#current = { replica, basis: newest };
  }

  /** Puts right what is known to be stored under this id. */
  correct(replica: ReplicaId, basis: NewestOperation): void {
    const corrected = (one: Identity): Identity => (one.replica === replica ? { replica, basis } : one);
    this.#current = corrected(this.#current);
    this.#formers = this.#formers.map(corrected);
  }
}
