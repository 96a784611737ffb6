import type { ServerId } from "../protocol/ids.js";
import type { Millis } from "../protocol/machine.js";

/** What a coordinator waits for, in milliseconds after it has asked: each later than the one before. */
export interface QuorumTimes {
  /** A change waits so long for other copies' word on whether its author may make it. */
  readonly compareWithinMs: Millis;
  /** Who has not answered by then is asked again, directly. */
  readonly resendAfterMs: Millis;
  /** For each owner that has not answered by then, the next server on the ring stands in. */
  readonly fallbackAfterMs: Millis;
  /** The client gets its answer by then, with as many copies as there are. */
  readonly answerAfterMs: Millis;
  /** Nobody is waited for any longer; what is still missing is left to hand-over and anti-entropy. */
  readonly endAfterMs: Millis;
}

export interface QuorumPlan {
  /** A strict write counts owners alone: no later read of R owners can miss it. */
  readonly kind: "read" | "write" | "strict-write";
  readonly self: ServerId;
  /** The first N servers of the preference list. */
  readonly owners: readonly ServerId[];
  /** Servers that are about to become owners: written to, not waited for. */
  readonly heirs: readonly ServerId[];
  /** The rest of the preference list, in its order. */
  readonly fallbacks: readonly ServerId[];
  /** How many durable copies make a write acknowledged (W). */
  readonly writeQuorum: number;
  /** How many copies, this server's own among them, a read compares (R). */
  readonly readQuorum: number;
  readonly isAlive: (server: ServerId) => boolean;
  /** Whether this server has all that it ever said it has. */
  readonly isWhole: boolean;
}

/** Whom to ask: on the partition's topic, or one by one. */
export type QuorumMove = { readonly type: "publish" } | { readonly type: "ask"; readonly server: ServerId };

/**
 * One request at its coordinator (DeCandia et al., "Dynamo", SOSP 2007, sections 4.5 and 4.6): N owners are asked, R of them
 * make a read complete, W durable copies make a write acknowledged. The quorum is sloppy: for an owner that is dead or
 * silent the next living server of the preference list stands in, so a write fails only with the last server. What takes
 * rights away is written strictly: nobody stands in, and it is not done before W owners have it, which the reply tells.
 */
export class Quorum {
  readonly #asked = new Set<ServerId>();
  /** Asked, and still good for an answer that matters. */
  readonly #awaited = new Set<ServerId>();
  readonly #answered = new Set<ServerId>();
  readonly #holding = new Set<ServerId>();
  /** Those whose copy is all that they ever said they have. */
  readonly #whole = new Set<ServerId>();
  readonly #fallbacks: ServerId[];

  constructor(readonly plan: QuorumPlan) {
    if (plan.isWhole) this.#whole.add(plan.self);
    this.#fallbacks = plan.kind === "strict-write" ? [] : plan.fallbacks.filter((server) => server !== plan.self);
  }

  /** How many servers that count are known to have everything on disk. */
  get stored(): number {
    const { kind, owners } = this.plan;
    return kind === "strict-write" ? owners.filter((server) => this.#holding.has(server)).length : this.#holding.size;
  }

  /** How many copies were compared, this server's own among them where it is an owner. */
  get compared(): number {
    const isOwner = this.plan.owners.includes(this.plan.self);
    return this.#answered.size + (isOwner ? 1 : 0);
  }

  /**
   * How many owners' copies were compared: what others have not heard of may still be known to an owner. One that has lost
   * its disk does not count, as it may have told somebody that it has what it knows no more.
   */
  get comparedOwners(): number {
    return this.plan.owners.filter((server) => this.#whole.has(server)).length;
  }

  /** The opening: a write goes to all owners at once, a read to as many as it has to be compared with. */
  begin(): readonly QuorumMove[] {
    const peers = this.#peers();
    const dead = this.plan.owners.filter((server) => server !== this.plan.self && !this.plan.isAlive(server));
    if (this.plan.kind === "read") {
      const isOwner = this.plan.owners.includes(this.plan.self);
      const candidates = [...peers.filter(this.plan.isAlive), ...this.#living(this.#fallbacks)];
      return candidates.slice(0, this.plan.readQuorum - (isOwner ? 1 : 0)).map((server) => this.#ask(server));
    }
    for (const server of peers) this.#asked.add(server);
    for (const server of peers) if (this.plan.isAlive(server)) this.#awaited.add(server);
    return [
      ...(peers.length > 0 ? [{ type: "publish" } as const] : []),
      ...dead.flatMap(() => this.#askNextFallback()),
    ];
  }

  /** Whether what this server is asked to keep is kept for another. */
  isHint(server: ServerId): boolean {
    return this.plan.kind !== "read" && this.plan.fallbacks.includes(server);
  }

  /** This server's own copy is on disk. */
  onStoredHere(): void {
    this.#holding.add(this.plan.self);
  }

  /** `holds` where the server has everything on disk; otherwise it has answered and still lacks something. */
  onAnswer(server: ServerId, holds: boolean, isWhole = true): void {
    this.#answered.add(server);
    if (isWhole) this.#whole.add(server);
    if (holds) this.#holding.add(server);
    // What it lacks is on its way to it, and may get lost there.
    if (holds || this.plan.kind === "read") this.#awaited.delete(server);
  }

  /** The server cannot: another one takes its place. */
  onDeclined(server: ServerId): readonly QuorumMove[] {
    if (!this.#awaited.delete(server)) return [];
    return this.#askNextFallback();
  }

  /** The first answers should have been here by now: everyone silent is asked again, and a read asks all it can. */
  resend(): readonly QuorumMove[] {
    const silent =
      this.plan.kind === "read" && this.compared < this.plan.readQuorum ? this.#peers() : [...this.#awaited];
    return silent
      .filter((server) => this.plan.isAlive(server) && !this.#holding.has(server))
      .map((server) => this.#ask(server));
  }

  /** Owners that are still silent get somebody to stand in for them. */
  askFallbacks(): readonly QuorumMove[] {
    const silent = [...this.#awaited].filter((server) => this.plan.owners.includes(server));
    return silent.flatMap(() => this.#askNextFallback());
  }

  /** Whether the client can have its answer: enough copies, or nobody left to hope for. */
  isSettled(): boolean {
    const isRead = this.compared >= Math.min(this.plan.readQuorum, this.plan.owners.length);
    const isWritten = this.plan.kind === "read" || this.stored >= this.plan.writeQuorum;
    return (isRead && isWritten) || this.#isHopeless();
  }

  /** Whether everyone who should have a copy has it. */
  isComplete(): boolean {
    return [...this.#asked].every((server) => this.#holding.has(server));
  }

  #isHopeless(): boolean {
    return this.#awaited.size === 0 && this.#holding.has(this.plan.self);
  }

  /** All who should have a copy, but for this server. */
  #peers(): readonly ServerId[] {
    return [...new Set([...this.plan.owners, ...this.plan.heirs])].filter((server) => server !== this.plan.self);
  }

  #living(servers: readonly ServerId[]): readonly ServerId[] {
    return servers.filter((server) => this.plan.isAlive(server));
  }

  #askNextFallback(): readonly QuorumMove[] {
    const next = this.#fallbacks.find((server) => this.plan.isAlive(server) && !this.#asked.has(server));
    return next === undefined ? [] : [this.#ask(next)];
  }

  #ask(server: ServerId): QuorumMove {
    this.#asked.add(server);
    this.#awaited.add(server);
    return { type: "ask", server };
  }
}
