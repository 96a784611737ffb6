import type { Command } from "commander";
import type { Context, CommandResult, GlobalOptions } from "./context.js";

/** What a command does once its words are parsed. `words` are its arguments, `flags` its own options. */
export type Handler = (context: Context, words: readonly unknown[], flags: Flags) => Promise<CommandResult>;

/** A command's options by name. Which there are, and of what type, its registration says. */
export type Flags = Readonly<Record<string, unknown>>;

/** Carries a handler out: at once for a single command, within its group for a line of a batch. */
export type Invoke = (handler: Handler, words: readonly unknown[], flags: Flags & GlobalOptions) => Promise<void>;

/** Makes a commander action of a handler. */
export type Act = (handler: Handler) => (...given: unknown[]) => Promise<void>;

export function actWith(invoke: Invoke): Act {
  return (handler) =>
    async (...given) => {
      // commander passes the arguments, the command's own options, and the command.
      const command = given.at(-1) as Command;
      await invoke(handler, given.slice(0, -2), command.optsWithGlobals());
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
