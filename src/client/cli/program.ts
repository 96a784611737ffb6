import { Command, Option } from "commander";
import { registerAccounts } from "./accounts.js";
import { registerBatch } from "./batch.js";
import { registerCluster } from "./cluster.js";
import type { Act } from "./command.js";
import { registerHistory } from "./history.js";
import { registerItems } from "./items.js";
import { registerLists } from "./lists.js";
import { registerOnline } from "./online.js";
import { registerSharing } from "./sharing.js";
import { registerVerify } from "./verify.js";
import { registerTransfer } from "./transfer.js";
import { registerWatch } from "./watch.js";

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such list or item, 4 not allowed or not logged in, 5 the cluster is needed and cannot be
reached, 6 refused because of the state of things, 130 interrupted.`;

/** The whole command line, with every command's action made by \`act\`. */
export function buildProgram(act: Act, scriptPath: string): Command {
  const program = new Command("aisle")
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
    .addHelpText("after", EXIT_CODES)
    .helpCommand(true)
    .exitOverride();
  registerLists(program, act);
  registerItems(program, act);
  registerTransfer(program, act);
  registerHistory(program, act);
  registerOnline(program, act);
  registerAccounts(program, act);
  registerSharing(program, act);
  registerVerify(program, act);
  registerWatch(program, act);
  registerBatch(program, act, (batchAct) => quietly(buildProgram(batchAct, scriptPath), true));
  registerCluster(program, act, scriptPath);
  return program;
}

/**
 * Errors are told once, by whoever runs the program, and not by every command on its own.
 * @param silent help is not printed either
 */
export function quietly(program: Command, silent = false): Command {
  const quiet = (command: Command): void => {
    command
      .exitOverride()
      .configureOutput({ writeErr: () => undefined, ...(silent ? { writeOut: () => undefined } : {}) });
    command.commands.forEach(quiet);
  };
  quiet(program);
  return program;
}
