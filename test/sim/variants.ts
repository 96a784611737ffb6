import { DotContext } from "../../src/crdt/dot-context.js";
import { Membership } from "../../src/protocol/membership.js";
import { Placement } from "../../src/protocol/placement.js";
import { AntiEntropy } from "../../src/server/anti-entropy.js";
import { Quorum } from "../../src/server/quorum.js";
import { Roster } from "../../src/server/roster.js";
import type { ServerVariant } from "./sim-server.js";

/** A cluster that is wrong on purpose. */
export interface Variant extends ServerVariant {
  /** Takes a dot for proof of all before it: a version vector where a context with gaps should be. */
  readonly ignoresGaps?: boolean;
  /** Compares no copies once it has joined. */
  readonly hasNoAntiEntropy?: boolean;
  /** Computes owners from who is up instead of from who is a member. */
  readonly placesByWhoIsUp?: boolean;
  /** Judges who may do what by its own copy alone. */
  readonly trustsOneCopy?: boolean;
}

/** Runs with production code put wrong as the variant says, and puts it right again. */
export function withVariant<T>(variant: Variant, isUp: (server: string) => boolean, run: () => T): T {
  const restore: (() => void)[] = [];
  if (variant.ignoresGaps === true) {
    restore.push(
      replace(
        DotContext.prototype,
        "addRanges",
        () =>
          function (this: DotContext, replica, ranges) {
            for (const { to } of ranges) this.vector.raise(replica, to);
          },
      ),
    );
  }
  if (variant.hasNoAntiEntropy === true) {
    restore.push(
      replace(
        AntiEntropy.prototype,
        "round",
        (round) =>
          function (this: AntiEntropy, peer, scope, then) {
            if (this.roster.status === "joining") round.call(this, peer, scope, then);
          },
      ),
    );
  }
  if (variant.trustsOneCopy === true) {
    restore.push(replaceGetter(Quorum.prototype, "comparedOwners", () => Infinity));
  }
  if (variant.placesByWhoIsUp === true) {
    restore.push(
      replaceGetter(Roster.prototype, "placement", function (this: Roster): Placement {
        const members = this.members().filter(({ id }) => isUp(id));
        return Placement.of(Membership.of(members), this.replication.replicas);
      }),
    );
    // Then a server that is alone is the whole ring, and its one copy is all the copies there should be.
    restore.push(
      replace(Roster.prototype, "quorumOf", () => (quorum, owners) => Math.min(quorum, Math.max(1, owners))),
    );
  }
  try {
    return run();
  } finally {
    for (const undo of restore) undo();
  }
}

/** Puts another method in an object's place; answers how to undo that. */
function replace<T extends object, K extends keyof T>(target: T, name: K, make: (original: T[K]) => T[K]): () => void {
  const original = target[name];
  target[name] = make(original);
  return () => (target[name] = original);
}

function replaceGetter<T extends object, K extends keyof T>(target: T, name: K, get: (this: T) => T[K]): () => void {
  const original = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, { configurable: true, get });
  return () => {
    if (original !== undefined) Object.defineProperty(target, name, original);
  };
}
