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
  /** See `Rights.wish`. */
  readonly wish?: boolean | null;
}

/** Who may do what with a list on this machine, as far as is known here: the cluster decides. */
export class Rights {
  #founding: Founding | null;
  #standing: Standing | null;
  #isAdopted: boolean;
  #wish: boolean | null;

  constructor({ founding = null, standing = null, adopted = false, wish = null }: RightsForm) {
    this.#founding = founding;
    this.#standing = standing;
    this.#isAdopted = adopted;
    this.#wish = wish;
  }

  get form(): RightsForm {
    const [founding, standing, adopted, wish] = [this.#founding, this.#standing, this.#isAdopted, this.#wish];
    return { founding, standing, adopted, ...(wish === null ? {} : { wish }) };
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

  /** For a list that the cluster has not answered about: who may edit it when it does. */
  foundAs(open: boolean): void {
    if (this.#founding === null) return;
    this.#founding = { ...this.#founding, open };
    this.#wish = open;
  }

  /** Whether it should be open, where the cluster may have heard otherwise before: an answer was lost. Null where nothing is left to do. */
  get wish(): boolean | null {
    return this.#wish;
  }

  forgetWish(): void {
    this.#wish = null;
  }

  /** Takes note of what the cluster said. */
  stand(standing: Standing): void {
    this.#standing = standing;
    if (this.#wish === standing.open) this.#wish = null;
  }
}
