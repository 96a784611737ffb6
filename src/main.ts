import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { clientProgram, runProgram, type Family } from "./client/main.js";
import { outputFailure, printError } from "./runtime/output.js";
import type { UntilStopped } from "./service.js";

/** Set by a service that cannot start: what it had opened before would keep the process alive. */
const service = { failedToStart: false };

const untilStopped: UntilStopped = async (start) => {
  const { runService } = await import("./service.js");
  await runService(start, () => (service.failedToStart = true));
};

const services: readonly Family[] = [
  {
    heading: "Services:",
    commands: ["broker"],
    load: async () => {
      const { brokerCommand } = await import("./broker/main.js");
      return ({ program }) => program.addCommand(brokerCommand(untilStopped));
    },
  },
  {
    heading: "Services:",
    commands: ["server"],
    load: async () => {
      const { serverCommand } = await import("./server/main.js");
      return ({ program }) => program.addCommand(serverCommand(untilStopped));
    },
  },
];

async function main(words: readonly string[]): Promise<void> {
  const program = await clientProgram(
    { scriptPath: fileURLToPath(new URL("main.js", import.meta.url)), services },
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
  if (service.failedToStart) process.exit();
}

void main(process.argv.slice(2));
