import { overflowOf } from "../crdt/capacity.js";
import { Document } from "../crdt/document.js";
import { compareStamps, type LwwRegister } from "../crdt/lww-register.js";
import type { AccessRecord, Role } from "../crdt/access-record.js";
import type { ShoppingList } from "../crdt/shopping-list.js";
import { decodeAccessRequest } from "../protocol/access-messages.js";
import { BOUNDS } from "../protocol/bounds.js";
import { ProtocolError } from "../protocol/errors.js";
import type { ServerReply } from "../protocol/broker-messages.js";
import { bodyFrame, type Request } from "../protocol/frames.js";
import type { ListId } from "../protocol/ids.js";
import type { Millis } from "../protocol/machine.js";
import {
  decodeSyncRequest,
  encodeSyncReply,
  errorReply,
  type NewestOperation,
  type SyncReply,
  type SyncRequest,
} from "../protocol/messages.js";
import { changed, describe, found, notLetIn, roleOf } from "./access.js";
import { decline, refusing, storageFailed, tooFew, type Answer } from "./answers.js";
import type { Authority } from "./authority.js";
import type { Asker, Caller } from "./caller.js";
import type { Copies, Failed, Quorums, Then, WriteKind } from "./quorums.js";
import type { QuorumTimes } from "./quorum.js";
import { Pacer } from "./pacer.js";
import type { Replica } from "./replica.js";
import type { Turn } from "./turn.js";

/** A request about a list, with who asks. */
interface Sync {
  readonly listId: ListId;
  readonly request: SyncRequest;
  readonly asker: Asker;
  readonly answer: Answer;
  /** When whoever asks has stopped waiting. */
  readonly until: Millis;
}

/** Answers from so many bytes on take a server's time from everybody: they are made one after the other. */
const LARGE_ANSWER_BYTES = 512 * 1024;
/** Fewer items never come to so much. */
const FEW_ITEMS = 100;

/**
 * Carries out what clients ask about lists. A change is proposed at once, judged by this server's own copy; where the copies of R owners are
 * not the same, and for anything else, the newest state is put together first, so that it is judged by the newest access record. What passes is joined,
 * stored on W servers, and answered with what the client lacks.
 */
export class Coordinator {
  readonly #pacer: Pacer;

  constructor(
    readonly turn: Turn,
    readonly replica: Replica,
    readonly quorums: Quorums,
    readonly authority: Authority,
    readonly times: QuorumTimes,
  ) {
    this.#pacer = new Pacer(turn);
  }

  onSync({ listId, body, timeoutMs }: Request, caller: Caller, answer: Answer): void {
    if (listId === null) throw new ProtocolError("malformed", "a sync request is about a list");
    const request = decodeSyncRequest(body);
    const { answerAfterMs, compareWithinMs } = this.times;
    const until = this.turn.now + timeoutMs;
    this.#identified(caller, answer, (asker) => {
      const sync = { listId, request, asker, answer, until };
      const compare = (): void =>
        this.#assembled(listId, request.delta === null ? answerAfterMs : compareWithinMs, answer, (document, copies) =>
          this.#sync(sync, document, copies),
        );
      if (request.delta === null) compare();
      else this.#propose(sync, request.delta, compare);
    });
  }

  onAccess({ listId, body }: Request, caller: Caller, answer: Answer): void {
    if (listId === null) throw new ProtocolError("malformed", "an access request is about a list");
    const request = decodeAccessRequest(body);
    this.#identified(caller, answer, (asker) =>
      this.#assembled(listId, this.times.compareWithinMs, answer, (document, copies) => {
        requireRecord(document.access, copies);
        // Rights do not merge as lists do: who may do what is only changed by somebody who knows who may.
        if (request.do !== "members" && !copies.isCertain) throw tooFew();
        const next = certainly(copies, () => changed(document.access, request, asker, caller.at));
        const then = (document: Document, { stored, wanted, replicas }: Copies): void => {
          const value = { ...describe(document.access, asker, caller.at), stored, wanted, replicas };
          this.#reply(listId, answer, { kind: "reply", body: bodyFrame(value) });
        };
        this.#store(listId, new Document(undefined, next), "strict-write", answer, then);
      }),
    );
  }

  /** Whether the asker may read the list, as far as can be told; throws where not. */
  mayRead(listId: ListId, caller: Caller, answer: Answer, then: () => void): void {
    this.#identified(caller, answer, (asker) =>
      this.#assembled(listId, this.times.compareWithinMs, answer, ({ access }, copies) => {
        requireRecord(access, copies);
        if (roleOf(access, asker) === null) throw notLetIn();
        then();
      }),
    );
  }

  #identified(caller: Caller, answer: Answer, then: (asker: Asker) => void): void {
    this.authority.identify(caller, then, (error) => decline(answer, this.turn, error));
  }

  #assembled(listId: ListId, withinMs: Millis, answer: Answer, then: Then): void {
    this.quorums.assemble(listId, withinMs, ...this.#answering(answer, then));
  }

  /** What goes wrong on the way is answered. */
  #answering(answer: Answer, then: Then): [Then, Failed] {
    return [
      (document, copies) => refusing(answer, this.turn, () => then(document, copies)),
      (problem) => decline(answer, this.turn, storageFailed(problem)),
    ];
  }

  /** As a rule the copies are the same: then what this server's own lets pass takes one round, and not two. */
  #propose(sync: Sync, delta: ShoppingList, otherwise: () => void): void {
    const { listId, request, asker, answer } = sync;
    const propose = (document: Document): void => {
      const { access, list } = document;
      const role = access.isEmpty ? null : roleOf(access, asker);
      const isJudged = role !== null && !isStale(newestOf(list, request.replica), request);
      if (!isJudged || refusalOf(access, role, list, delta) !== null || !this.quorums.mayPropose(listId)) otherwise();
      else {
        const then: Then = (stored, copies) => this.#replyTo(sync, stored, copies, role);
        this.quorums.propose(listId, document, new Document(delta), otherwise, ...this.#answering(answer, then));
      }
    };
    this.replica.use(listId, propose, (problem) => decline(answer, this.turn, storageFailed(problem)));
  }

  #sync(sync: Sync, document: Document, copies: Copies): void {
    const { listId, request, asker, answer } = sync;
    const founded = this.#founded(sync, document, copies);
    const access = founded ?? document.access;
    const role = roleOf(access, asker);
    if (role === null) throw judged(copies, notLetIn());
    const newest = newestOf(document.list, request.replica);
    if (isStale(newest, request)) {
      const message = "operations of this replica are stored that its sender did not name";
      this.#reply(listId, answer, errorReply({ code: "stale-basis", message, newest }));
      return;
    }
    if (request.delta === null && founded === null) {
      this.#replyTo(sync, document, copies, role);
      return;
    }
    const refusal = request.delta === null ? null : refusalOf(access, role, document.list, request.delta);
    if (refusal !== null) throw judged(copies, refusal);
    const delta = new Document(request.delta ?? undefined, founded ?? undefined);
    this.#store(listId, delta, "write", answer, (stored, counts) => this.#replyTo(sync, stored, counts, role));
  }

  /** The list's first access record, where it has none and the asker made the list; null where it has one. */
  #founded({ listId, request, asker }: Sync, { access, list }: Document, copies: Copies): AccessRecord | null {
    if (!access.isEmpty) return null;
    const founded = found(listId, request.founding, asker);
    if (founded === null) throw judged(copies, notLetIn());
    // What is here without a record came from a server that had one, which may say something else by now.
    if (!copies.isCertain && !list.seen.isEmpty()) throw tooFew();
    return founded;
  }

  #store(listId: ListId, delta: Document, kind: WriteKind, answer: Answer, then: Then): void {
    this.quorums.store(listId, delta, kind, ...this.#answering(answer, then));
  }

  /** @param judged as what the asker was let in, should the record say nothing of that any more */
  #replyTo(sync: Sync, document: Document, copies: Copies, judged: Role): void {
    const { listId, answer, until } = sync;
    const reply = replyTo(sync, document, copies, roleOf(document.access, sync.asker) ?? judged);
    const tell = (): void => {
      const encoded = encodedReply(reply);
      if (copies.isSafeElsewhere) answer(encoded);
      else this.#reply(listId, answer, encoded);
    };
    if (isLarge(reply)) this.#pacer.add(until, () => refusing(answer, this.turn, tell));
    else tell();
  }

  /** Once all that the reply tells of is on disk. */
  #reply(listId: ListId, answer: Answer, reply: ServerReply): void {
    const failed = (problem: string): void => decline(answer, this.turn, storageFailed(problem));
    this.replica.whenDurable(listId, () => answer(reply), failed);
  }
}

/** Nobody is let in, and nobody turned away for good, by a server that does not know who may. */
function requireRecord(access: AccessRecord, copies: Copies): void {
  if (access.isEmpty) throw judged(copies, notLetIn());
}

/** Refusals that hang on the access record. */
const ABOUT_RIGHTS: ReadonlySet<string> = new Set(["not-allowed", "read-only"]);

/** A refusal by a record that may be out of date is none: another server, or a later time, may know better. */
function judged({ isCertain }: Copies, refusal: ProtocolError): ProtocolError {
  return isCertain || !ABOUT_RIGHTS.has(refusal.code) ? refusal : tooFew();
}

function certainly<T>(copies: Copies, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof ProtocolError ? judged(copies, error) : error;
  }
}

/** Why whoever has this role may not make this change, or null. */
function refusalOf(access: AccessRecord, role: Role, list: ShoppingList, delta: ShoppingList): ProtocolError | null {
  if (role === "viewer") return new ProtocolError("read-only", "viewers of the list may not change it");
  // Deleting is for owners, and where nobody in particular is, for everybody.
  if (role !== "owner" && !access.isOpen && isWritten(delta.deleted, list.deleted))
    return new ProtocolError("read-only", "only an owner of the list may delete it or bring it back");
  const overflow = overflowOf(list, delta);
  return overflow === null ? null : new ProtocolError("too-large", `a list holds at most ${overflow}`);
}

/** Whether joining `given` would leave another value, or the same one harder to replace. */
function isWritten(given: LwwRegister<boolean>, known: LwwRegister<boolean>): boolean {
  const [theirs, ours] = [given.written(), known.written()];
  if (theirs === null) return false;
  const order = ours === null ? 1 : compareStamps(theirs.stamp, ours.stamp);
  return order > 0 || (order === 0 && theirs.value !== ours?.value);
}

function replyTo({ request }: Sync, { list, access }: Document, copies: Copies, role: Role): SyncReply {
  const lacking = list.lacking(request.seen);
  const { stored, wanted, replicas } = copies;
  return {
    delta: lacking.seen.isEmpty() ? null : lacking,
    serverSeen: list.seen.includesAll(request.seen) ? null : list.seen,
    newest: newestOf(list, request.replica),
    stored,
    wanted,
    replicas,
    role,
    open: access.isOpen,
    members: access.size,
  };
}

function isLarge({ delta }: SyncReply): boolean {
  return delta !== null && delta.items.entries().size > FEW_ITEMS && delta.items.bytes > LARGE_ANSWER_BYTES;
}

/** @throws ProtocolError where it is too long for a message */
function encodedReply(value: SyncReply): ServerReply {
  const reply = encodeSyncReply(value);
  if (reply.body.byteLength <= BOUNDS.bodyBytes) return reply;
  throw new ProtocolError("too-large", `the list has more than the ${BOUNDS.bodyBytes} bytes that a message may have`);
}

function newestOf(list: ShoppingList, replica: string): NewestOperation | null {
  const written = list.newest.get(replica);
  return written === undefined ? null : { counter: written.stamp.time, id: written.value };
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
