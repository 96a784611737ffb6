import { decodeClientReply, encodeClientRequest, type Frame, type RequestKind } from "../protocol/frames.js";
import { ProtocolError } from "../protocol/errors.js";
import type { ListId } from "../protocol/ids.js";
import { decodeError, decodeStatus, type ErrorBody, type StatusReply } from "../protocol/messages.js";
import { monotonicMs } from "../runtime/clock.js";
import { randomFraction, randomId } from "../runtime/rng.js";
import { requestOnce } from "../runtime/zeromq.js";
import { AisleError, EXIT } from "./errors.js";
import { RetryPolicy } from "./retry-policy.js";

/** The cluster understood and refused, and asking again the same way will not help. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";

  constructor(readonly body: ErrorBody) {
    super(body.message);
  }
}

export interface Answer {
  readonly body: Frame;
  readonly broker: string;
}

/** Requests to the cluster through whichever broker answers. */
export class Session {
  #preferred: number;

  /** @param preferred the broker to begin with, as a rule the one that answered last */
  constructor(
    readonly brokers: readonly string[],
    preferred: string | null = null,
  ) {
    this.#preferred = Math.max(0, brokers.indexOf(preferred ?? ""));
  }

  get preferred(): string {
    return this.brokers[this.#preferred] ?? "";
  }

  /**
   * Asks until there is an answer or the time is up. A request may have been carried out although no answer came.
   * @param budgetMs for all attempts together
   * @throws RefusedError, or AisleError `unreachable`
   */
  async request(kind: RequestKind, listId: ListId | null, body: Frame, budgetMs: number): Promise<Answer> {
    const requestId = randomId();
    const policy = new RetryPolicy(this.brokers, this.#preferred, monotonicMs() + budgetMs);
    let problem = "no broker answered";
    for (;;) {
      const attempt = policy.next(monotonicMs(), randomFraction());
      if (attempt === null) throw unreachable(problem, this.brokers);
      const { broker, waitMs, timeoutMs } = attempt;
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const request = encodeClientRequest({
        kind,
        requestId,
        listId,
        timeoutMs: Math.ceil(timeoutMs),
        token: "",
        body,
      });
      const outcome = await ask(broker, request, requestId, timeoutMs);
      if (outcome instanceof Uint8Array) {
        this.#preferred = this.brokers.indexOf(broker);
        return { body: outcome, broker };
      }
      if (outcome !== null) problem = outcome;
    }
  }

  /** Whether the cluster is there at all. @throws AisleError `unreachable` */
  async ping(budgetMs: number): Promise<void> {
    await this.request("ping", null, EMPTY_BODY, budgetMs);
  }

  /** What the broker that answers knows of the cluster. @throws AisleError `unreachable` */
  async status(budgetMs: number): Promise<{ readonly status: StatusReply; readonly broker: string }> {
    const { body, broker } = await this.request("status", null, EMPTY_BODY, budgetMs);
    return { status: decodeStatus(body), broker };
  }

  /** Whether this one broker, and a server behind it, answer within the time. */
  async answers(broker: string, timeoutMs: number): Promise<boolean> {
    const request = {
      kind: "ping",
      requestId: randomId(),
      listId: null,
      timeoutMs,
      token: "",
      body: EMPTY_BODY,
    } as const;
    return (await ask(broker, encodeClientRequest(request), request.requestId, timeoutMs)) instanceof Uint8Array;
  }
}

/** The body of requests that say nothing beyond their kind. */
export const EMPTY_BODY: Frame = new TextEncoder().encode("{}");

/** @returns the answer's body, what the cluster's trouble is, or null where no answer came. @throws RefusedError */
async function ask(
  broker: string,
  request: readonly Frame[],
  requestId: string,
  timeoutMs: number,
): Promise<Frame | string | null> {
  const frames = await requestOnce(broker, request, timeoutMs);
  if (frames === null) return null;
  try {
    const reply = decodeClientReply(frames);
    if (reply.kind === "reply") return reply.requestId === requestId ? reply.body : null;
    const error = decodeError(reply.body);
    const { blame } = new ProtocolError(error.code, error.message);
    if (blame === "cluster") return error.message;
    throw new RefusedError(error);
  } catch (error) {
    if (error instanceof ProtocolError) return `${broker} does not speak this protocol: ${error.message}`;
    throw error;
  }
}

export function unreachable(problem: string, brokers: readonly string[]): AisleError {
  const message = `the cluster cannot be reached (${problem}); tried ${brokers.join(", ")}`;
  const hint =
    "your changes are safe here and will be sent later; start a cluster with `aisle cluster up`, or name its brokers with `aisle connect`";
  return new AisleError(EXIT.unreachable, "unreachable", message, hint);
}
