import type { ListId } from "../../protocol/ids.js";
import { monotonicMs } from "../../runtime/clock.js";
import { AisleError, EXIT, isForGood } from "../errors.js";
import type { LocalList } from "../local-list.js";
import type { Stored } from "../local-list-file.js";
import type { Session } from "../session.js";
import { displayable } from "../text.js";
import type { ListSync, Synchronizer } from "../synchronizer.js";
import { foldedNameOf } from "../../crdt/item-key.js";
import type { Intent } from "../intent.js";
import { nameOf } from "../views.js";
import { adoptLists } from "../adoption.js";
import { renewLogin } from "../login.js";
import { manyWords, type Registration } from "./command.js";
import { say, type CommandResult, type Context } from "./context.js";
import { warnOfTooMuch } from "./items.js";
import { counted, t } from "../messages.js";

/** How long `sync` and `join` try. */
const SYNC_BUDGET_MS = 5_000;

const LISTS_AT_A_TIME = 8;

/** How long `status` waits for a broker. */
const PING_TIMEOUT_MS = 1_000;

/** Commands that talk to the cluster. */
export function registerOnline({ program, act }: Registration): void {
  program
    .command("connect")
    .argument("<address...>", "such as tcp://127.0.0.1:5555")
    .description("say which brokers to use")
    .action(
      act(async (context, words) => {
        const brokers = context.checked(manyWords(words, 0));
        await context.workspace.changeSettings({ brokers, insecure: context.options.insecure === true });
        return { value: { brokers }, text: t`will use ${brokers.join(", ")}` };
      }),
    );

  program
    .command("sync")
    .option("--plan", "only say what would travel")
    .description("send and fetch everything")
    .action(
      act(async (context, _words, flags) =>
        flags.plan === true || flags.dryRun === true ? plan(context) : await sync(context),
      ),
    );

  program
    .command("status")
    .option("--dismiss", "forget the refused changes that it shows")
    .description("brokers, what waits to be sent, and the last sync; works offline")
    .action(act((context, _words, flags) => status(context, flags.dismiss === true)));
}

async function sync(context: Context): Promise<CommandResult> {
  context.requireOnline();
  // In a batch, what came before is part of what is sent.
  context.workspace.commit();
  const lists = context.lists(true);
  const synchronizer = await context.synchronizer();
  const { done, failed } = await syncAll(
    synchronizer,
    lists.map(({ id }) => id),
  );
  await synchronizer.remember(failed === null);
  if (failed === null) {
    await renewLogin(context);
    await adoptLists(context, context.lists(true));
  }
  if (failed !== null && done.length === 0) throw failed;
  const sum = (part: "pushed" | "fetched" | "pending"): number =>
    done.reduce((total, result) => total + result[part], 0);
  const stored = done.flatMap(({ list, stored }) => (stored === null ? [] : [{ list, ...stored }]));
  const value = { pushed: sum("pushed"), fetched: sum("fetched"), pending: sum("pending"), stored };
  const waiting = value.pending > 0 ? t`, ${value.pending} still waiting` : "";
  const least = leastStored(done);
  const text = t`sent ${value.pushed}, fetched ${value.fetched}${waiting}${least === null ? "" : t`; stored ${least}`}`;
  const failure = failed ?? failureOf(context, done);
  for (const { list: id, fetched } of done) {
    const list = fetched === 0 ? null : context.workspace.list(id);
    if (list !== null && !list.isDeleted) warnOfTooMuch(list, list.shown.items.values());
  }
  for (const problem of context.workspace.hooks?.onSync(value) ?? []) say(`aisle: ${problem}`);
  return { value, text, ...(failure === null ? {} : { failure }) };
}

/** On how many servers everything is that was ever stored, at least and when last asked; null where nothing was. */
function leastStored(lists: readonly { readonly stored: Stored | null }[]): string | null {
  const stored = lists.flatMap((list) => (list.stored === null ? [] : [list.stored]));
  const [first, ...others] = stored;
  if (first === undefined) return null;
  const least = others.reduce((a, b) => (b.servers < a.servers ? b : a), first);
  return t`on ${least.servers} of ${Math.max(least.servers, least.replicas)} servers`;
}

/** Some lists at a time, so that one whose server is away does not keep the others waiting. */
async function syncAll(
  synchronizer: Synchronizer,
  ids: readonly ListId[],
): Promise<{ readonly done: readonly ListSync[]; readonly failed: AisleError | null }> {
  const deadline = monotonicMs() + SYNC_BUDGET_MS;
  const left = (): number => Math.max(1, deadline - monotonicMs());
  const waiting = [...ids];
  const done: ListSync[] = [];
  let failed: AisleError | null = null;
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof AisleError)) throw error;
      failed ??= error;
    }
  };
  const worker = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const next = id;
      await attempt(async () => done.push(await synchronizer.synchronize(next, left(), true)));
    }
  };
  if (ids.length === 0) await attempt(async () => await synchronizer.session.ping(left()));
  await Promise.all(Array.from({ length: LISTS_AT_A_TIME }, worker));
  return { done, failed };
}

function failureOf(context: Context, results: readonly ListSync[]): AisleError | null {
  const result = results.find(({ refusal }) => refusal !== null);
  const refused = result?.refusal ?? null;
  if (result !== undefined && refused !== null) {
    const list = context.workspace.list(result.list);
    const name = list === null ? result.list : nameOf(list);
    const hint = isForGood(refused)
      ? t("your changes are kept aside: see `aisle status`")
      : refused.code === "too-large"
        ? t("your changes wait here; `aisle export` and `aisle import` bring some of them to another list")
        : result.pending > 0
          ? t("your changes wait here; `aisle whoami` shows who you are, and an owner can let you in")
          : context.workspace.folder.login() === null
            ? t("log in with `aisle login NAME`, where it is shared with you")
            : t("an owner can let you in; `aisle delete --local` forgets it here");
    const message = t`the cluster refused ${displayable(name)}: ${displayable(refused.message)}`;
    return new AisleError(EXIT.notAllowed, refused.code, message, hint);
  }
  const kept = context.lists(true).flatMap(({ rejected }) => rejected.filter(({ code }) => code !== "unclear"));
  const [first] = kept;
  if (first !== undefined)
    return new AisleError(
      EXIT.notAllowed,
      first.code,
      counted(kept.length, "{{count}} change was refused", "{{count}} changes were refused"),
      t("they are kept aside: see `aisle status`, and `aisle status --dismiss` once you have"),
    );
  const isBelow = results.some(
    ({ pending, stored }) => pending > 0 || (stored !== null && stored.servers < stored.wanted),
  );
  if (!isBelow) return null;
  return new AisleError(
    EXIT.unreachable,
    "not-stored",
    t("not everything is stored on enough servers yet"),
    t("it stays here; run `aisle sync` again"),
  );
}

function plan(context: Context): CommandResult {
  const lists = context.lists(true).map((list) => ({
    list: list.id,
    name: nameOf(list),
    push: list.outbox.length,
  }));
  const waiting = lists.filter(({ push }) => push > 0);
  const lines = waiting.map(({ name, push }) => t`${displayable(name)}: ${push} to send`);
  return {
    value: lists,
    text: lines.length === 0 ? t("nothing to send; sync would fetch what others did") : lines.join("\n"),
  };
}

async function status(context: Context, isDismissing: boolean): Promise<CommandResult> {
  const [lists, times] = [context.lists(true), context.workspace.folder.syncTimes()];
  const looks = await looksAtBrokers(context);
  const brokers = looks.map(({ endpoint, look }) => ({ endpoint, reachable: look !== null && look !== "is silent" }));
  const pending = lists.reduce((total, list) => total + list.outbox.length, 0);
  const known = lists.flatMap((list) =>
    list.rejected.map((entry) => ({ list: list.id, name: displayable(nameOf(list)), ...entry })),
  );
  if (isDismissing)
    for (const id of new Set(known.map(({ list }) => list)))
      await context.workspace.note(id, (noted) => noted.dismiss());
  const rejected = isDismissing ? [] : known;
  const below = lists.flatMap((list) => {
    const { stored, isDeleted } = list;
    return isDeleted || stored === null || stored.servers >= stored.wanted ? [] : [{ name: nameOf(list), ...stored }];
  });
  const login = context.workspace.folder.login();
  const lastSync = times.lastSync === null ? null : new Date(times.lastSync).toISOString();
  const { path: dataDir } = context.workspace.folder;
  const text = [
    t`account   ${login === null ? t("none: log in with `aisle login NAME`") : displayable(login.name)}`,
    t`folder    ${dataDir}`,
    ...looks.map(({ endpoint, look }) => t`broker    ${endpoint}  ${lookText(look)}`),
    counted(pending, "waiting   {{count}} change to send", "waiting   {{count}} changes to send"),
    t`stored    ${leastStored(lists) ?? t("nowhere but here")}${pending > 0 && leastStored(lists) !== null ? t(", without what waits") : ""}${below.length > 0 ? t(", too few for:") : ""}`,
    ...below.map(
      ({ name, servers, wanted }) =>
        t`          ${displayable(name)} (${servers} of the ${wanted} that make a change acknowledged)`,
    ),
    ...rejected.map(({ name, intent, message }) => t`refused   ${what(intent)}, ${name}: ${displayable(t(message))}`),
    t`last sync ${lastSync ?? t("never")}`,
  ].join("\n");
  return {
    value: { account: login?.name ?? null, dataDir, brokers, pending, rejected, stored: storedOf(lists), lastSync },
    text,
  };
}

type Look = Awaited<ReturnType<Session["look"]>> | null;

/** What each broker does; null where nobody is to ask. None where their addresses are none, which is told and no reason to say nothing else. */
async function looksAtBrokers(
  context: Context,
): Promise<readonly { readonly endpoint: string; readonly look: Look }[]> {
  try {
    const session = context.options.offline === true ? null : await context.session();
    const looked = context.brokers().map(async (endpoint) => {
      const look = (await session?.look(endpoint, PING_TIMEOUT_MS)) ?? null;
      return { endpoint, look };
    });
    return await Promise.all(looked);
  } catch (error) {
    if (!(error instanceof AisleError)) throw error;
    say(`aisle: ${error.message}`);
    return [];
  }
}

function lookText(look: Look): string {
  if (look === null) return t("not asked");
  if (look === "answers") return t("answers");
  return look === "has no server" ? t("answers, and has no server") : t("does not answer");
}

/** On how many servers each list was when the cluster last answered. */
function storedOf(lists: readonly LocalList[]): readonly unknown[] {
  return lists.flatMap(({ id, stored }) => (stored === null ? [] : [{ list: id, ...stored }]));
}

/** A change as its author knows it: what was done, and to which item. */
function what(intent: Intent): string {
  const item = "key" in intent ? foldedNameOf(intent.key) : "name" in intent ? intent.name : "";
  return displayable(`${intent.type} ${item}`.trim());
}
