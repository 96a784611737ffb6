import { ProtocolError, type ErrorCode } from "../protocol/errors.js";
import type { ServerReply } from "../protocol/broker-messages.js";
import { errorReply } from "../protocol/messages.js";
import type { Turn } from "./turn.js";

/** Sends the answer to whoever asked. */
export type Answer = (reply: ServerReply) => void;

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

export function decline(answer: Answer, turn: Turn, { code, message }: ProtocolError): void {
  if (!OWN_TROUBLE.has(code)) answer(errorReply({ code, message }));
  else {
    turn.counters.declined++;
    answer({ kind: "declined", body: errorReply({ code, message }).body });
  }
}

export function tooFew(): ProtocolError {
  return new ProtocolError("unavailable", "too few of the servers that hold this are answering");
}

export function storageFailed(problem: string): ProtocolError {
  return new ProtocolError("storage-failed", `the server could not use its disk: ${problem.slice(0, 500)}`);
}
