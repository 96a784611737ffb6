import type { ErrorCode } from "../protocol/errors.js";
import type { ErrorBody } from "../protocol/messages.js";

/** What a command exits with; documented in `aisle help` and README. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  notAllowed: 4,
  unreachable: 5,
  refused: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An error that a person can cause or mend: one line that says what is wrong, and one that says what to do. */
export class AisleError extends Error {
  override readonly name = "AisleError";

  constructor(
    readonly exitCode: ExitCode,
    /** For scripts: stable, in kebab-case. */
    readonly code: string,
    message: string,
    readonly hint: string | null = null,
  ) {
    super(message);
  }
}

export function usageError(message: string, hint: string | null = null): AisleError {
  return new AisleError(EXIT.usage, "usage", message, hint);
}

export function notFound(message: string, hint: string | null = null): AisleError {
  return new AisleError(EXIT.notFound, "not-found", message, hint);
}

/** What the cluster understood and refused, as something to tell a person: what it means, and what to do. */
export function refused({ code, message }: Pick<ErrorBody, "code" | "message">): AisleError {
  const [exitCode, hint] = REFUSALS[code] ?? [EXIT.failed, VERSIONS_DIFFER];
  return new AisleError(exitCode, code, message, hint);
}

const VERSIONS_DIFFER =
  "nothing was lost; this version of Aisle and the cluster's do not fit together, so upgrade the older one";

const REFUSALS: Partial<Record<ErrorCode, readonly [ExitCode, string]>> = {
  unauthenticated: [EXIT.notAllowed, "log in with `aisle login NAME`; your changes wait here"],
  "not-allowed": [
    EXIT.notAllowed,
    "log in with `aisle login NAME` where you have not, or ask an owner of the list for an invitation",
  ],
  "read-only": [EXIT.notAllowed, "ask an owner of the list to make you an editor"],
  "name-taken": [EXIT.refused, "choose another name, or log in with `aisle login NAME`"],
  refused: [EXIT.refused, "see `aisle help`"],
  "stale-basis": [EXIT.refused, "look with `aisle members` and try again"],
  "slow-down": [EXIT.refused, "nothing was lost; wait a little"],
  "too-large": [EXIT.refused, "make it smaller"],
  "no-such-list": [EXIT.notFound, "check the id"],
};
