import type { Command } from "commander";
import type { Copy, Inspection, Progress } from "../../protocol/cluster-messages.js";
import { digestOf } from "../../crdt/codec.js";
import { HashRing, partitionOf, PARTITIONS } from "../../protocol/hash-ring.js";
import { isListId, isServerId, type ListId, type ServerId } from "../../protocol/ids.js";
import { monotonicMs } from "../../runtime/clock.js";
import { AisleError, EXIT, notFound, usageError } from "../errors.js";
import { writeCredentials } from "../../protocol/identity.js";
import { Operator, type Survey } from "../operator.js";
import { displayable } from "../text.js";
import { nameOf } from "../views.js";
import { word, type Act } from "./command.js";
import { confirm } from "./confirm.js";
import { say, type CommandResult, type Context } from "./context.js";
import { t } from "../messages.js";

/** How often a server that leaves is asked how far it is, and how long it may be silent. */
const PROGRESS_INTERVAL_MS = 250;
const SILENCE_BUDGET_MS = 30_000;

/** Commands that look at a cluster wherever it runs, and change who belongs to it. */
export function registerOperations(cluster: Command, act: Act): void {
  cluster.option("--operator-key <file>", "proof of being the operator (AISLE_OPERATOR_KEY_FILE)");
  cluster.command("status").description("the brokers and servers, as the brokers see them").action(act(status));
  cluster.command("ring").description("which servers keep which partitions").action(act(ring));
  cluster
    .command("where")
    .argument("<list>", "a list on this device, or any list's id")
    .description("which servers have a list, and whether their copies are the same")
    .action(act(async (context, words) => await where(context, word(words, 0))));
  cluster.command("hints").description("lists that servers keep for others that were away").action(act(hints));
  cluster
    .command("transfers")
    .description("lists on their way to another server because one joins or leaves")
    .action(act(transfers));
  cluster.command("repair").description("compare all copies now, and mend what differs").action(act(repair));
  cluster
    .command("leave")
    .argument("<id>", "a living server")
    .description("let a server hand over its lists and go; returns when it has")
    .action(act(async (context, words) => await leave(context, serverId(word(words, 0)))));
  cluster
    .command("remove")
    .argument("<id>", "a dead server")
    .description("give up a server that will never return; the others take its place")
    .action(act(async (context, words) => await remove(context, serverId(word(words, 0)))));
}

/** Whoever asks, and as the operator where the operator's key is named. */
async function operatorOf(context: Context): Promise<Operator> {
  context.requireOnline();
  const path = context.options.operatorKey ?? context.environment.AISLE_OPERATOR_KEY_FILE ?? "";
  const { device, login } = await context.workspace.credentials();
  if (path === "") return new Operator(context.brokers(), await context.authentication());
  const { OperatorKey } = await import("../operator-key.js");
  const key = await OperatorKey.read(path);
  return new Operator(context.brokers(), async (request) =>
    writeCredentials({ device, account: login?.token ?? null, operator: await key.prove(request) }),
  );
}

function serverId(text: string): ServerId {
  if (isServerId(text)) return text;
  throw usageError(t`"${displayable(text.slice(0, 80))}" is no server's id`, t("see them with `aisle cluster status`"));
}

async function status(context: Context): Promise<CommandResult> {
  const operator = await operatorOf(context);
  const { brokers, servers, replication } = await operator.survey();
  const inspections = await operator.inspectAll({ brokers, servers, replication });
  const counted = servers.map((server) => ({ ...server, counters: inspections.get(server.id)?.counters ?? null }));
  const text = [
    ...brokers.map(
      ({ endpoint, reachable }) => t`broker  ${endpoint}  ${reachable ? t("answers") : t("does not answer")}`,
    ),
    ...servers.map(
      ({ id, status, alive, partitions, lists, hints }) =>
        t`server  ${id}  ${alive ? status : t`${status}, not answering`}  ${partitions} partitions, ${lists} lists, ${hints} hints`,
    ),
    ...(replication === null
      ? [t("no server has been heard of")]
      : [t`copies  ${replication.replicas} of each list; ${replication.writeQuorum} make a change acknowledged`]),
  ].join("\n");
  return { value: { brokers, servers: counted, replication }, text };
}

async function ring(context: Context): Promise<CommandResult> {
  const { servers, replication } = await (await operatorOf(context)).survey();
  const members = servers.filter(({ status }) => status === "member" || status === "leaving");
  const hashRing = HashRing.of(members.map(({ id }) => id));
  const replicas = replication?.replicas ?? 0;
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({
    partition,
    owners: hashRing.preferenceList(partition).slice(0, replicas),
  }));
  const byOwners = new Map<string, number[]>();
  for (const { partition, owners } of partitions) {
    const name = owners.join(" ");
    byOwners.set(name, [...(byOwners.get(name) ?? []), partition]);
  }
  const hex = (partition: number): string => partition.toString(16).padStart(2, "0");
  const lines = [...byOwners]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([owners, numbers]) => t`${owners}  ${numbers.length} partitions: ${numbers.map(hex).join(" ")}`);
  return { value: { replicas, partitions }, text: lines.join("\n") };
}

async function where(context: Context, reference: string): Promise<CommandResult> {
  const known = isListId(reference.toLowerCase()) ? null : context.theList(reference);
  const id: ListId = known?.id ?? reference.toLowerCase();
  const local = known ?? context.workspace.list(id);
  const { partition, wanted, replicas, copies } = await (await operatorOf(context)).where(id);
  if (local === null && copies.every((copy) => copy.answered && copy.digest === null)) {
    throw notFound(t("no server has a list with this id"), t("check the id, and let its owner run `aisle sync` first"));
  }
  const digest = local === null ? null : digestOf(local.shown);
  const line = ({ server, role, answered, digest: theirs }: Copy): string => {
    const same =
      digest === null || theirs === digest ? theirs?.slice(0, 12) : t`${theirs?.slice(0, 12)}, not as on this device`;
    return `${role}  ${server}  ${answered ? (theirs === null ? t("has no copy") : same) : t("does not answer")}`;
  };
  const name = local === null ? id : `${displayable(nameOf(local))}  (${id})`;
  const heading = t`${name}: partition ${partitionOf(id).toString(16).padStart(2, "0")}, ${replicas} copies, ${wanted} wanted`;
  return {
    value: { list: id, partition, wanted, replicas, digest, copies },
    text: [heading, ...copies.map(line)].join("\n"),
  };
}

/** What every living server says of itself; one that does not answer is told of, not left out in silence. */
async function inspections(context: Context): Promise<readonly Inspection[]> {
  const operator = await operatorOf(context);
  const all = await operator.inspectAll(await operator.survey());
  for (const [id, inspection] of all) if (inspection === null) say(t`aisle: ${id} does not answer`);
  return [...all.values()].filter((inspection) => inspection !== null);
}

async function hints(context: Context): Promise<CommandResult> {
  const servers = await inspections(context);
  const value = servers.flatMap(({ id, hints }) => hints.some.map((hint) => ({ server: id, ...hint })));
  const more = servers.reduce((sum, { hints }) => sum + hints.total - hints.some.length, 0);
  const lines = value.map(
    ({ server, list, missingAt }) => t`${server} keeps ${list} for ${missingAt.join(", ") || t("nobody any more")}`,
  );
  if (more > 0) lines.push(t`and ${more} more`);
  return { value, text: lines.length === 0 ? t("no hints: every list is where it belongs") : lines.join("\n") };
}

async function transfers(context: Context): Promise<CommandResult> {
  const servers = await inspections(context);
  const moving = ({ done, total }: Progress): boolean => done < total;
  const value = servers.flatMap(({ id, status, transfers }) =>
    (["incoming", "outgoing"] as const)
      .filter((direction) => moving(transfers[direction]))
      .map((direction) => ({ server: id, status, direction, ...transfers[direction] })),
  );
  const { servers: known } = await (await operatorOf(context)).survey();
  for (const { id } of known.filter((server) => server.status === "joining" && !server.alive)) {
    say(t`aisle: ${id} is joining and does not answer; start it again, or \`aisle cluster remove ${id}\``);
  }
  const lines = value.map(
    ({ server, status, direction, done, total }) =>
      t`${server} (${status})  ${direction === "incoming" ? t("has fetched") : t("has given away")} ${done} of ${total} lists`,
  );
  return { value, text: lines.length === 0 ? t("nothing is on its way") : lines.join("\n") };
}

async function repair(context: Context): Promise<CommandResult> {
  const operator = await operatorOf(context);
  const { servers } = await operator.survey();
  const value: { server: ServerId; peer: ServerId; differing: number; failed: boolean }[] = [];
  const isDryRun = context.options.dryRun === true;
  for (const { id } of servers.filter(({ alive }) => alive && !isDryRun)) {
    const { peers } = await operator.repair(id);
    for (const { server: peer, differing, failed } of peers) value.push({ server: id, peer, differing, failed });
    const differing = peers.reduce((sum, peer) => sum + peer.differing, 0);
    say(t`${id}: compared with ${peers.length} others, ${differing} lists differed`);
  }
  const differing = value.reduce((sum, pair) => sum + pair.differing, 0);
  const text = isDryRun ? t("would compare all copies") : t`${differing} copies differed`;
  const isIncomplete = value.some(({ failed }) => failed);
  const failure = new AisleError(
    EXIT.failed,
    "repair-incomplete",
    t("not every copy could be compared"),
    t("run it again"),
  );
  return { value, text, ...(isIncomplete ? { failure } : {}) };
}

async function leave(context: Context, id: ServerId): Promise<CommandResult> {
  const operator = await operatorOf(context);
  const before = find(await operator.survey(), id);
  if (!before.alive && before.status !== "removed") {
    const hint = t`start it again, or give it up with \`aisle cluster remove ${id}\``;
    throw new AisleError(EXIT.refused, "not-alive", t`${id} does not answer, so it cannot hand over its lists`, hint);
  }
  if (before.status === "removed" && !before.alive)
    return { value: { id, status: "removed" }, text: t`${id} is out of the cluster already` };
  await confirm(context, t`let ${id} leave the cluster for good?`);
  if (context.options.dryRun === true) return { value: { id, status: before.status }, text: t`would let ${id} leave` };
  if (before.status === "member" || before.status === "joining") await operator.leave(id);
  await untilGone(operator, id);
  return { value: { id, status: "removed" }, text: t`${id} has left; its lists are with the others` };
}

/** Tells how far it is until the server has nothing left and is gone. */
async function untilGone(operator: Operator, id: ServerId): Promise<void> {
  let heardAt = monotonicMs();
  let told = "";
  for (;;) {
    const [{ servers }, inspection] = [await operator.survey(), await operator.inspect(id)];
    const server = servers.find((one) => one.id === id);
    if (server?.status === "removed" && !server.alive) return;
    if (!servers.some(({ status }) => status === "member")) {
      const hint = t("start a new server; they hand their lists over to it");
      throw new AisleError(EXIT.refused, "nobody-left", t("all servers are leaving, so none of them can go"), hint);
    }
    const dead = servers.filter((one) => one.status === "member" && !one.alive).map((one) => one.id);
    const waiting = dead.length === 0 ? "" : t`; waits for ${dead.join(", ")}, which may have to take some of them`;
    if (inspection !== null) {
      heardAt = monotonicMs();
      const { done, total } = inspection.transfers.outgoing;
      const progress = t`${id}: ${done} of ${total} lists handed over${waiting}`;
      if (progress !== told && total > 0) say((told = progress));
    } else if (monotonicMs() - heardAt > SILENCE_BUDGET_MS) {
      const hint = t("start it again: it goes on where it was");
      throw new AisleError(EXIT.unreachable, "unreachable", t`${id} has fallen silent before it was done`, hint);
    }
    await new Promise((resolve) => setTimeout(resolve, PROGRESS_INTERVAL_MS));
  }
}

async function remove(context: Context, id: ServerId): Promise<CommandResult> {
  const operator = await operatorOf(context);
  const { alive, status } = find(await operator.survey(), id);
  if (alive) {
    const hint = t`if it has just died, try again in a few seconds; else let it hand over its lists with \`aisle cluster leave ${id}\``;
    throw new AisleError(EXIT.refused, "refused", t`${id} was heard a moment ago`, hint);
  }
  if (status === "removed") return { value: { id, status }, text: t`${id} is out of the cluster already` };
  await confirm(context, t`give up ${id}, which must never come back?`);
  if (context.options.dryRun === true) return { value: { id, status }, text: t`would give up ${id}` };
  const value = await operator.remove(id);
  return { value, text: t`${id} is given up; the others take over its partitions` };
}

/** @throws AisleError where the cluster knows no such server */
function find({ servers }: Survey, id: ServerId): Survey["servers"][number] {
  const server = servers.find((one) => one.id === id);
  if (server !== undefined) return server;
  const ids = servers.map((one) => one.id).join(", ");
  throw new AisleError(EXIT.notFound, "not-found", t`no server ${id} belongs to the cluster`, t`there is: ${ids}`);
}
