import type { Command } from "commander";
import { actWith, type Registration } from "./command.js";
import { usageError } from "../errors.js";
import { EXAMPLES } from "./examples.js";

/** The manual page, made of what help shows: a hidden command, for the build. */
export function registerManual({ program, act, rebuild }: Registration): void {
  program
    .command("manual", { hidden: true })
    .description("print the manual page")
    .action(
      act(async () => {
        const all = await rebuild(actWith(() => Promise.reject(usageError("nothing is carried out here"))));
        const text = manualPage(all);
        return { value: text, text };
      }),
    );
}

const HIDDEN = new Set(["help", "complete", "manual"]);

/** In the macros of man(7). */
function manualPage(program: Command): string {
  const commands = program.commands.filter((command) => !HIDDEN.has(command.name()));
  return [
    ".TH AISLE 1",
    ".SH NAME",
    "aisle \\- a shared shopping list for the terminal, which works offline",
    ".SH SYNOPSIS",
    ".B aisle",
    "[\\fIoptions\\fR] [\\fIcommand\\fR]",
    ".SH DESCRIPTION",
    escaped(program.description()),
    ".SH OPTIONS",
    ...optionLines(program),
    ".SH COMMANDS",
    ...commands.flatMap((command) => commandLines(command)),
    ".SH EXIT STATUS",
    ...EXIT_STATUS.flatMap(([code, meaning]) => [".TP", code, meaning]),
    ".SH ENVIRONMENT",
    ...ENVIRONMENT.flatMap(([name, meaning]) => [".TP", `.B ${name}`, escaped(meaning)]),
    ".SH FILES",
    ".TP",
    ".I $XDG_DATA_HOME/aisle",
    "this device's lists, settings and login",
    ".TP",
    ".I $XDG_CONFIG_HOME/aisle",
    "config.json, hooks, and a cluster's keys",
  ].join("\n");
}

const EXIT_STATUS = [
  ["0", "done"],
  ["1", "failed"],
  ["2", "wrong usage"],
  ["3", "no such list or item"],
  ["4", "not allowed, or not logged in"],
  ["5", "the cluster is needed and cannot be reached"],
  ["6", "refused because of the state of things"],
  ["130", "interrupted"],
] as const;

const ENVIRONMENT = [
  ["AISLE_DATA_DIR", "this device's folder"],
  ["AISLE_BROKERS", "the brokers, separated by commas"],
  ["AISLE_LIST", "which list commands are about"],
  ["AISLE_INSECURE", "1 to talk to brokers on a network without encryption"],
  ["NO_COLOR", "no colour"],
] as const;

function commandLines(command: Command): readonly string[] {
  const synopsis = `${command.name()} ${command.usage()}`.trim();
  const examples = EXAMPLES[command.name()] ?? [];
  return [
    `.SS ${escaped(synopsis)}`,
    escaped(command.description()),
    ...optionLines(command),
    ...command.commands.flatMap((sub) => [
      ".TP",
      `.B ${escaped(`${sub.name()} ${sub.usage()}`)}`,
      escaped(sub.description()),
    ]),
    ...(examples.length === 0
      ? []
      : [".PP", ".nf", ...examples.map(([line, why]) => escaped(why === "" ? line : `${line}    # ${why}`)), ".fi"]),
  ];
}

function optionLines(command: Command): readonly string[] {
  return command.options.flatMap(({ flags, description }) => [".TP", `.B ${escaped(flags)}`, escaped(description)]);
}

/** A line that begins with a point or an apostrophe would be one for the formatter. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&");
}
