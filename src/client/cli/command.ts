import type { Command } from "commander";
import { print } from "../../runtime/output.js";
import type { Context, CommandResult, GlobalOptions } from "./context.js";

/** What a command does once its words are parsed. `words` are its arguments, `flags` its own options. */
export type Handler = (
  context: Context,
  words: readonly unknown[],
  flags: Flags,
) => CommandResult | Promise<CommandResult>;

/** A command's options by name. Which there are, and of what type, its registration says. */
export type Flags = Readonly<Record<string, unknown>>;

/** A command line, understood and not yet carried out. `name` is that of the command below the program. */
export interface Parsed {
  readonly name: string;
  readonly handler: Handler;
  readonly words: readonly unknown[];
  readonly flags: Flags & GlobalOptions;
}

/** Carries a command out: at once for a single one, within its group for a line of a batch. */
export type Invoke = (parsed: Parsed) => Promise<void>;

/** Makes a commander action of a handler. */
export type Act = (handler: Handler) => (...given: unknown[]) => Promise<void>;

export function actWith(invoke: Invoke): Act {
  return (handler) =>
    async (...given) => {
      // commander passes the arguments, the command's own options, and the command.
      const command = given.at(-1) as Command;
      const parent = command.parent;
      const name = (parent?.parent ?? null) === null ? command.name() : (parent?.name() ?? "");
      await invoke({ name, handler, words: given.slice(0, -2), flags: command.optsWithGlobals() });
    };
}

export function textFlag(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

export function word(words: readonly unknown[], index: number): string {
  const value = words[index];
  return typeof value === "string" ? value : "";
}

export function optionalWord(words: readonly unknown[], index: number): string | undefined {
  const value = words[index];
  return typeof value === "string" ? value : undefined;
}

export function manyWords(words: readonly unknown[], index: number): readonly string[] {
  const value = words[index];
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

/** What commands are registered with. */
export interface Registration {
  readonly program: Command;
  readonly act: Act;
  /** This program's file, for commands that start it again. */
  readonly scriptPath: string;
  /** Builds the whole program anew, with other actions. */
  readonly rebuild: (act: Act) => Promise<Command>;
}

/**
 * Errors are told once, by whoever runs the program, and not by every command on its own.
 * @param silent help is not printed either
 */
export function quietly(program: Command, silent = false): Command {
  const quiet = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: silent ? () => undefined : print });
    command.commands.forEach(quiet);
  };
  quiet(program);
  return program;
}
