/** Whose doing an error is: the asking side can mend its request, the cluster may recover by itself. */
export type Blame = "request" | "cluster";

/** Every refusal that travels, and whose doing it is. Codes are part of the protocol: add, never rename. */
export const ERROR_CODES = {
  "unsupported-version": "request",
  malformed: "request",
  "too-large": "request",
  "unknown-kind": "request",
  /** Something happened since that the sender may not know: see `SyncRequest.basis` and `AccessReply.version`. */
  "stale-basis": "request",
  /** What is asked cannot be done as things stand. */
  refused: "request",
  /** The token is expired, revoked or not this cluster's, or the password wrong, or there is neither where one is needed. */
  unauthenticated: "request",
  /** There is nothing of this id that the asker may see, or what is asked is not the asker's to do. */
  "not-allowed": "request",
  /** The asker may read the list, and not make this change. */
  "read-only": "request",
  "name-taken": "request",
  /** Too many attempts, or too much asked at a time: later it may do. */
  "slow-down": "request",
  /** No server that may hold the list answers. */
  unavailable: "cluster",
  "storage-failed": "cluster",
  internal: "cluster",
} as const satisfies Record<string, Blame>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}

/** A coded refusal, thrown where a message is read and answered as an error reply. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";

  constructor(
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
  }
}
