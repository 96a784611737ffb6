import type { Command } from "commander";
import { usageError } from "./client/errors.js";
import { t } from "./client/messages.js";
import type { Family } from "./client/main.js";
import type { UntilStopped } from "./service.js";

/** The commands that are processes of a cluster. */
export function serviceFamilies(untilStopped: UntilStopped): readonly Family[] {
  return [
    {
      heading: "Services:",
      commands: ["cluster"],
      load: async () => (await import("./storage.js")).registerStorage,
    },
    {
      heading: "Services:",
      commands: ["broker"],
      load: async () => {
        const { brokerCommand } = await import("./broker/main.js");
        return ({ program }) => program.addCommand(inEarnest(brokerCommand(untilStopped)));
      },
    },
    {
      heading: "Services:",
      commands: ["server"],
      load: async () => {
        const { serverCommand } = await import("./server/main.js");
        return ({ program }) => program.addCommand(inEarnest(serverCommand(untilStopped)));
      },
    },
  ];
}

/** A process cannot be started only to see what would happen. */
function inEarnest(command: Command): Command {
  return command.hook("preAction", () => {
    if (command.optsWithGlobals<{ readonly dryRun?: boolean }>().dryRun === true)
      throw usageError(t`${command.name()} has no dry run`, t("leave out --dry-run; nothing was done"));
  });
}
