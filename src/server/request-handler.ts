import { decodeRemoval, type Copy, type Inspection, type Replication } from "../protocol/cluster-messages.js";
import { ProtocolError } from "../protocol/errors.js";
import { bodyFrame, REQUEST_SUBJECTS, type Request } from "../protocol/frames.js";
import { partitionOf } from "../protocol/hash-ring.js";
import type { ListId, ServerId } from "../protocol/ids.js";
import type { AntiEntropy } from "./anti-entropy.js";
import type { Accounts } from "./accounts.js";
import { refusing, type Answer } from "./answers.js";
import type { Caller } from "./caller.js";
import type { Coordinator } from "./coordinator.js";
import type { HandOver } from "./hand-over.js";
import type { Peers } from "./peers.js";
import type { Questions } from "./questions.js";
import type { Replica } from "./replica.js";
import type { Roster } from "./roster.js";
import type { Turn } from "./turn.js";

/** The parts of the server that requests are about. */
export interface Parts {
  readonly replica: Replica;
  readonly roster: Roster;
  readonly peers: Peers;
  readonly questions: Questions;
  readonly antiEntropy: AntiEntropy;
  readonly handOver: HandOver;
  readonly coordinator: Coordinator;
  readonly accounts: Accounts;
  /** Whether there is an operator's key, so that only its holder may look into servers and change the cluster. */
  readonly hasOperator: boolean;
  /** Whether this server knows what it has to know to judge anybody's request. */
  readonly isReady: () => boolean;
  readonly replication: Replication;
}

/** Hints that one answer names; the others are counted. */
const MOST_HINTS = 1_000;

/** Answers what clients and operators ask of a server. */
export class RequestHandler {
  constructor(
    readonly turn: Turn,
    readonly parts: Parts,
  ) {}

  onRequest(request: Request, caller: Caller, answer: Answer): void {
    refusing(answer, this.turn, () => {
      const value = this.#answerTo(request, caller, answer);
      if (value !== null) answer({ kind: "reply", body: bodyFrame(value) });
    });
  }

  /** The answer where it can be given at once, else null; then it comes later. */
  #answerTo(request: Request, caller: Caller, answer: Answer): unknown {
    const listId = request.listId ?? "";
    if (REQUEST_SUBJECTS[request.kind] === "list" && !this.parts.isReady())
      throw new ProtocolError("unavailable", "the server has just come back, and compares what it has with the others");
    switch (request.kind) {
      case "sync":
        this.parts.coordinator.onSync(request, caller, answer);
        return null;
      case "access":
        this.parts.coordinator.onAccess(request, caller, answer);
        return null;
      case "account":
        this.parts.accounts.onRequest(request, caller, answer);
        return null;
      case "where":
        if (this.#isOperator(caller)) this.#where(listId, answer);
        else this.parts.coordinator.mayRead(listId, caller, answer, () => this.#where(listId, answer));
        return null;
      case "ping":
        return { server: this.turn.id };
      case "inspect":
        return this.#inspection(this.#isOperator(caller));
      case "repair":
        this.#requireOperator(caller);
        this.#repair(answer);
        return null;
      case "leave":
        this.#requireOperator(caller);
        return this.#leave();
      case "remove":
        this.#requireOperator(caller);
        return this.#remove(decodeRemoval(request.body).id);
      case "status":
        throw new ProtocolError("unknown-kind", "this is for brokers to answer");
    }
  }

  /** Where no operator's key was ever made, whoever reaches the cluster is its operator. */
  #isOperator({ isOperator }: Caller): boolean {
    return isOperator || !this.parts.hasOperator;
  }

  #requireOperator(caller: Caller): void {
    if (!this.#isOperator(caller))
      throw new ProtocolError("not-allowed", caller.problem ?? "this takes the operator's key");
  }

  /** Asks everyone who may have a copy for its digest. */
  #where(listId: ListId, answer: Answer): void {
    const { roster, peers, questions, replica, replication } = this.parts;
    const partition = partitionOf(listId);
    const { placement } = roster;
    const owners = placement.owners(partition);
    const copies: Copy[] = [];
    const servers = [...new Set([...placement.holders(partition), ...placement.order(partition)])];
    if (servers.length === 0) throw new ProtocolError("unavailable", "no server is a member of the cluster yet");
    const add = (server: ServerId, answered: boolean, digest: string | null): void => {
      const role = owners.includes(server) ? "owner" : placement.isHeir(server, partition) ? "heir" : "fallback";
      copies.push({ server, role, answered, digest });
      if (copies.length < servers.length) return;
      copies.sort((a, b) => servers.indexOf(a.server) - servers.indexOf(b.server));
      const worthTelling = copies.filter((copy) => copy.role !== "fallback" || copy.digest !== null);
      const wanted = roster.quorumOf(replication.writeQuorum, owners.length);
      const { replicas } = replication;
      answer({ kind: "reply", body: bodyFrame({ partition, wanted, replicas, copies: worthTelling }) });
    };
    for (const server of servers) {
      if (server === this.turn.id) {
        replica.durableDigest(
          listId,
          (digest) => add(server, true, digest),
          () => add(server, false, null),
        );
      } else if (!peers.isAlive(server)) add(server, false, null);
      else {
        const make = (tag: number) => ({ type: "describe", tag, listId }) as const;
        questions.ask(server, make, (reply) =>
          add(server, reply?.type === "described", reply?.type === "described" ? reply.digest : null),
        );
      }
    }
  }

  /** @param named whether to name the lists concerned: whoever knows an open list's id may read it */
  #inspection(named: boolean): Inspection {
    const { roster, handOver, antiEntropy } = this.parts;
    const some: Inspection["hints"]["some"] = [];
    for (const { list, missingAt } of handOver.hints()) {
      if (some.length >= MOST_HINTS || !named) break;
      some.push({ list, missingAt: [...missingAt] });
    }
    return {
      id: this.turn.id,
      status: roster.status,
      counters: { ...this.turn.counters },
      hints: { total: handOver.hintCount, some },
      transfers: { incoming: { ...antiEntropy.progress }, outgoing: { ...handOver.progress } },
    };
  }

  /** One round with every living peer, now. */
  #repair(answer: Answer): void {
    const { peers, antiEntropy } = this.parts;
    const alive = peers.alive();
    const results: { server: ServerId; differing: number; failed: boolean }[] = [];
    const reply = (): void => answer({ kind: "reply", body: bodyFrame({ peers: results }) });
    if (alive.length === 0) reply();
    for (const server of alive) {
      antiEntropy.round(server, "holder", (result) => {
        results.push({ server, ...result });
        if (results.length === alive.length) reply();
      });
    }
  }

  #leave(): unknown {
    const { roster, replication } = this.parts;
    const others = roster.members().filter(({ id, status }) => id !== this.turn.id && status === "member");
    if (roster.status === "member" && others.length < replication.writeQuorum) {
      const message = `only ${others.length} servers would be left, and a change has to be on ${replication.writeQuorum}`;
      throw new ProtocolError("refused", message);
    }
    roster.advance(this.turn.id, "leaving");
    return { id: this.turn.id, status: roster.status };
  }

  #remove(id: ServerId): unknown {
    const { roster, peers } = this.parts;
    if (roster.get(id) === null) throw new ProtocolError("refused", "no server of this id belongs to the cluster");
    if (id === this.turn.id || peers.isAlive(id)) {
      throw new ProtocolError(
        "refused",
        `${id} is alive: let it hand over its lists with \`aisle cluster leave ${id}\``,
      );
    }
    roster.advance(id, "removed");
    return { id, status: "removed" };
  }
}
