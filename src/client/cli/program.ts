import { Command, Option } from "commander";
import { t } from "../messages.js";
import type { Act, Registration } from "./command.js";

const exitCodes = (): string =>
  t(`
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such list or item, 4 not allowed or not logged in, 5 the cluster is needed and cannot be
reached, 6 refused because of the state of things, 130 interrupted.

\`aisle help COMMAND\` shows examples.`);

/** Commands that are defined in one file, loaded when one of them is named: start-up is part of the product. */
export interface Family {
  readonly heading: string;
  readonly commands: readonly string[];
  readonly load: () => Promise<(registration: Registration) => void>;
}

const FAMILIES: readonly Family[] = [
  {
    heading: "Lists:",
    commands: ["new", "lists", "use", "show", "rename", "delete", "undelete"],
    load: async () => (await import("./lists.js")).registerLists,
  },
  {
    heading: "Items:",
    commands: ["add", "need", "got", "ungot", "note", "aisle-of", "unit", "remove", "clear"],
    load: async () => (await import("./items.js")).registerItems,
  },
  {
    heading: "Items:",
    commands: ["suggest", "staple", "aisles"],
    load: async () => (await import("./shopping.js")).registerShopping,
  },
  {
    heading: "History:",
    commands: ["undo", "restore", "log", "explain"],
    load: async () => (await import("./history.js")).registerHistory,
  },
  {
    heading: "In and out:",
    commands: ["import", "export"],
    load: async () => (await import("./transfer.js")).registerTransfer,
  },
  {
    heading: "Online:",
    commands: ["connect", "sync", "status"],
    load: async () => (await import("./online.js")).registerOnline,
  },
  { heading: "Online:", commands: ["watch"], load: async () => (await import("./watch.js")).registerWatch },
  { heading: "Online:", commands: ["verify"], load: async () => (await import("./verify.js")).registerVerify },
  {
    heading: "Accounts:",
    commands: ["register", "login", "logout", "whoami", "password", "recover", "devices"],
    load: async () => (await import("./accounts.js")).registerAccounts,
  },
  {
    heading: "Sharing:",
    commands: ["share", "join", "members", "role", "revoke", "transfer", "leave", "open", "private"],
    load: async () => (await import("./sharing.js")).registerSharing,
  },
  { heading: "Scripts:", commands: ["batch"], load: async () => (await import("./batch.js")).registerBatch },
  {
    heading: "Scripts:",
    commands: ["completion", "complete"],
    load: async () => (await import("./completion.js")).registerCompletion,
  },
  { heading: "Scripts:", commands: ["manual"], load: async () => (await import("./manual.js")).registerManual },
  { heading: "This device:", commands: ["doctor"], load: async () => (await import("./doctor.js")).registerDoctor },
  { heading: "Services:", commands: ["cluster"], load: async () => (await import("./cluster.js")).registerCluster },
];

export interface Surroundings {
  readonly scriptPath: string;
  /** What other parts of the program bring along. */
  readonly services: readonly Family[];
}

/** What scripts ask for, and people do not. */
const HIDDEN = ["complete", "manual"];

/** The name of every command. */
export function commandNames({ services }: Surroundings): readonly string[] {
  const names = [...FAMILIES, ...services].flatMap(({ commands }) => commands);
  return [...new Set(names)].filter((name) => !HIDDEN.includes(name));
}

/**
 * The command line, with every command's action made by `act`.
 * @param words the command line, where it is known: commands that it does not name are left out
 */
export async function buildProgram(
  act: Act,
  surroundings: Surroundings,
  words: readonly string[] | null = null,
): Promise<Command> {
  const program = bareProgram();
  const families = [...FAMILIES, ...surroundings.services];
  const named = families.filter(({ commands }) => commands.some((command) => words?.includes(command)));
  const rebuild = async (other: Act): Promise<Command> => await buildProgram(other, surroundings);
  const needed = named.length > 0 ? named : families;
  for (const { heading, load } of needed) {
    const register = await load();
    program.commandsGroup(heading);
    register({ program, act, scriptPath: surroundings.scriptPath, rebuild });
  }
  if (words?.some((word) => HELP.includes(word)) !== false) {
    const { examplesText } = await import("./examples.js");
    for (const command of program.commands) command.addHelpText("after", examplesText(command.name()));
    translateHelp(program);
  }
  return program;
}

/** Help is written in English where the commands are, and read in the person's language. */
function translateHelp(command: Command): void {
  command.description(t(command.description())).configureHelp({ styleTitle: (title) => t(title) });
  command.helpOption("-h, --help", t("display help for command"));
  for (const told of [...command.options, ...command.registeredArguments]) told.description = t(told.description);
  for (const one of command.commands) translateHelp(one);
}

/** Words that ask for help, and so for examples. */
const HELP = ["help", "--help", "-h"];

function bareProgram(): Command {
  return new Command("aisle")
    .description(
      "A shared shopping list that works offline. Without a command: interactive on a terminal, else the list.",
    )
    .option("--data-dir <folder>", "this device's folder (AISLE_DATA_DIR; default: aisle in the XDG data folder)")
    .option("--list <list>", "which list, by name or id (AISLE_LIST; default: the current one)")
    .option("--json", "one JSON value on stdout")
    .option("--ndjson", "JSON, one value a line")
    .option("--plain", "no colour")
    .option("--accessible", "words instead of colour and symbols")
    .option("--no-color", "no colour")
    .option("--no-input", "never ask")
    .option("--offline", "leave the network alone")
    .option("--sync-budget <duration>", "how long a change may try to reach the cluster (default: 250ms)")
    .option("--insecure", "talk to brokers on a network without encryption all the same (AISLE_INSECURE=1)")
    .option("--verbose", "say more about errors")
    .addOption(new Option("-y, --yes", "do not ask before something destructive"))
    .option("--dry-run", "only say what would be done")
    .showHelpAfterError(false)
    .addHelpText("after", () => exitCodes())
    .helpCommand(true)
    .exitOverride();
}
