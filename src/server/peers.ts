import type { HeartbeatTimes } from "../protocol/heartbeat.js";
import { PARTITIONS } from "../protocol/hash-ring.js";
import type { ServerId } from "../protocol/ids.js";
import type { Millis } from "../protocol/machine.js";
import type { Member } from "../protocol/membership.js";
import { EVERYONE, introductionOf, topicOfHolders, topicOfServer } from "../protocol/peer-messages.js";
import type { Placement } from "../protocol/placement.js";
import type { Roster } from "./roster.js";
import type { Turn } from "./turn.js";

/** How old a connection to a silent peer may grow. */
const RENEW_MS = 5_000;

/**
 * The other servers: whom to subscribe to, who is alive, and whose table is another one. A peer is alive while it is heard;
 * what follows from its being dead is only ever a detour, never a change of who owns what.
 */
export class Peers {
  /** When each peer was last heard. */
  readonly #heardAt = new Map<ServerId, Millis>();
  /** Those who subscribed here and said so, though the table would not have us look for them. */
  readonly #introduced = new Map<ServerId, string>();
  readonly #alive = new Set<ServerId>();
  /** The fingerprint of each living peer's table, as it said last. */
  readonly #tables = new Map<ServerId, string>();
  /** When each endpoint was connected to last. */
  readonly #connectedAt = new Map<string, Millis>();
  #listensFor: Placement | null = null;
  #introduction = "";

  /** @param onAlive called when a peer is heard for the first time, or again after a silence */
  constructor(
    readonly turn: Turn,
    readonly roster: Roster,
    readonly seeds: readonly string[],
    readonly times: HeartbeatTimes,
    readonly onAlive: (peer: ServerId) => void,
  ) {}

  start(): void {
    this.reconnect();
    this.#beat();
  }

  isAlive(peer: ServerId): boolean {
    return this.#alive.has(peer);
  }

  /** The living peers, in order of their ids. */
  alive(): readonly ServerId[] {
    return [...this.#alive].sort();
  }

  heard(peer: ServerId): void {
    if (peer === this.turn.id) return;
    this.#heardAt.set(peer, this.turn.now);
    if (this.#alive.has(peer)) return;
    this.#alive.add(peer);
    this.onAlive(peer);
  }

  /** Whether at least so many others are alive, and everybody who is has the same table. */
  haveSameTable(atLeast: number): boolean {
    const alive = this.alive();
    return alive.length >= atLeast && alive.every((peer) => this.#tables.get(peer) === this.roster.fingerprint);
  }

  onBeat(from: ServerId, table: string): void {
    this.#tables.set(from, table);
    if (table === this.roster.fingerprint) return;
    this.turn.emit({ type: "publish", topic: topicOfServer(from), message: this.roster.table() });
  }

  /** Somebody subscribed here: whoever they are, they can be answered only if they are subscribed to as well. */
  onIntroduced(member: Member): void {
    if (member.id === this.turn.id) return;
    const isFirst = !this.#introduced.has(member.id);
    this.#introduced.set(member.id, member.publish);
    this.#heardAt.set(member.id, this.turn.now);
    this.roster.learn([member]);
    // It has just come up: a socket that has waited longer and longer for it would go on waiting.
    if (isFirst && !this.#alive.has(member.id)) this.#renew(member.publish);
    this.reconnect();
  }

  /** Subscribes to whom and what the table says now. */
  reconnect(): void {
    const members = this.roster.members().filter(({ id, status }) => id !== this.turn.id && status !== "removed");
    const endpoints = [...members.map(({ publish }) => publish), ...this.seeds, ...this.#introduced.values()];
    const wanted = new Set(endpoints.filter((endpoint) => endpoint !== this.roster.publish));
    this.#listen();
    for (const endpoint of wanted) {
      if (this.#connectedAt.has(endpoint)) continue;
      this.#connectedAt.set(endpoint, this.turn.now);
      this.turn.emit({ type: "connect", endpoint });
    }
    for (const endpoint of this.#connectedAt.keys()) {
      if (wanted.has(endpoint)) continue;
      this.#connectedAt.delete(endpoint);
      this.turn.emit({ type: "disconnect", endpoint });
    }
  }

  /** A fresh connection: one that was cut in the middle may take minutes to find out by itself. */
  #renew(endpoint: string): void {
    if (!this.#connectedAt.has(endpoint)) return;
    this.#connectedAt.set(endpoint, this.turn.now);
    this.turn.emit({ type: "disconnect", endpoint });
    this.turn.emit({ type: "connect", endpoint });
  }

  #renewSilent(): void {
    for (const { id, publish } of this.roster.members()) {
      if (this.#alive.has(id) || id === this.turn.id) continue;
      if (this.turn.now - (this.#connectedAt.get(publish) ?? this.turn.now) >= RENEW_MS) this.#renew(publish);
    }
  }

  #listen(): void {
    const { id } = this.turn;
    const own = this.roster.get(id);
    const introduction = own === null ? EVERYONE : introductionOf(own);
    if (this.#listensFor === this.roster.placement && this.#introduction === introduction) return;
    this.#listensFor = this.roster.placement;
    this.#introduction = introduction;
    const { placement } = this.roster;
    const topics = new Set([EVERYONE, topicOfServer(id), introduction]);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      if (placement.isHolder(id, partition)) topics.add(topicOfHolders(placement.holderNames(partition)));
    }
    this.turn.emit({ type: "listen", topics: [...topics] });
  }

  #beat(): void {
    this.turn.emit({ type: "publish", topic: EVERYONE, message: { type: "beat", table: this.roster.fingerprint } });
    this.#expire();
    this.#renewSilent();
    this.turn.after(this.times.heartbeatIntervalMs, () => this.#beat());
  }

  #expire(): void {
    for (const [peer, heardAt] of this.#heardAt) {
      if (this.turn.now - heardAt < this.times.heartbeatExpiryMs) continue;
      this.#heardAt.delete(peer);
      this.#tables.delete(peer);
      if (this.#alive.delete(peer)) this.turn.counters.expiries++;
      if (this.#introduced.delete(peer)) this.reconnect();
    }
  }
}
