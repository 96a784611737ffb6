import type { ServerId } from "../protocol/ids.js";
import { Membership, type Member } from "../protocol/membership.js";
import type { Ready } from "../protocol/messages.js";
import { SUPPORTED } from "../protocol/version.js";

/** How often a server may find that its peers remember a later run of it: once after losing its disk, and for luck. */
const MOST_OUTDATED = 3;

/** Two servers run under one id: neither can tell which lists it has. */
export class TwinError extends Error {
  override readonly name = "TwinError";
}

/** The membership table as one server knows it, itself in it. */
export class Roster {
  readonly #membership: Membership;
  #outdated = 0;

  /** @param remembered the table as it was on disk, if it was */
  constructor(
    readonly id: ServerId,
    readonly publish: string,
    remembered: readonly Member[],
  ) {
    this.#membership = Membership.of(remembered);
    this.#start();
  }

  /**
   * Joins a table from elsewhere; answers whether there is something new to keep, and to announce.
   * @throws TwinError where somebody else keeps announcing this server's id
   */
  learn(members: readonly Member[]): { readonly changed: boolean; readonly announce: boolean } {
    const own = this.#own().incarnation;
    const changed = members.map((member) => this.#membership.admit(member)).includes(true);
    // A server whose disk was wiped starts counting anew; its peers remember, and this run has to come after those.
    const wasOutdated = this.#own().incarnation > own || this.#own().publish !== this.publish;
    if (wasOutdated) {
      if (++this.#outdated > MOST_OUTDATED) throw new TwinError(`another server runs under the id ${this.id}`);
      this.#start();
    }
    return { changed, announce: wasOutdated };
  }

  members(): readonly Member[] {
    return this.#membership.members();
  }

  announcement(): Ready {
    return { id: this.id, ...SUPPORTED, members: [...this.members()] };
  }

  #own(): Member {
    return this.#membership.get(this.id) ?? { id: this.id, status: "member", incarnation: 0, publish: this.publish };
  }

  #start(): void {
    this.#membership.admit({ ...this.#own(), incarnation: this.#own().incarnation + 1, publish: this.publish });
  }
}
