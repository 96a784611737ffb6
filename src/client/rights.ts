import type { Role } from "../crdt/access-record.js";
import type { Founding } from "../protocol/messages.js";

/** What the person may do with a list, and whether everybody may who knows its id. */
export interface Standing {
  readonly role: Role;
  readonly open: boolean;
  /** How many share it; absent before the cluster has said. */
  readonly members?: number;
}

/** In the form of a list's file; what is absent was never known. */
export interface RightsForm {
  /** Proof that this folder made the list, where it did; see `Founding`. */
  readonly founding?: Founding | null;
  /** What the cluster said last of who may do what. */
  readonly standing?: Standing | null;
  /** Whether an account has taken the place of the device that made the list. */
  readonly adopted?: boolean;
}

/** Who may do what with a list on this machine, as far as is known here: the cluster decides. */
export class Rights {
  #founding: Founding | null;
  #standing: Standing | null;
  #isAdopted: boolean;

  constructor({ founding = null, standing = null, adopted = false }: RightsForm) {
    this.#founding = founding;
    this.#standing = standing;
    this.#isAdopted = adopted;
  }

  get form(): RightsForm {
    return { founding: this.#founding, standing: this.#standing, adopted: this.#isAdopted };
  }

  get founding(): Founding | null {
    return this.#founding;
  }

  /** What the cluster said last; before it was ever asked, who made the list owns it, and who joins hopes to be let in. */
  get standing(): Standing {
    if (this.#standing !== null) return this.#standing;
    return this.#founding === null ? { role: "editor", open: true } : { role: "owner", open: this.#founding.open };
  }

  /** Whether they may change what is on the list. */
  get mayWrite(): boolean {
    const { role, open } = this.standing;
    return role !== "viewer" || open;
  }

  /** Whether they may delete it for everyone, and bring it back. */
  get mayDelete(): boolean {
    const { role, open } = this.standing;
    return role === "owner" || open;
  }

  /** Whether the cluster has never heard of the list. */
  get isUnfounded(): boolean {
    return this.#founding !== null && this.#standing === null;
  }

  /** Whether the list belongs to this device, as it was made here while nobody was logged in. */
  get isOfDevice(): boolean {
    return this.#founding?.by === "device" && !this.#isAdopted;
  }

  /** An account has taken the device's place. */
  adopt(standing: Standing): void {
    this.#isAdopted = true;
    this.#standing = standing;
  }

  /** For a list that the cluster has not heard of: who may edit it when it does. */
  foundAs(open: boolean): void {
    if (this.#founding !== null) this.#founding = { ...this.#founding, open };
  }

  /** Takes note of what the cluster said. */
  stand(standing: Standing): void {
    this.#standing = standing;
  }
}
