import type { ErrorCode } from "../protocol/errors.js";
import type { ErrorBody } from "../protocol/messages.js";
import { t } from "./messages.js";

/** What a command exits with; documented in `aisle help` and docs/cli.md. */
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

/** A name that several bear. */
export function ambiguous(message: string, hint: string): AisleError {
  return new AisleError(EXIT.notFound, "ambiguous", message, hint);
}

export function notFound(message: string, hint: string | null = null): AisleError {
  return new AisleError(EXIT.notFound, "not-found", message, hint);
}

/** Whether this says that the cluster does not answer, which passes. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof AisleError && error.exitCode === EXIT.unreachable;
}

/** What the cluster understood and refused, as something to tell a person: what it means, and what to do. */
export function refused({ code, message }: Pick<ErrorBody, "code" | "message">): AisleError {
  const [exitCode, hint] = refusals()[code] ?? [
    EXIT.failed,
    t("nothing was lost; this version of Aisle and the cluster's do not fit together, so upgrade the older one"),
  ];
  return new AisleError(exitCode, code, t(message), hint);
}

const refusals = (): Partial<Record<ErrorCode, readonly [ExitCode, string]>> => ({
  unauthenticated: [
    EXIT.notAllowed,
    t("log in with `aisle login NAME`; your changes wait here, also where this is another cluster than it was before"),
  ],
  "not-allowed": [
    EXIT.notAllowed,
    t("log in with `aisle login NAME` where you have not, or ask an owner of the list for an invitation"),
  ],
  "read-only": [EXIT.notAllowed, t("ask an owner of the list to make you an editor")],
  "name-taken": [EXIT.refused, t("choose another name, or log in with `aisle login NAME`")],
  refused: [EXIT.refused, t("see `aisle help`")],
  "stale-basis": [EXIT.refused, t("look with `aisle members` and try again")],
  "slow-down": [EXIT.refused, t("nothing was lost; wait a little")],
  "too-large": [EXIT.refused, t("make it smaller")],
});

/**
 * Whether these changes will never be taken. Who asked is nothing of the changes: somebody else may log in, or be let in again.
 * Where all of them together are too many, most of them may be good.
 */
export function isForGood({ code }: ErrorBody): boolean {
  return code !== "not-allowed" && code !== "too-large";
}
