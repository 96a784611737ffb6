import type { Frame } from "../../protocol/frames.js";
import { monotonicMs } from "../../runtime/clock.js";
import { AisleError, EXIT, refused } from "../errors.js";
import { RefusedError, type Question } from "../session.js";
import type { Context } from "./context.js";
import { t } from "../messages.js";

/** Between attempts, and in all, until the servers that are missing may be back. */
const BELOW_PAUSE_MS = 250;
const BELOW_BUDGET_MS = 5_000;

/** How many servers have what was asked for on disk. */
interface Counted {
  readonly stored: number;
  readonly wanted: number;
}

/** Asks the cluster for something that only it can say. @throws AisleError, what was refused included */
export async function ask<T>(
  context: Context,
  question: Question,
  decode: (body: Frame) => T,
  budgetMs: number,
): Promise<T> {
  context.requireOnline();
  try {
    return (await (await context.session()).request(question, decode, budgetMs)).value;
  } catch (error) {
    if (error instanceof RefusedError) throw refused(error.body);
    throw error;
  }
}

/**
 * Asks for a change, again as long as too few servers have it on disk: what the next lost disk may take back has not been
 * done. Asking again makes nothing new.
 * @throws AisleError `not-stored` when the time is up
 */
export async function askForChange<T extends Counted>(
  context: Context,
  question: Question,
  decode: (body: Frame) => T,
  budgetMs: number,
): Promise<T> {
  let deadline = monotonicMs() + budgetMs;
  for (let isFirst = true; ; isFirst = false) {
    const reply = await ask(context, question, decode, Math.max(1, deadline - monotonicMs()));
    if (reply.stored >= reply.wanted) return reply;
    if (isFirst) deadline = Math.min(deadline, monotonicMs() + BELOW_BUDGET_MS);
    if (monotonicMs() + BELOW_PAUSE_MS >= deadline) {
      const message = t`only ${reply.stored} of ${reply.wanted} servers know of it yet`;
      throw new AisleError(EXIT.unreachable, "not-stored", message, t("run it again when more of them answer"));
    }
    await new Promise((resolve) => setTimeout(resolve, BELOW_PAUSE_MS));
  }
}
