import { CommanderError, type Command } from "commander";
import { actWith, manyWords, type Invoke } from "./cli/command.js";
import { Context, say, type CommandResult, type GlobalOptions } from "./cli/context.js";
import { asAisleError, errorJson, errorLine } from "./cli/failures.js";
import { buildProgram, quietly } from "./cli/program.js";
import { EXIT, usageError, type ExitCode } from "./errors.js";
import { displayable, jsonText } from "./text.js";

/** Everything has been said; only the exit code is left. */
class SilentExit extends Error {
  constructor(readonly exitCode: ExitCode) {
    super();
  }
}

/** The client's part of the program: every command for shoppers, for scripts and for clusters on this machine. */
export function clientProgram(scriptPath: string): Command {
  const program = buildProgram(actWith(invoke), scriptPath);
  // Words that are no command land here, too.
  program.usage("[options] [command]").argument("[words...]").action(actWith(invoke)(showOrInteract));
  return program;
}

/** Carries out one command from start to end: changes durable first, then told, then sent if that goes quickly. */
const invoke: Invoke = async ({ handler, words, flags }) => {
  const context = await Context.open(flags, process.env);
  try {
    await context.checkFlags();
    const result = await handler(context, words, flags);
    const changed = await context.workspace.commit();
    tell(context, result);
    if (flags.dryRun === true) say("this was a dry run: nothing was changed");
    await context.push(changed);
    if (result.failure !== undefined) throw result.failure;
    if (result.exitCode !== undefined) throw new SilentExit(result.exitCode);
  } finally {
    await context.workspace.release();
  }
};

async function showOrInteract(context: Context, words: readonly unknown[]): Promise<CommandResult> {
  const [unknown] = manyWords(words, 0);
  if (unknown !== undefined)
    throw usageError(`"${displayable(unknown.slice(0, 40))}" is no command`, "see `aisle help`");
  if (context.isInteractive && context.options.json !== true && context.options.ndjson !== true) {
    const { interact } = await import("./cli/interactive.js");
    await interact(context);
    return { value: undefined, text: "" };
  }
  const [{ listView }, { renderList }] = await Promise.all([import("./views.js"), import("./render.js")]);
  const list = await context.theList();
  return { value: listView(list), text: renderList(list, await context.style()) };
}

function tell({ options }: Context, { value, text }: CommandResult): void {
  if (options.ndjson === true) {
    if (value === undefined) return;
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) process.stdout.write(`${jsonText(one)}\n`);
  } else if (options.json === true) {
    if (value !== undefined) process.stdout.write(`${jsonText(value)}\n`);
  } else if (text !== "") process.stdout.write(`${text}\n`);
}

/** Parses and carries out a command line. @returns the exit code, with any error told on stderr */
export async function runProgram(program: Command, words: readonly string[]): Promise<number> {
  try {
    await quietly(program).parseAsync([...words], { from: "user" });
    return EXIT.done;
  } catch (error) {
    if (error instanceof SilentExit) return error.exitCode;
    // Help and version end the parse, too.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    const failure = asAisleError(error);
    const { json, ndjson, verbose } = program.opts<GlobalOptions>();
    if (json === true || ndjson === true) say(jsonText(errorJson(failure)));
    else say(`aisle: ${errorLine(failure)}`);
    if (verbose === true && error instanceof Error) say(error.stack ?? "");
    return failure.exitCode;
  }
}
