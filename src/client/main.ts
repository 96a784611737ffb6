import { CommanderError, type Command } from "commander";
import { actWith, manyWords, quietly, type Handler, type Invoke } from "./cli/command.js";
import { Context, say, type CommandResult, type GlobalOptions } from "./cli/context.js";
import { asAisleError, errorJson, errorLine } from "./cli/failures.js";
import { push } from "./cli/push.js";
import { print } from "../runtime/output.js";
import { buildProgram, commandNames, type Surroundings } from "./cli/program.js";
export type { Family } from "./cli/program.js";
import { EXIT, usageError, type ExitCode } from "./errors.js";
import { displayable, jsonText } from "./text.js";
import { t } from "./messages.js";

/** Everything has been said; only the exit code is left. */
class SilentExit extends Error {
  constructor(readonly exitCode: ExitCode) {
    super();
  }
}

/** The client's part of the program: every command for shoppers, for scripts and for clusters on this machine. */
export async function clientProgram(surroundings: Surroundings, words: readonly string[]): Promise<Command> {
  const act = actWith(invoke);
  const program = await buildProgram(act, surroundings, words);
  // Words that are no command land here, too.
  const otherwise: Handler = async (context, given) => await showOrInteract(context, given, commandNames(surroundings));
  return program.usage("[options] [command]").argument("[words...]").action(act(otherwise));
}

/** Carries out one command from start to end: changes durable first, then told, then sent if that goes quickly. */
const invoke: Invoke = async ({ name, handler, words, flags }) => {
  const context = await Context.open(flags, process.env, name === "doctor");
  try {
    if (name !== "doctor") context.checkFlags();
    const result = await handler(context, words, flags);
    context.workspace.commit();
    tell(context, result);
    if (flags.dryRun === true) say(t("this was a dry run: nothing was changed"));
    await push(context, context.workspace.takeUnsent());
    if (result.failure !== undefined) throw result.failure;
    if (result.exitCode !== undefined) throw new SilentExit(result.exitCode);
  } finally {
    context.workspace.release();
  }
};

async function showOrInteract(
  context: Context,
  words: readonly unknown[],
  commands: readonly string[],
): Promise<CommandResult> {
  const [unknown] = manyWords(words, 0);
  if (unknown !== undefined) {
    const { nearestCommand } = await import("./nearest.js");
    const near = nearestCommand(unknown, commands);
    const hint = near === undefined ? t("see `aisle help`") : t`did you mean \`aisle ${near}\`?`;
    throw usageError(t`"${displayable(unknown.slice(0, 40))}" is no command`, hint);
  }
  if (context.isInteractive && context.options.json !== true && context.options.ndjson !== true) {
    const { interact } = await import("./cli/interactive.js");
    await interact(context);
    return { value: undefined, text: "" };
  }
  const { shownList } = await import("./cli/lists.js");
  return shownList(context, context.theGlance(), await context.style());
}

function tell({ options }: Context, result: CommandResult): void {
  if (options.ndjson === true) {
    const { value } = result;
    if (value === undefined) return;
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) print(`${jsonText(one)}\n`);
  } else if (options.json === true) {
    const { value } = result;
    if (value !== undefined) print(`${jsonText(value)}\n`);
  } else {
    const { text } = result;
    if (text !== "") print(`${text}\n`);
  }
}

/** Parses and carries out a command line. @returns the exit code, with any error told on stderr */
export async function runProgram(program: Command, words: readonly string[]): Promise<number> {
  try {
    await quietly(program).parseAsync(spelledOut(words), { from: "user" });
    return EXIT.done;
  } catch (error) {
    if (error instanceof SilentExit) return error.exitCode;
    // Help and version end the parse, too.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    const names = new Set(program.commands.map((command) => command.name()));
    const failure = asAisleError(error, words.find((word) => names.has(word)) ?? null);
    const { json, ndjson, verbose } = program.opts<GlobalOptions>();
    if (json === true || ndjson === true) say(jsonText(errorJson(failure)));
    else say(`aisle: ${errorLine(failure)}`);
    if (verbose === true && error instanceof Error) say(error.stack ?? "");
    return failure.exitCode;
  }
}

/** Help for a command's command, and for help itself, is asked for as a flag: the parser's own `help` takes one word. */
function spelledOut([first, ...others]: readonly string[]): string[] {
  if (first !== "help" || (others.length < 2 && others[0] !== "help"))
    return first === undefined ? [] : [first, ...others];
  return [...others.filter((word) => word !== "help"), "--help"];
}
