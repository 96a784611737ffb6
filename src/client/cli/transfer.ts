import { createReadStream } from "node:fs";
import { extname } from "node:path";
import { Option } from "commander";
import { itemKey } from "../../crdt/item-key.js";
import { AisleError, EXIT, usageError } from "../errors.js";
import {
  EXPORT_FORMATS,
  exportList,
  guessFormat,
  IMPORT_FORMATS,
  readImport,
  type ExportFormat,
  type ImportFormat,
} from "../formats.js";
import type { Intent } from "../intent.js";
import { progress } from "./progress.js";
import { displayable } from "../text.js";
import { listView, nameOf } from "../views.js";
import { textFlag, word, type Registration } from "./command.js";
import { addIntent } from "../item-entry.js";
import { changeItems } from "./items.js";
import { counted, t } from "../messages.js";

/** A file with more than this is no shopping list. */
const LARGEST_IMPORT_BYTES = 64 * 1024 * 1024;

/** Commands that bring items in and out. */
export function registerTransfer({ program, act }: Registration): void {
  program
    .command("import")
    .argument("<file>", "a file, or - for what is piped in")
    .addOption(
      new Option("--format <format>", "default: by the file's ending, else by what it looks like").choices(
        IMPORT_FORMATS,
      ),
    )
    .description("add the items in a file, one a line: text, Markdown, todo.txt, CSV, TSV or JSON")
    .action(
      act(async (context, words, flags) => {
        const file = word(words, 0);
        const text = await readInput(file);
        const format = formatOf(file, textFlag(flags, "format")) ?? guessFormat(text);
        const { items, order, staples } = readImport(text, format);
        const list = context.theList();
        const added = items.flatMap(({ entry, acquired }): Intent[] => {
          const add = addIntent(entry);
          return acquired === 0
            ? [add]
            : [add, { type: "acquire", key: itemKey(add.name, add.unit), amount: acquired }];
        });
        const intents: Intent[] = [
          ...added,
          ...staples.map(({ key, rule }): Intent => ({ type: "staple", key, rule })),
          ...(order.length === 0 ? [] : [{ type: "order", aisles: order } as const]),
        ];
        const what = t`${counted(items.length, "{{count}} item", "{{count}} items")} for ${displayable(nameOf(list))}`;
        const { value } = await changeItems(context, list, intents, [], progress(t("importing")));
        return { value, text: t`imported ${what}` };
      }),
    );

  program
    .command("export")
    .argument("[list]", "its name or id")
    .addOption(new Option("--format <format>").choices(EXPORT_FORMATS).default("md"))
    .description("print a list to paste or keep")
    .action(
      act((context, words, flags) => {
        const list = context.theList(typeof words[0] === "string" ? words[0] : undefined);
        const format = (textFlag(flags, "format") ?? "md") as ExportFormat;
        return {
          get value() {
            return listView(list);
          },
          get text() {
            return exportList(list, format);
          },
        };
      }),
    );
}

function formatOf(file: string, given: string | undefined): ImportFormat | null {
  if (given === undefined && /(^|[/\\.])(todo|done)\.txt$/i.test(file)) return "todo";
  const wanted = given ?? extname(file).slice(1).toLowerCase();
  return IMPORT_FORMATS.find((format) => format === wanted) ?? (wanted === "markdown" ? "md" : null);
}

/** The text of a file, or of standard input for `-`. */
async function readInput(file: string): Promise<string> {
  const bytes = file === "-" ? await readAll(process.stdin) : await readFile(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw usageError(t`${displayable(file)} is not text in UTF-8`, t("convert it to UTF-8 first"));
  }
}

async function readFile(file: string): Promise<Uint8Array> {
  try {
    return await readAll(createReadStream(file));
  } catch (error) {
    if (error instanceof AisleError) throw error;
    const reason =
      error instanceof Error && "code" in error && error.code === "ENOENT"
        ? t("there is no such file")
        : t("it cannot be read");
    throw new AisleError(EXIT.failed, "unreadable", `${displayable(file)}: ${reason}`, t("check the path"));
  }
}

async function readAll(stream: AsyncIterable<string | Buffer>): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const data = Buffer.from(chunk);
    bytes += data.byteLength;
    if (bytes > LARGEST_IMPORT_BYTES) throw tooLarge();
    chunks.push(data);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): AisleError {
  return usageError(t`that is more than ${LARGEST_IMPORT_BYTES / 1024 / 1024} MB`, t("import it in parts"));
}
