import type { ListId } from "../../protocol/ids.js";
import { monotonicMs, wallClockMs } from "../../runtime/clock.js";
import { isToBeRenewed } from "../data-folder.js";
import { AisleError, EXIT, isForGood, refused } from "../errors.js";
import { t } from "../messages.js";
import type { Synchronizer } from "../synchronizer.js";
import { displayable } from "../text.js";
import { parseDuration, say, type Context } from "./context.js";
import { errorLine } from "./failures.js";

/** Changes of another list that go along with a command: sending more takes a time of its own, which `sync` has. */
const MOST_ALONG = 100;

/** After a failed attempt, how long commands leave the network alone. */
const RETRY_PAUSE_MS = 10_000;

/** Tries to send what just changed, within the small budget; whatever goes wrong waits for the next time. */
export async function push(context: Context, changed: readonly ListId[]): Promise<void> {
  const { workspace } = context;
  if (changed.length === 0 || context.options.offline === true) return;
  const budgetMs = parseDuration(context.options.syncBudget ?? "250ms");
  if (budgetMs === 0) return;
  const deadline = monotonicMs() + budgetMs;
  let synchronizer: Synchronizer | null = null;
  try {
    context.brokers();
    const sinceFailure = wallClockMs() - (workspace.folder.syncTimes().lastFailure ?? 0);
    if (sinceFailure >= 0 && sinceFailure < RETRY_PAUSE_MS) return;
    synchronizer = await context.synchronizer();
    for (const id of changed) await send(synchronizer, id, Math.max(1, deadline - monotonicMs()));
    if (workspace.folder.login() !== null) {
      const sent = changed.flatMap((id) => workspace.list(id) ?? []);
      await (await import("../adoption.js")).adoptLists(context, sent);
    }
    await synchronizer.remember(true);
    await sendWaiting(context, synchronizer, changed, deadline);
    const login = workspace.folder.login();
    if (login !== null && isToBeRenewed(login, wallClockMs()))
      await (await import("../login.js")).renewLogin(context, deadline - monotonicMs());
  } catch (error) {
    const code = error instanceof AisleError ? error.exitCode : null;
    if (error instanceof AisleError && (code === EXIT.notAllowed || code === EXIT.usage)) {
      say(t`aisle: not sent: ${errorLine(error)}`);
      return;
    }
    // The change is safe on this disk; whatever is wrong with the way to the cluster is no failure of the command.
    if (context.options.verbose === true)
      say(t`aisle: not sent yet: ${error instanceof Error ? error.message : String(error)}`);
    await synchronizer?.remember(false).catch(() => undefined);
  }
}

async function send(synchronizer: Synchronizer, id: ListId, budgetMs: number, of = ""): Promise<void> {
  const { refusal } = await synchronizer.synchronize(id, budgetMs);
  if (refusal === null) return;
  const what = isForGood(refusal) ? t("kept aside") : t("kept here, and not sent");
  say(`aisle: ${of}${what}: ${errorLine(refused(refusal))}`);
}

/** What other lists have left in their outboxes goes along, as far as there is time. */
async function sendWaiting(
  context: Context,
  synchronizer: Synchronizer,
  sent: readonly ListId[],
  deadline: number,
): Promise<void> {
  for (const id of context.workspace.listIds()) {
    const leftMs = deadline - monotonicMs();
    if (leftMs <= 0) return;
    if (sent.includes(id)) continue;
    try {
      const { name, pending } = context.workspace.glance(id) ?? { name: "", pending: 0 };
      if (pending > 0 && pending <= MOST_ALONG) await send(synchronizer, id, leftMs, `${displayable(name)}: `);
    } catch (error) {
      // A damaged list, or no time left: that is for a command about it to tell.
      if (!(error instanceof AisleError)) throw error;
    }
  }
}
