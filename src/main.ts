import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { clientProgram, runProgram } from "./client/main.js";
import { useTranslation } from "./client/messages.js";
import { languagesOf, readTranslation } from "./client/translation.js";
import { xdgFolder } from "./runtime/xdg-folder.js";
import { serviceFamilies } from "./families.js";
import { outputFailure, printError } from "./runtime/output.js";
import type { UntilStopped } from "./service.js";

/** Whether a service ran: what it still has to say, it says before the process ends by itself. */
const service = { hasRun: false };

const untilStopped: UntilStopped = async (start) => {
  const { runService } = await import("./service.js");
  await runService(start, () => (service.hasRun = true));
};

/** Whatever is wrong with a translation, one can go on in English. */
async function speakTheirLanguage(): Promise<void> {
  const languages = languagesOf(process.env);
  if (languages.length === 0) return;
  const ours = fileURLToPath(new URL("../messages", import.meta.url));
  try {
    useTranslation(
      await readTranslation(languages, [join(xdgFolder(process.env, "XDG_CONFIG_HOME"), "messages"), ours]),
    );
  } catch (error) {
    printError(`aisle: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

async function main(words: readonly string[]): Promise<void> {
  await speakTheirLanguage();
  const program = await clientProgram(
    { scriptPath: fileURLToPath(new URL("main.js", import.meta.url)), services: serviceFamilies(untilStopped) },
    words,
  );
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  program.version((JSON.parse(manifest) as { version: string }).version);
  process.exitCode = await runProgram(program, words);
  const unwritten = outputFailure();
  if (unwritten !== null) {
    printError(`aisle: the output could not be written: ${unwritten.message}\n`);
    if (process.exitCode === 0) process.exitCode = 1;
  }
  // All that a command has to say is written. Taking down what it opened would take longer than some commands do, and what a
  // service had opened that could not start would keep the process alive.
  if (!service.hasRun) process.exit();
}

void main(process.argv.slice(2));
