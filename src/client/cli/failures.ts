import { CommanderError } from "commander";
import { isErrno } from "../../runtime/errno.js";
import { AisleError, EXIT, usageError } from "../errors.js";
import { displayable } from "../text.js";
import { t } from "../messages.js";

/**
 * Whatever went wrong, as something to tell a person.
 * @param command the one that was named, whose help may be of use
 */
export function asAisleError(error: unknown, command: string | null = null): AisleError {
  if (error instanceof AisleError) return error;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0)
      return new AisleError(EXIT.usage, "usage", t("help is for the command line"), t("run `aisle help`"));
    if (error.code === "commander.help" && command !== null)
      return usageError(t`${command} has to be told what to do`, t`see \`aisle help ${command}\``);
    if (error.code === "commander.help")
      return new AisleError(
        EXIT.usage,
        "usage",
        t("there is no help for that: it is no command"),
        t("see `aisle help`"),
      );
    return usageError(parserMessage(error), parserHint(error, command));
  }
  if (error instanceof Error && error.name === "ExitPromptError")
    return new AisleError(EXIT.interrupted, "interrupted", "interrupted");
  if (isErrno(error, "ENOSPC"))
    return new AisleError(EXIT.failed, "disk-full", t("the disk is full"), t("make room and try again"));
  const message = error instanceof Error ? error.message : String(error);
  return new AisleError(
    EXIT.failed,
    "internal",
    t`something unexpected happened: ${message}`,
    t("run it again with --verbose and report it"),
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

/** What the command line's parser did not understand, in the person's language. */
function parserMessage({ code, message }: CommanderError): string {
  const named = /'([^']*)'/.exec(message)?.[1] ?? "";
  switch (code) {
    case "commander.missingArgument":
      return t`missing required argument '${named}'`;
    case "commander.unknownOption":
      return t`unknown option '${named}'`;
    case "commander.optionMissingArgument":
      return t`option '${named}' argument missing`;
    case "commander.missingMandatoryOptionValue":
      return t`required option '${named}' not specified`;
    case "commander.unknownCommand":
      return t`"${named}" is no command`;
    case "commander.excessArguments":
      return t`too many arguments`;
    default:
      return message.replace(/^error: |[.]$/g, "").replaceAll("\n", " ");
  }
}

function parserHint({ message }: CommanderError, command: string | null): string {
  const near = /Did you mean (?:one of )?(.*)\?/.exec(message)?.[1];
  if (near !== undefined) return t`did you mean: ${near}`;
  return command === null ? t("see `aisle help`") : t`see \`aisle help ${command}\``;
}
