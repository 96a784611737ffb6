import { join, resolve } from "node:path";
import { existsSync } from "node:fs";
import { Argument, Option } from "commander";
import { monotonicMs } from "../../runtime/clock.js";
import { untilAskedToStop } from "../../runtime/signals.js";
import type { KeyName } from "../../runtime/key-files.js";
import { AisleError, EXIT, notFound, usageError } from "../errors.js";
import { confirm } from "./confirm.js";
import { checkShape, LocalCluster, type ClusterShape } from "../local-cluster.js";
import { Operator } from "../operator.js";
import { Session } from "../session.js";
import { textFlag, word, type Flags, type Registration } from "./command.js";
import { say, type CommandResult, type Context } from "./context.js";
import { registerOperations } from "./operations.js";
import { t } from "../messages.js";

const UP_BUDGET_MS = 30_000;
const POLL_MS = 50;

/** Commands that run a whole cluster on this machine, and look at one wherever it runs. */
export function registerCluster({ program, act, scriptPath }: Registration): void {
  const cluster = program.command("cluster").description("run a cluster on this machine, or look at one");
  const dataOption = (): Option =>
    new Option("--data <folder>", "its pid files, logs and data (default: aisle-cluster beside the lists)");
  const at = (context: Context, flags: Flags): LocalCluster =>
    new LocalCluster(textFlag(flags, "data") ?? context.clusterFolder, scriptPath);

  cluster
    .command("up")
    .option("--brokers <count>", "how many brokers", "2")
    .option("--servers <count>", "how many servers", "3")
    .option("--port-base <port>", "the first broker's port; all others are within 99 of it", "5555")
    .addOption(dataOption())
    .option("--curve", "encrypt everything between its processes and to its clients, and have an operator's key")
    .addOption(new Option("--store <kind>", "how servers keep lists").choices(["json", "postgres"]).default("json"))
    .option("--store-url-file <file>", "postgres: a file with the database's URL, which only its owner can read")
    .option("--foreground", "stay, and stop everything on Ctrl-C")
    .description("start what of the cluster is dead or new; returns when all answer")
    .action(
      act(async (context, _words, flags) => {
        requireEarnest(context, "cluster up");
        return await up(at(context, flags), flags);
      }),
    );

  cluster
    .command("down")
    .addOption(dataOption())
    .description("stop the cluster on this machine")
    .action(
      act(async (context, _words, flags) => {
        requireEarnest(context, "cluster down");
        const local = at(context, flags);
        const stopped = await local.stop();
        return {
          value: { stopped },
          text:
            stopped.length === 0
              ? t`nothing was running of the cluster in ${local.folder}`
              : t`stopped ${stopped.join(", ")}`,
        };
      }),
    );

  cluster
    .command("rotate-key")
    .addArgument(new Argument("<key>", "what to make anew").choices(KEYS))
    .addOption(dataOption())
    .option("--keys <folder>", "the folder of keys, where it is not that of the cluster on this machine")
    .option("--forget", "token: end all logins, instead of keeping good what was signed before")
    .description("replace a key of the cluster, and say what then has to be done")
    .action(act(async (context, words, flags) => await rotateKey(context, at(context, flags), words, flags)));

  registerOperations(cluster, act);
}

const KEYS: readonly KeyName[] = ["token", "front", "back", "operator"];

/** What is left to do once a key is another one. */
const afterRotation = (): Readonly<Record<KeyName, string>> => ({
  token: t("servers that use this folder sign with it within a minute; copy token.key to those elsewhere"),
  front: t(
    "restart the brokers (`aisle cluster down`, `aisle cluster up --curve`), and give everybody the new address",
  ),
  back: t("stop all brokers and servers, copy back.key to other machines, and start them again"),
  operator: t("restart the servers, and copy operator.pub to those elsewhere"),
});

async function rotateKey(
  context: Context,
  cluster: LocalCluster,
  words: readonly unknown[],
  flags: Flags,
): Promise<CommandResult> {
  const key = word(words, 0) as KeyName;
  const folder = textFlag(flags, "keys") ?? cluster.keysFolder;
  const forget = flags.forget === true;
  if (forget && key !== "token") throw usageError(t("--forget is for the token key alone"));
  const path = join(folder, `${key}.key`);
  if (!existsSync(path)) throw notFound(t`there is no ${path}`, t("name the folder with --data or --keys"));
  const logins = forget ? t("; everybody has to log in again") : "";
  await confirm(context, t`replace ${path}?`);
  const value = { key, folder, next: afterRotation()[key] };
  if (context.options.dryRun === true) return { value, text: t`would replace ${path}${logins}` };
  const { KeyFileError, KeyFolder } = await import("../../runtime/key-files.js");
  try {
    await new KeyFolder(folder).rotate(key, forget);
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    throw new AisleError(EXIT.failed, "bad-key", error.message);
  }
  return { value, text: t`${path} is replaced${logins}; ${afterRotation()[key]}` };
}

/** Processes cannot be started or stopped only to see what would happen. */
function requireEarnest({ options }: Context, command: string): void {
  if (options.dryRun === true)
    throw usageError(t`${command} has no dry run`, t("leave out --dry-run; nothing was done"));
}

/** Its processes run elsewhere than this one may have been started. */
function storeUrlFile(flags: Flags): string | null {
  const file = textFlag(flags, "storeUrlFile");
  const isShared = textFlag(flags, "store") === "postgres";
  if (isShared && file === undefined) throw usageError(t("name the database with --store-url-file FILE"));
  return isShared && file !== undefined ? resolve(file) : null;
}

async function up(cluster: LocalCluster, flags: Flags): Promise<CommandResult> {
  const count = (name: string): number => Number(textFlag(flags, name));
  const shape: ClusterShape = {
    brokers: count("brokers"),
    servers: count("servers"),
    portBase: count("portBase"),
    curve: flags.curve === true || (await cluster.hasCurve()),
    storeUrlFile: storeUrlFile(flags) ?? (await cluster.storeUrlFile()),
  };
  checkShape(shape);
  if (shape.curve && flags.curve !== true) say(t("aisle: this cluster has keys, and goes on with --curve"));
  const { started, removed, down } = await cluster.start(shape);
  for (const name of down) say(t`aisle: ${name} belongs to this cluster and is down; --servers starts it, too`);
  for (const name of removed) say(t`aisle: ${name} has left this cluster and is not started again`);
  try {
    await untilAllAnswer(cluster, shape, removed.length, started);
  } catch (error) {
    if (flags.foreground === true) await cluster.stop();
    throw error;
  }
  const brokers = await cluster.frontends(shape);
  const what = started.length === 0 ? t("everything was running already") : t`started ${started.join(", ")}`;
  const operatorKey = shape.curve ? join(cluster.keysFolder, "operator.key") : null;
  const keyed = operatorKey === null ? "" : t`; the operator's key is ${operatorKey}`;
  const text = t`${what}; brokers at ${brokers.join(t(" and "))}${keyed}`;
  if (flags.foreground !== true) return { value: { started, brokers, operatorKey }, text };
  say(t`${text}; Ctrl-C stops them`);
  await untilAskedToStop();
  return { value: { stopped: await cluster.stop() }, text: t("stopped") };
}

/** Every broker answers and knows every server to be alive and, in a cluster that begins, to have its place. */
async function untilAllAnswer(
  cluster: LocalCluster,
  shape: ClusterShape,
  removed: number,
  started: readonly string[],
): Promise<void> {
  const deadline = monotonicMs() + UP_BUDGET_MS;
  const expected = shape.servers - removed;
  const asked = started.filter((name) => name.startsWith("server-"));
  for (const endpoint of await cluster.frontends(shape)) {
    while (!(await seesAll(endpoint, expected, asked))) {
      const [dead] = await cluster.dead(shape);
      if (dead !== undefined) {
        const message = t`${dead} did not stay up: ${await cluster.lastWords(dead)}`;
        throw new AisleError(
          EXIT.failed,
          "not-started",
          message,
          t("is another cluster using these ports? see its log, or choose --port-base"),
        );
      }
      if (monotonicMs() > deadline) {
        throw new AisleError(
          EXIT.unreachable,
          "not-ready",
          t`the broker at ${endpoint} does not see all servers yet`,
          t("see the logs; after a change of keys, run `aisle cluster down` first"),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

/** A server that was just started has to answer itself: the broker may still take it for its earlier run. */
async function seesAll(endpoint: string, servers: number, started: readonly string[]): Promise<boolean> {
  try {
    const { value: status } = await new Session([endpoint]).status(1_000);
    const alive = status.servers.filter((server) => server.alive);
    if (alive.length < servers) return false;
    // Who joins a cluster that is there takes over its lists first, and that takes as long as it takes.
    const isBeginning = started.length >= servers;
    if (isBeginning && alive.some((server) => server.status === "joining")) return false;
    const operator = new Operator([endpoint]);
    return (await Promise.all(started.map(async (id) => await operator.inspect(id)))).every(
      (answer) => answer !== null,
    );
  } catch (error) {
    if (error instanceof AisleError) return false;
    throw error;
  }
}
