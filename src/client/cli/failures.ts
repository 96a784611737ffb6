import { CommanderError } from "commander";
import { isErrno } from "../../runtime/errno.js";
import { AisleError, EXIT } from "../errors.js";
import { displayable } from "../text.js";

/** Whatever went wrong, as something to tell a person. */
export function asAisleError(error: unknown): AisleError {
  if (error instanceof AisleError) return error;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0)
      return new AisleError(EXIT.usage, "usage", "help is for the command line", "run `aisle help`");
    if (error.code === "commander.help")
      return new AisleError(EXIT.usage, "usage", "there is no help for that: it is no command", "see `aisle help`");
    return new AisleError(
      EXIT.usage,
      "usage",
      error.message.replace(/^error: |[.]$/g, "").replaceAll("\n", " "),
      "see `aisle help`",
    );
  }
  if (error instanceof Error && error.name === "ExitPromptError")
    return new AisleError(EXIT.interrupted, "interrupted", "interrupted");
  if (isErrno(error, "ENOSPC"))
    return new AisleError(EXIT.failed, "disk-full", "the disk is full", "make room and try again");
  const message = error instanceof Error ? error.message : String(error);
  return new AisleError(
    EXIT.failed,
    "internal",
    `something unexpected happened: ${message}`,
    "run it again with --verbose and report it",
  );
}

/** One line: what is wrong, and what to do. */
export function errorLine({ message, hint }: AisleError): string {
  const line = hint === null ? message : `${message}; ${hint}`;
  return displayable(line.replaceAll("\n", " "));
}

export function errorJson({ code, message, hint }: AisleError): unknown {
  return { error: { code, message, hint } };
}
