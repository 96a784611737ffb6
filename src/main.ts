#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { clientProgram, runProgram } from "./client/main.js";
import { brokerCommand } from "./broker/main.js";
import { serverCommand } from "./server/main.js";

/** Runs a service until it is asked to stop, then lets it finish. */
async function untilStopped(start: () => Promise<{ stop(): Promise<void> }>): Promise<void> {
  const asked = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  const service = await start();
  await asked;
  await service.stop();
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
