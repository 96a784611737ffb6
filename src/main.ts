#!/usr/bin/env node
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
program.addCommand(brokerCommand(untilStopped));
program.addCommand(serverCommand(untilStopped));
// A reader such as `head` that has seen enough is no error.
process.stdout.on("error", () => process.exit(0));
process.exitCode = await runProgram(program, process.argv.slice(2));
