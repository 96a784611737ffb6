import { AisleError, EXIT } from "../errors.js";
import type { Context } from "./context.js";
import { t } from "../messages.js";

/** Asks before something that is hard to take back, where there is somebody to ask. */
export async function confirm(context: Context, message: string): Promise<void> {
  if (context.options.yes === true || context.options.dryRun === true || !context.isInteractive) return;
  const { default: inquirer } = await import("inquirer");
  const { sure } = await inquirer.prompt<{ sure: boolean }>([
    { type: "confirm", name: "sure", message, default: false },
  ]);
  if (!sure) throw new AisleError(EXIT.failed, "declined", t("nothing was changed"));
}
