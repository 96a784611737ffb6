import { Argument, type Argument as CommanderArgument, type Command, type Option } from "commander";
import { ROLES } from "../../crdt/access-record.js";
import { foldedNameOf, foldName } from "../../crdt/item-key.js";
import { usageError } from "../errors.js";
import { suggestions } from "../suggestions.js";
import { displayable } from "../text.js";
import { sortedItems } from "../views.js";
import { actWith, manyWords, word, type Registration } from "./command.js";
import type { CommandResult, Context } from "./context.js";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

const MOST_CANDIDATES = 200;

/** Each asks `aisle complete` what could stand where the cursor is. */
const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# Completion for bash: source <(aisle completion bash)
_aisle() {
  local at unsafe=
  case "\${COMP_WORDS[1]}" in import|batch) compopt -o default 2>/dev/null ;; esac
  mapfile -t COMPREPLY < <(aisle complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  # Between quotes nothing is escaped: what would end them, or be carried out, is not offered.
  case "\${COMP_WORDS[COMP_CWORD]}" in
    \\"*) unsafe='["\$\`\\\\!]' ;;
    \\'*) unsafe="'" ;;
  esac
  for at in "\${!COMPREPLY[@]}"; do
    if [[ -z $unsafe ]]; then printf -v "COMPREPLY[at]" %q "\${COMPREPLY[at]}"
    elif [[ \${COMPREPLY[at]} == *$unsafe* ]]; then unset "COMPREPLY[at]"; fi
  done
}
complete -F _aisle aisle`,
  zsh: `#compdef aisle
# Completion for zsh: source <(aisle completion zsh)
_aisle() {
  local -a candidates
  candidates=("\${(@f)$(aisle complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "\${candidates[1]}" ]]; then compadd -M 'm:{a-z}={A-Z}' -- "\${candidates[@]}"; else _files; fi
}
if (( $+functions[compdef] )); then compdef _aisle aisle; fi`,
  fish: `# Completion for fish: aisle completion fish | source
complete -c aisle -f -a '(aisle complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
complete -c aisle -n '__fish_seen_subcommand_from import batch' -F`,
};

export function registerCompletion({ program, act, rebuild }: Registration): void {
  program
    .command("completion")
    .addArgument(new Argument("<shell>", "for which shell").choices(SHELLS))
    .description("print what makes a shell complete commands, lists and items")
    .action(
      act((_context, words) => {
        const text = SCRIPTS[word(words, 0) as Shell];
        return { value: text, text };
      }),
    );

  program
    .command("complete", { hidden: true })
    .argument("[words...]", "the command line up to the cursor")
    .description("print what could stand at the cursor, for the scripts of `completion`")
    .action(
      act(async (context, words): Promise<CommandResult> => {
        const all = await rebuild(actWith(() => Promise.reject(usageError("nothing is carried out here"))));
        const found = candidates(context, all, manyWords(words, 0)).slice(0, MOST_CANDIDATES);
        return { value: found, text: found.join("\n") };
      }),
    );
}

/** What could stand in place of the last word, given those before it. */
function candidates(context: Context, program: Command, words: readonly string[]): readonly string[] {
  const typed = (words.at(-1) ?? "").replace(/^["']/, "");
  const { command, position, option, list } = place(program, words.slice(0, -1));
  if (words[0] === "help" && words.length === 2)
    return atPosition(context, program, 0, typed).filter((one) => one.startsWith(typed));
  const within = list === null ? context : context.with({ list });
  const offered = option !== null ? ofOption(within, option) : atPosition(within, command, position, typed);
  return [...new Set(offered)]
    .filter((one) => foldName(one).startsWith(foldName(typed)))
    .map((one) => displayable(one));
}

interface Place {
  readonly command: Command;
  /** How many of the command's arguments are there. */
  readonly position: number;
  /** The option whose value is to come, where one is. */
  readonly option: Option | null;
  /** The list that the line names. */
  readonly list: string | null;
}

function place(program: Command, before: readonly string[]): Place {
  let [command, position] = [program, 0];
  let option: Option | null = null;
  let list: string | null = null;
  for (const one of before) {
    if (option !== null) {
      if (option.long === "--list") list = one;
      option = null;
      continue;
    }
    const known = [...command.options, ...program.options].find(({ long, short }) => one === long || one === short);
    if (known !== undefined) option = known.required ? known : null;
    else if (!one.startsWith("-")) {
      const sub = position === 0 ? command.commands.find((candidate) => candidate.name() === one) : undefined;
      if (sub === undefined) position++;
      else command = sub;
    }
  }
  return { command, position, option, list };
}

function ofOption(context: Context, { argChoices, long }: Option): readonly string[] {
  if (argChoices !== undefined) return argChoices;
  if (long === "--every") return ["day", "week", "2 weeks", "month"];
  return long === "--list" ? listNames(context, false) : [];
}

function atPosition(context: Context, command: Command, position: number, typed: string): readonly string[] {
  if (typed.startsWith("-")) {
    const own =
      command.parent === null
        ? command.options
        : [...command.options, ...(command.parent.parent ?? command.parent).options];
    return own.flatMap(({ long }) => long ?? []);
  }
  if (command.commands.length > 0 && position === 0)
    return command.commands.filter((one) => !(one as Command & { _hidden?: boolean })._hidden).map((one) => one.name());
  const { registeredArguments } = command;
  const argument = registeredArguments[position] ?? registeredArguments.findLast(({ variadic }) => variadic);
  return argument === undefined ? [] : ofArgument(context, command.name(), argument);
}

/** By the argument's name: what the registration calls an item is one. */
function ofArgument(context: Context, command: string, argument: CommanderArgument): readonly string[] {
  if (argument.argChoices !== undefined) return argument.argChoices;
  switch (argument.name()) {
    case "list":
      return listNames(context, command === "undelete");
    case "item":
    case "prefix":
      return itemNames(context, command);
    case "role":
      return ROLES;
    case "aisle":
      return sortedItems(context.theList().shown).flatMap(({ aisle }) => aisle ?? []);
    default:
      return [];
  }
}

function listNames(context: Context, deleted: boolean): readonly string[] {
  return context
    .glances(true)
    .filter((list) => list.isDeleted === deleted)
    .map(({ name }) => name);
}

function itemNames(context: Context, command: string): readonly string[] {
  const { shown } = context.theList();
  const gone = (): readonly string[] => suggestions(shown, "").map(({ name }) => name);
  if (command === "restore" || command === "suggest") return gone();
  const there = sortedItems(shown).map(({ name }) => name);
  if (command === "log" || command === "explain" || command === "staple")
    return [...shown.items.entries()].map(([key, item]) => item.text("label") ?? foldedNameOf(key));
  return command === "add" ? [...there, ...gone()] : there;
}
