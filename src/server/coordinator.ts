import { overflowOf } from "../crdt/capacity.js";
import type { ShoppingList } from "../crdt/shopping-list.js";
import { BOUNDS } from "../protocol/bounds.js";
import type { Replication } from "../protocol/cluster-messages.js";
import { ProtocolError, type ErrorCode } from "../protocol/errors.js";
import type { Request, ServerReply } from "../protocol/frames.js";
import { partitionOf } from "../protocol/hash-ring.js";
import { topicOf, type ListId, type ServerId } from "../protocol/ids.js";
import {
  decodeSyncRequest,
  encodeSyncReply,
  errorReply,
  type NewestOperation,
  type SyncRequest,
} from "../protocol/messages.js";
import type { Exchanges } from "./exchanges.js";
import { Quorum, type QuorumMove, type QuorumTimes } from "./quorum.js";
import type { Replica } from "./replica.js";
import type { Roster } from "./roster.js";
import type { Timer, Turn } from "./turn.js";

/** Sends the answer to whoever asked. */
export type Answer = (reply: ServerReply) => void;

/** A request under way. */
interface Coordination {
  readonly listId: ListId;
  readonly request: SyncRequest;
  readonly quorum: Quorum;
  readonly tag: number;
  readonly wanted: number;
  readonly answer: Answer;
  readonly timers: Timer[];
  isAnswered: boolean;
}

/**
 * Carries out clients' requests: joins what they bring, has it stored on W servers, compares R copies, and gives what the
 * client lacks. Any server can coordinate any list, since the state is a lattice; the list's owners do it as a rule.
 */
export class Coordinator {
  readonly #underWay = new Set<Coordination>();

  constructor(
    readonly turn: Turn,
    readonly replica: Replica,
    readonly exchanges: Exchanges,
    readonly roster: Roster,
    readonly isAlive: (server: ServerId) => boolean,
    readonly config: Replication & QuorumTimes,
  ) {}

  get size(): number {
    return this.#underWay.size;
  }

  onSync({ listId, body }: Request, answer: Answer): void {
    if (listId === null) throw new ProtocolError("malformed", "a sync request is about a list");
    const request = decodeSyncRequest(body);
    this.replica.use(
      listId,
      (list) => refusing(answer, this.turn, () => this.#begin(listId, list, request, answer)),
      (problem) => decline(answer, this.turn, storageFailed(problem)),
    );
  }

  #begin(listId: ListId, list: ShoppingList, request: SyncRequest, answer: Answer): void {
    const { delta } = request;
    const newest = newestOf(list, request.replica);
    if (isStale(newest, request)) {
      const message = "operations of this replica are stored that its sender did not name";
      this.#whenDurable(listId, answer, () => answer(errorReply({ code: "stale-basis", message, newest })));
      return;
    }
    const isNews = delta !== null && !list.seen.includesAll(delta.seen);
    if (isNews) {
      const overflow = overflowOf(list, delta);
      if (overflow !== null) throw new ProtocolError("too-large", `a list holds at most ${overflow}`);
      this.replica.join(listId, list, delta);
    }
    const coordination = this.#open(listId, request, answer);
    this.#move(coordination, coordination.quorum.begin(), list);
    this.replica.whenDurable(
      listId,
      () => {
        coordination.quorum.onStoredHere();
        if (isNews) this.turn.emit({ type: "notify", topic: topicOf(listId) });
        this.#consider(coordination);
      },
      (problem) => {
        if (!coordination.isAnswered) decline(answer, this.turn, storageFailed(problem));
        coordination.isAnswered = true;
        this.#end(coordination);
      },
    );
  }

  #open(listId: ListId, request: SyncRequest, answer: Answer): Coordination {
    const partition = partitionOf(listId);
    const { placement } = this.roster;
    const owners = placement.owners(partition);
    const heirs = placement.heirs(partition).filter((server) => !owners.includes(server));
    const wanted = this.roster.quorumOf(this.config.writeQuorum, owners.length);
    const quorum = new Quorum({
      kind: request.delta === null ? "read" : "write",
      self: this.turn.id,
      owners,
      heirs,
      standIns: placement.order(partition).slice(owners.length),
      writeQuorum: wanted,
      readQuorum: this.config.readQuorum,
      isAlive: this.isAlive,
    });
    const gives = (peer: ServerId): boolean => request.delta !== null || owners.includes(peer) || heirs.includes(peer);
    const tag = this.exchanges.open(
      listId,
      "request",
      (peer, reply) => {
        if (reply === "declined") this.#move(coordination, quorum.onDeclined(peer), null);
        else quorum.onAnswer(peer, reply === "holds");
        this.#consider(coordination);
      },
      gives,
    );
    const coordination: Coordination = {
      listId,
      request,
      quorum,
      tag,
      wanted,
      answer,
      timers: [],
      isAnswered: false,
    };
    this.#underWay.add(coordination);
    const { resendAfterMs, standInAfterMs, answerAfterMs, endAfterMs } = this.config;
    coordination.timers.push(
      this.turn.after(resendAfterMs, () => this.#move(coordination, quorum.resend(), null)),
      this.turn.after(standInAfterMs, () => this.#move(coordination, quorum.standIn(), null)),
      this.turn.after(answerAfterMs, () => this.#answer(coordination)),
      this.turn.after(endAfterMs, () => this.#end(coordination)),
    );
    return coordination;
  }

  /** @param list the list where it is at hand, else it is looked up */
  #move(coordination: Coordination, moves: readonly QuorumMove[], list: ShoppingList | null): void {
    if (moves.length === 0) return;
    const { listId, request, tag, quorum } = coordination;
    const perform = (current: ShoppingList): void => {
      for (const move of moves) {
        if (move.type === "publish") this.exchanges.publish(tag, current, request.delta);
        else this.exchanges.ask(tag, move.server, current, request.delta);
        if (move.type === "ask" && list === null) this.turn.counters.retries++;
        if (move.type === "ask" && quorum.isHint(move.server)) this.turn.counters.hints++;
      }
    };
    if (list !== null) perform(list);
    else this.replica.use(listId, perform, () => undefined);
  }

  #consider(coordination: Coordination): void {
    if (coordination.quorum.isSettled()) this.#answer(coordination);
    if (coordination.isAnswered && coordination.quorum.isComplete()) this.#end(coordination);
  }

  #answer(coordination: Coordination): void {
    if (coordination.isAnswered) return;
    coordination.isAnswered = true;
    const { listId, answer } = coordination;
    this.replica.use(
      listId,
      (list) =>
        refusing(answer, this.turn, () => {
          const reply = this.#replyTo(coordination, list);
          this.#whenDurable(listId, answer, () => answer(reply));
        }),
      (problem) => decline(answer, this.turn, storageFailed(problem)),
    );
  }

  #replyTo({ quorum, request, wanted }: Coordination, list: ShoppingList): ServerReply {
    if (list.seen.isEmpty() && request.seen.isEmpty()) {
      const isCertain = quorum.compared >= this.roster.quorumOf(this.config.readQuorum, quorum.plan.owners.length);
      if (isCertain) throw new ProtocolError("no-such-list", "no list with this id is known");
      throw new ProtocolError("unavailable", "too few of the servers that hold this are answering");
    }
    const lacking = list.lacking(request.seen);
    const reply = encodeSyncReply({
      delta: lacking.seen.isEmpty() ? null : lacking,
      serverSeen: list.seen.includesAll(request.seen) ? null : list.seen,
      newest: newestOf(list, request.replica),
      stored: quorum.stored,
      wanted,
      replicas: quorum.plan.owners.length,
    });
    if (reply.body.byteLength <= BOUNDS.frameBytes) return reply;
    throw new ProtocolError(
      "too-large",
      `the list has more than the ${BOUNDS.frameBytes} bytes that a message may have`,
    );
  }

  #end(coordination: Coordination): void {
    this.#answer(coordination);
    this.#underWay.delete(coordination);
    this.exchanges.close(coordination.tag);
    for (const timer of coordination.timers) timer.cancel();
  }

  #whenDurable(listId: ListId, answer: Answer, then: () => void): void {
    this.replica.whenDurable(listId, then, (problem) => decline(answer, this.turn, storageFailed(problem)));
  }
}

/** These are this server's own trouble, which the next one may not have. */
const OWN_TROUBLE: ReadonlySet<ErrorCode> = new Set(["storage-failed", "internal", "unavailable"]);

/** Whatever goes wrong is answered. */
export function refusing(answer: Answer, turn: Turn, work: () => void): void {
  try {
    work();
  } catch (error) {
    const isKnown = error instanceof ProtocolError;
    if (!isKnown) turn.emit({ type: "log", event: "request-failed", facts: { problem: String(error) } });
    decline(answer, turn, isKnown ? error : new ProtocolError("internal", "the server could not answer this"));
  }
}

function decline(answer: Answer, turn: Turn, { code, message }: ProtocolError): void {
  if (!OWN_TROUBLE.has(code)) answer(errorReply({ code, message }));
  else {
    turn.counters.declined++;
    answer({ kind: "declined", body: errorReply({ code, message }).body });
  }
}

function storageFailed(problem: string): ProtocolError {
  return new ProtocolError("storage-failed", `the server could not use its disk: ${problem.slice(0, 500)}`);
}

function newestOf(list: ShoppingList, replica: string): NewestOperation | null {
  const written = list.newest.get(replica)?.written() ?? null;
  return written === null ? null : { counter: written.stamp.time, id: written.value };
}

/** Whether operations of the sender's replica are known here that the sender shows no sign of knowing. */
function isStale(known: NewestOperation | null, { replica, basis, delta }: SyncRequest): boolean {
  if (known === null || known.counter < (basis?.counter ?? 0)) return false;
  if (known.counter === basis?.counter && known.id === basis.id) return false;
  const sent = delta?.history
    .operations()
    .some((operation) => operation.dot.replica === replica && operation.id === known.id);
  return sent !== true;
}
