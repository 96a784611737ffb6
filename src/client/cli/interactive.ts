import { emitKeypressEvents, type Interface } from "node:readline";
import { printError } from "../../runtime/output.js";
import { AisleError, EXIT } from "../errors.js";
import { displayable } from "../text.js";
import { nameOf } from "../views.js";
import { acknowledged, chooseList } from "./choose-list.js";
import type { Context } from "./context.js";
import { errorLine } from "./failures.js";

/** Escape alone is told from what begins with it by waiting. The parts of an arrow key come together, also over a slow line. */
const ESCAPE_MS = 80;

/** The current list on a terminal, live, until the person leaves. */
export async function interact(context: Context): Promise<void> {
  // Whoever reads keys first settles for all how long to wait.
  emitKeypressEvents(process.stdin, { escapeCodeTimeout: ESCAPE_MS } as unknown as Interface);
  const style = await context.style();
  const { Screen } = await import("./screen.js");
  const { Dialogue } = await import("./dialogue.js");
  for (let another = false; ; another = true) {
    const list = await chooseList(context, another);
    if (list === null) return;
    const shown = style.words ? new Dialogue(context, list, style) : new Screen(context, list, style);
    try {
      if ((await shown.show()) === "quit") return;
    } catch (error) {
      if (!isAboutTheList(error) || context.glances().length === 0) throw error;
      // Whoever was put out of one list, or sees it deleted, has others.
      printError(`aisle: ${displayable(nameOf(list))}: ${errorLine(error)}\n`);
      await acknowledged();
    }
  }
}

function isAboutTheList(error: unknown): error is AisleError {
  return error instanceof AisleError && (error.exitCode === EXIT.notFound || error.exitCode === EXIT.notAllowed);
}
