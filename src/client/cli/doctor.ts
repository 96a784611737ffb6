import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { readAddress } from "../../protocol/address.js";
import { monotonicMs, wallClockMs } from "../../runtime/clock.js";
import { takeLock } from "../../runtime/lock.js";
import { xdgFolder } from "../../runtime/xdg-folder.js";
import { SMALL_FILES } from "../data-folder.js";
import { AisleError, EXIT } from "../errors.js";
import { Hooks } from "../hooks.js";
import { displayable } from "../text.js";
import { nameOf } from "../views.js";
import type { Registration } from "./command.js";
import type { CommandResult, Context } from "./context.js";
import { errorLine } from "./failures.js";
import { counted, t } from "../messages.js";

const LOCK_PATIENCE_MS = 1_000;
const BROKER_PATIENCE_MS = 1_000;
/** Less is soon too little for a file that is written anew beside the old one. */
const LEAST_FREE_BYTES = 50 * 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1_000;

/** One thing that was looked at. `advice` says what to do where something is wrong, and is null where nothing is. */
interface Finding {
  readonly check: string;
  readonly state: "ok" | "warning" | "wrong";
  readonly found: string;
  readonly advice: string | null;
}

export function registerDoctor({ program, act }: Registration): void {
  program
    .command("doctor")
    .description(
      "look for what could be wrong here: folder, lock, disk, clock, lists, login, brokers; exit 1 where something is",
    )
    .action(act(async (context) => await examine(context)));
}

async function examine(context: Context): Promise<CommandResult> {
  const findings = [
    configurationFinding(context),
    folderFinding(context),
    await lockFinding(context),
    diskFinding(context),
    ...listFindings(context),
    clockFinding(context),
    loginFinding(context),
    ...(await brokerFindings(context)),
  ];
  const style = await context.style();
  const marks = {
    ok: style.good(t("ok").padEnd(8)),
    warning: style.warn(t("warning").padEnd(8)),
    wrong: style.warn(t("WRONG").padEnd(8)),
  };
  const lines = findings.flatMap(({ check, state, found, advice }) => [
    `${marks[state]} ${check.padEnd(8)} ${found}`,
    ...(advice === null ? [] : [`                  ${style.bold(advice)}`]),
  ]);
  const isWrong = findings.some(({ state }) => state === "wrong");
  return { value: findings, text: lines.join("\n"), ...(isWrong ? { exitCode: EXIT.failed } : {}) };
}

function ok(check: string, found: string): Finding {
  return { check, state: "ok", found, advice: null };
}

function wrong(check: string, found: string, advice: string): Finding {
  return { check, state: "wrong", found, advice };
}

function warning(check: string, found: string, advice: string): Finding {
  return { check, state: "warning", found, advice };
}

function configurationFinding({ configurationError, workspace, environment }: Context): Finding {
  if (configurationError !== null)
    return wrong("config", displayable(configurationError.message), configurationError.hint ?? t("mend it"));
  const folder = xdgFolder(environment, "XDG_CONFIG_HOME");
  const [asleep] = Hooks.asleep(folder);
  if (asleep !== undefined) {
    const path = displayable(join(folder, "hooks", asleep));
    return warning(
      "config",
      t`the hook ${path} is never run, since it is not executable`,
      t`let it run: chmod +x '${path}'`,
    );
  }
  const scripts = workspace.hooks?.scripts ?? [];
  return ok(
    "config",
    scripts.length === 0 ? t("no hooks") : t`hooks: ${scripts.map((name) => displayable(name)).join(", ")}`,
  );
}

function folderFinding({ workspace }: Context): Finding {
  const { path } = workspace.folder;
  const shown = displayable(path);
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return wrong("folder", t`${shown} cannot be written`, t`make it yours: chown -R "$USER" '${shown}'`);
  }
  const loose = (statSync(path).mode & 0o077) !== 0;
  if (loose)
    return warning("folder", t`${shown} can be read by others on this machine`, t`close it: chmod 700 '${shown}'`);
  return ok("folder", shown);
}

async function lockFinding({ workspace }: Context): Promise<Finding> {
  try {
    (await takeLock(join(workspace.folder.path, "lock"), LOCK_PATIENCE_MS)).release();
    return ok("lock", t("free"));
  } catch (error) {
    const problem = error instanceof Error ? displayable(error.message) : String(error);
    return wrong(
      "lock",
      problem,
      t("wait for that command to end, or stop it; a lock is never left behind by one that has died"),
    );
  }
}

function diskFinding({ workspace }: Context): Finding {
  const { bavail, bsize } = statfsSync(workspace.folder.path);
  const [free, megabytes] = [bavail * bsize, Math.round((bavail * bsize) / 1024 / 1024)];
  if (free < LEAST_FREE_BYTES)
    return wrong("disk", t`only ${megabytes} MB are free`, t("make room, or changes will soon be refused"));
  return ok("disk", t`${megabytes} MB are free`);
}

function* listFindings(context: Context): Iterable<Finding> {
  let [lists, waiting, rejected] = [0, 0, 0];
  for (const id of context.workspace.listIds()) {
    try {
      const list = context.workspace.list(id);
      if (list === null) continue;
      if (!list.isDeleted) lists++;
      waiting += list.outbox.length;
      rejected += list.rejected.length;
    } catch (error) {
      if (!(error instanceof AisleError)) throw error;
      yield wrong("lists", displayable(error.message), error.hint ?? t("restore it from a backup"));
    }
  }
  for (const name of SMALL_FILES) {
    if (existsSync(join(context.workspace.folder.path, `${name}.damaged`)))
      yield warning(
        "lists",
        t`${name} was damaged and set aside as ${name}.damaged`,
        t("look whether you still need it, and remove it"),
      );
  }
  if (rejected > 0)
    yield warning(
      "lists",
      counted(
        rejected,
        "{{count}} change was refused by the cluster and is kept aside",
        "{{count}} changes were refused by the cluster and are kept aside",
      ),
      t("see `aisle status`, and make them again where you want them"),
    );
  yield ok("lists", `${lists}${counted(waiting, ", {{count}} change to send", ", {{count}} changes to send")}`);
}

/** There is no clock to compare with but those of the people that one shares lists with. */
function clockFinding(context: Context): Finding {
  const now = wallClockMs();
  for (const list of context.lists(true)) {
    const newest = list.shown.history.operations().reduce((at, operation) => Math.max(at, operation.at), 0);
    if (newest <= now + DAY_MS) continue;
    const day = new Date(Math.min(newest, 8.64e15)).toISOString().slice(0, 10);
    return warning(
      "clock",
      t`a change to ${displayable(nameOf(list))} is dated ${day}, and today is ${new Date(now).toISOString().slice(0, 10)} here`,
      t("set this machine's clock, or the other's; totals do not depend on it, dates in the log and staples do"),
    );
  }
  return ok("clock", new Date(now).toISOString());
}

function loginFinding({ workspace }: Context): Finding {
  const login = workspace.folder.login();
  if (login === null) return ok("login", t("nobody is logged in; lists of your own work without"));
  const name = displayable(login.name);
  const left = Math.floor((login.expires - wallClockMs()) / DAY_MS);
  if (left < 0) return wrong("login", t`that of ${name} has expired`, t`log in again: aisle login ${name}`);
  if (left < 3)
    return warning("login", t`that of ${name} expires within ${left + 1} days`, t`log in again: aisle login ${name}`);
  return ok("login", t`${name}, for ${left} more days`);
}

async function brokerFindings(context: Context): Promise<readonly Finding[]> {
  if (context.options.offline === true) return [ok("brokers", t("not asked"))];
  try {
    const endpoints = context.brokers();
    const session = await context.session();
    const findings = await Promise.all(
      endpoints.map(async (endpoint): Promise<Finding> => {
        const began = monotonicMs();
        const look = await session.look(endpoint, BROKER_PATIENCE_MS);
        const shown = displayable(endpoint);
        if (look === "has no server")
          return warning("broker", t`${shown} answers, and has no server`, t("start the servers of the cluster"));
        if (look === "answers") return ok("broker", t`${shown} answers, after ${Math.round(monotonicMs() - began)} ms`);
        const hasKey = readAddress(endpoint)?.key !== null;
        const about = hasKey
          ? t("whether its key is still the right one")
          : t("whether it has a key, which belongs after # in its address");
        return warning(
          "broker",
          t`${shown} does not answer`,
          t`see whether it runs (\`aisle cluster up\` starts one here), and ${about}`,
        );
      }),
    );
    const isAlone = findings.length > 0 && findings.every(({ state }) => state !== "ok");
    return isAlone
      ? [
          ...findings,
          wrong(
            "brokers",
            t("none answers: everything works here, and nothing gets to others"),
            t("name those that run with `aisle connect`"),
          ),
        ]
      : findings;
  } catch (error) {
    if (!(error instanceof AisleError)) throw error;
    return [wrong("brokers", errorLine(error), t("name them anew with `aisle connect`"))];
  }
}
