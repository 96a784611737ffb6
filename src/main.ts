#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { clientProgram, runProgram } from "./client/main.js";
import { AisleError, EXIT, usageError } from "./client/errors.js";
import { brokerCommand } from "./broker/main.js";
import { untilAskedToStop } from "./runtime/signals.js";
import { serverCommand } from "./server/main.js";

interface Service {
  stop(): Promise<void>;
  readonly failed?: Promise<never>;
  readonly left?: Promise<void>;
}

/** What a service had opened before it failed would keep the process alive. */
const failed = { toStart: false };

/** Runs a service until it is asked to stop or cannot go on, then lets it finish. */
async function untilStopped(start: () => Promise<Service>): Promise<void> {
  const service = await start().catch((error: unknown) => {
    failed.toStart = true;
    return explain(error);
  });
  try {
    await untilAskedToStop(...[service.failed, service.left].filter((reason) => reason !== undefined));
  } catch (error) {
    explain(error);
  } finally {
    await service.stop();
  }
}

/** What keeps a service from running is as a rule the operator's to mend, and said in one line. */
function explain(error: unknown): never {
  if (error instanceof RangeError) throw usageError(error.message);
  const message = error instanceof Error ? error.message : String(error);
  throw new AisleError(
    EXIT.failed,
    "service-failed",
    `the service cannot run: ${message}`,
    "see its log and docs/operations.md",
  );
}

const program = clientProgram(fileURLToPath(import.meta.url));
const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
program.version((JSON.parse(manifest) as { version: string }).version);
program.addCommand(brokerCommand(untilStopped));
program.addCommand(serverCommand(untilStopped));
let unwritten: NodeJS.ErrnoException | null = null;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader such as `head` that has seen enough is no error, and no reason to leave work undone.
  if (error.code !== "EPIPE") unwritten = error;
});
const exitCode = await runProgram(program, process.argv.slice(2));
process.exitCode = exitCode;
process.once("exit", () => {
  if (unwritten === null) return;
  process.stderr.write(`aisle: the output could not be written: ${unwritten.message}\n`);
  if (exitCode === 0) process.exitCode = 1;
});
if (failed.toStart) process.exit();
