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
