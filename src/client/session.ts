import {
  decodeClientReply,
  encodeClientRequest,
  type Frame,
  type Request,
  type RequestKind,
} from "../protocol/frames.js";
import { readingMs } from "../protocol/bounds.js";
import { ERROR_CODES, ProtocolError } from "../protocol/errors.js";
import type { ListId, ServerId } from "../protocol/ids.js";
import { decodeStatus, type StatusReply } from "../protocol/cluster-messages.js";
import { decodeError, decodePong, type ErrorBody } from "../protocol/messages.js";
import { readAddress } from "../protocol/address.js";
import { monotonicMs } from "../runtime/clock.js";
import { randomFraction, randomId } from "../runtime/rng.js";
import { RequestSockets } from "../runtime/request-sockets.js";
import { AisleError, EXIT } from "./errors.js";
import { DEFAULT_RETRY, RetryPolicy } from "./retry-policy.js";
import { t } from "./messages.js";

/** The cluster understood and refused, and asking again the same way will not help. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";

  constructor(readonly body: ErrorBody) {
    super(body.message);
  }
}

/** What to ask; left out is what the kind is not about, and a body that would say nothing. */
export interface Question {
  readonly kind: RequestKind;
  readonly listId?: ListId;
  readonly serverId?: ServerId;
  readonly body?: Frame;
  /** How long one attempt may take, where that is longer than most: hashing a password is slow on purpose. */
  readonly patienceMs?: number;
}

/** Who read a body one after the other: a broker, a server, and those that it asks. */
const READERS = 3;

/** A request before it says who asks. */
export type Unsigned = Omit<Request, "token" | "timeoutMs">;

/** What to send along to say who asks. */
export type Authentication = (request: Unsigned) => string | Promise<string>;

const NOBODY: Authentication = () => "";

function requestOf({ kind, listId, serverId, body }: Question): Unsigned {
  return {
    kind,
    requestId: randomId(),
    listId: listId ?? null,
    serverId: serverId ?? null,
    body: body ?? EMPTY_BODY,
  };
}

export interface Answer<T> {
  readonly value: T;
  readonly broker: string;
}

/** Requests to the cluster through whichever broker answers. */
export class Session {
  #preferred: number;

  /**
   * @param brokers their addresses, with their keys where they have any
   * @param preferred the one to begin with, as a rule the one that answered last
   */
  constructor(
    readonly brokers: readonly string[],
    readonly authentication: Authentication = NOBODY,
    preferred: string | null = null,
    readonly sockets = new RequestSockets(),
  ) {
    this.#preferred = Math.max(0, brokers.indexOf(preferred ?? ""));
  }

  get preferred(): string {
    return this.brokers[this.#preferred] ?? "";
  }

  /**
   * Asks until there is an answer that `decode` can read or the time is up. A request may have been carried out although
   * no answer came.
   * @param budgetMs for all attempts together, to which comes what a large body takes everyone who reads it
   * @throws RefusedError, or AisleError `unreachable`
   */
  async request<T>(question: Question, decode: (body: Frame) => T, budgetMs: number): Promise<Answer<T>> {
    const unsigned = requestOf(question);
    const token = await this.authentication(unsigned);
    const extraMs = READERS * readingMs(unsigned.body.byteLength);
    const attemptTimeoutMs = extraMs + (question.patienceMs ?? DEFAULT_RETRY.attemptTimeoutMs);
    const deadline = monotonicMs() + budgetMs + this.brokers.length * extraMs;
    const policy = new RetryPolicy(this.brokers, this.#preferred, deadline, { ...DEFAULT_RETRY, attemptTimeoutMs });
    let problem = budgetMs > 0 ? t("no broker answered") : t("the time was up");
    /** Brokers whose answers cannot be read, which asking them again does not change. */
    const strange = new Set<string>();
    for (;;) {
      const attempt = policy.next(monotonicMs(), randomFraction());
      if (attempt === null) throw unreachable(problem, this.brokers);
      const { broker, waitMs, timeoutMs } = attempt;
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const request = { ...unsigned, token, timeoutMs: Math.ceil(timeoutMs) };
      const outcome = await this.#ask(broker, request, decode);
      if ("value" in outcome) {
        this.#preferred = this.brokers.indexOf(broker);
        return { value: outcome.value, broker };
      }
      problem = outcome.problem ?? problem;
      if (outcome.isStrange === true) strange.add(broker);
      if (strange.size === this.brokers.length) throw unreachable(problem, this.brokers);
    }
  }

  /** Whether the cluster is there at all. @throws AisleError `unreachable` */
  async ping(budgetMs: number): Promise<void> {
    await this.request({ kind: "ping" }, decodePong, budgetMs);
  }

  /** What the broker that answers knows of the cluster. @throws AisleError `unreachable` */
  async status(budgetMs: number): Promise<Answer<StatusReply>> {
    return await this.request({ kind: "status" }, decodeStatus, budgetMs);
  }

  /** Whether this one broker answers within the time, and with a server behind it. */
  async look(broker: string, timeoutMs: number): Promise<"answers" | "has no server" | "is silent"> {
    const request = { ...requestOf({ kind: "ping" }), token: "", timeoutMs: Math.ceil(timeoutMs) };
    const outcome = await this.#ask(broker, request, decodePong);
    return "value" in outcome ? "answers" : outcome.isAnswer === true ? "has no server" : "is silent";
  }

  /** @throws RefusedError */
  async #ask<T>(broker: string, request: Request, decode: (body: Frame) => T): Promise<Outcome<T>> {
    try {
      const address = readAddress(broker);
      if (address === null) return { problem: t`${broker} is no address` };
      const frames = await this.sockets.ask(address, encodeClientRequest(request), request.timeoutMs);
      if (frames === null) return { problem: null };
      const reply = decodeClientReply(frames);
      if (reply.kind === "reply")
        return reply.requestId === request.requestId ? { value: decode(reply.body) } : { problem: null };
      const error = decodeError(reply.body);
      if (ERROR_CODES[error.code] === "request") throw new RefusedError(error);
      return { problem: error.message, isAnswer: true };
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      if (error instanceof ProtocolError)
        return { problem: t`${broker} does not speak this protocol: ${error.message}`, isStrange: true };
      return { problem: `${broker}: ${error instanceof Error ? error.message : String(error)}` };
    }
  }
}

/** The body of requests that say nothing beyond their kind. */
const EMPTY_BODY: Frame = new TextEncoder().encode("{}");

/** An answer, or what is known of why there is none. */
type Outcome<T> =
  | { readonly value: T }
  | { readonly problem: string | null; readonly isStrange?: boolean; readonly isAnswer?: boolean };

export function unreachable(problem: string, brokers: readonly string[]): AisleError {
  const message = t`the cluster cannot be reached (${problem}); tried ${brokers.join(", ")}`;
  const hint = t(
    "your changes are safe here and will be sent later; start the cluster as it was started before (`make start`, `aisle cluster up`), or name its brokers with `aisle connect`, and with #KEY where it has keys",
  );
  return new AisleError(EXIT.unreachable, "unreachable", message, hint);
}
