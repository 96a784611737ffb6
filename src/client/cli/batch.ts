import { createReadStream } from "node:fs";
import { print } from "../../runtime/output.js";
import type { ListId } from "../../protocol/ids.js";
import { AisleError, EXIT, usageError } from "../errors.js";
import { actWith, quietly, word, type Parsed, type Registration } from "./command.js";
import { jsonText } from "../text.js";
import { say, type CommandResult, type Context } from "./context.js";
import { push } from "./push.js";
import { asAisleError, errorJson, errorLine } from "./failures.js";
import { shellWords } from "./shell-words.js";
import { t } from "../messages.js";

/** Lines that share one durable write and one push. */
const GROUP_LINES = 1_000;

/** A longer line holds no command. */
const LONGEST_LINE = 64 * 1024;

/** What needs a terminal, a process or a batch of its own. */
const NOT_IN_BATCH = new Set(["batch", "watch", "broker", "server", "cluster", "completion"]);

interface Answer {
  readonly line: number;
  readonly result: CommandResult | null;
  readonly error: AisleError | null;
  /** What it changed. */
  readonly lists: ReadonlySet<ListId>;
}

export function registerBatch({ program, act, rebuild }: Registration): void {
  program
    .command("batch")
    .argument("[file]", "one command a line, as after `aisle`; - or nothing for what is piped in")
    .option("--keep-going", "go on after a line that failed")
    .description("carry out many commands in one process: shell quoting, # comments")
    .action(
      act(async (context, words, flags) => {
        let parsed: Parsed | null = null;
        // The program's actions only note what they were asked for.
        const note = actWith((line) => {
          parsed = line;
          return Promise.resolve();
        });
        const reader = quietly(await rebuild(note), true);
        const commands = reader.commands.map((command) => command.name());
        const parse = async (line: readonly string[]): Promise<Parsed | null> => {
          parsed = null;
          await reader.parseAsync([...line], { from: "user" });
          return parsed;
        };
        const batch = new Batch(context, parse, flags.keepGoing === true, commands);
        await batch.run(word(words, 0) || "-");
        return batch.result();
      }),
    );
}

/** Carries out lines in groups: all that has arrived is done, made durable at once, answered, and pushed together. */
class Batch {
  readonly #values: unknown[] = [];
  #line = 0;
  #answers: Answer[] = [];
  #firstError: AisleError | null = null;

  constructor(
    readonly context: Context,
    readonly parse: (words: readonly string[]) => Promise<Parsed | null>,
    readonly keepGoing: boolean,
    readonly commands: readonly string[],
  ) {}

  /** Each line's outcome has been told already, but for `--json`, which is one value. */
  result(): CommandResult {
    const value = this.context.options.json === true ? this.#values : undefined;
    return { value, text: "", exitCode: this.#firstError?.exitCode ?? EXIT.done };
  }

  async run(file: string): Promise<void> {
    for await (const group of lineGroups(file)) {
      for (const line of group) {
        this.#line++;
        await this.#carryOut(line);
        if (this.#firstError !== null && !this.keepGoing) break;
      }
      await this.#finishGroup();
      if (this.#firstError !== null && !this.keepGoing) return;
    }
  }

  async #carryOut(line: string): Promise<void> {
    let words: readonly string[] = [];
    try {
      if (line.length > LONGEST_LINE) throw usageError(t`a line is longer than ${LONGEST_LINE} characters`);
      words = shellWords(line);
      if (words.length === 0) return;
      const result = await this.#command(words);
      this.#answers.push({ line: this.#line, result, error: null, lists: this.context.workspace.takeTouched() });
    } catch (thrown) {
      const error = asAisleError(thrown, this.commands.find((name) => name === words[0]) ?? null);
      this.#firstError ??= error;
      this.#answers.push({ line: this.#line, result: null, error, lists: this.context.workspace.takeTouched() });
    }
  }

  async #command(words: readonly string[]): Promise<CommandResult> {
    const line = await this.parse(words);
    if (line === null) throw usageError(t("this line names no command"), t("write one as after `aisle`"));
    const { name, handler, words: parsed, flags } = line;
    if (NOT_IN_BATCH.has(name)) throw usageError(t`${name} cannot be part of a batch`);
    if (flags.dataDir !== undefined || flags.dryRun === true) {
      throw usageError(t("--data-dir and --dry-run belong to the whole batch"), t("put them after `aisle batch`"));
    }
    if (flags.passwordStdin === true)
      throw usageError(t("--password-stdin would read the batch's own lines"), t("use --password-file"));
    const result = await handler(this.context.with(flags), parsed, flags);
    if (result.failure !== undefined) throw result.failure;
    // As it is now, not after the lines that follow.
    return { ...result };
  }

  async #finishGroup(): Promise<void> {
    const { workspace } = this.context;
    const failures = workspace.commitEach();
    for (const answer of this.#answers.splice(0)) {
      const [lost] = [...failures].filter(([list]) => answer.lists.has(list)).map(([, error]) => error);
      if (lost === undefined || answer.error !== null) this.#tell(answer);
      else {
        const isFirst = this.#firstError === null;
        const error = asAisleError(lost);
        this.#firstError ??= error;
        // The rest of the group has the same to say, unless each line is to be told of.
        if (isFirst || this.keepGoing) this.#tell({ ...answer, result: null, error });
      }
    }
    await push(this.context, workspace.takeUnsent());
  }

  #tell({ line, result, error }: Answer): void {
    const { json, ndjson } = this.context.options;
    const told =
      error === null
        ? { line, exit: EXIT.done, result: result?.value }
        : { line, exit: error.exitCode, ...(errorJson(error) as object) };
    if (ndjson === true) print(`${jsonText(told)}\n`);
    else if (json === true) this.#values.push(told);
    else if (error === null && result?.text !== "") print(`${result?.text ?? ""}\n`);
    if (error === null) return;
    say(json === true || ndjson === true ? jsonText(told) : t`aisle: line ${line}: ${errorLine(error)}`);
  }
}

/** Lines as they arrive: each group is what came in one piece, cut to size. A file is read to its end in few pieces. */
async function* lineGroups(file: string): AsyncIterable<readonly string[]> {
  const stream = file === "-" ? process.stdin : createReadStream(file, { highWaterMark: 1024 * 1024 });
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
      rest = lines.pop() ?? "";
      if (rest.length > LONGEST_LINE) throw usageError(t`a line is longer than ${LONGEST_LINE} characters`);
      for (let from = 0; from < lines.length; from += GROUP_LINES) yield lines.slice(from, from + GROUP_LINES);
    }
    // Also of a file that ends inside a character nothing of that line is done.
    rest += decoder.decode();
  } catch (error) {
    if (error instanceof AisleError) throw error;
    if (error instanceof TypeError)
      throw new AisleError(EXIT.failed, "unreadable", t`${file} is not text in UTF-8`, t("convert it to UTF-8 first"));
    throw new AisleError(EXIT.failed, "unreadable", t`${file} cannot be read`, t("check the path"));
  }
  if (rest !== "") yield [rest];
}
