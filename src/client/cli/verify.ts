import { digestOf } from "../../crdt/codec.js";
import type { ServerId } from "../../protocol/ids.js";
import { AisleError, EXIT } from "../errors.js";
import { Operator } from "../operator.js";
import { displayable } from "../text.js";
import { nameOf } from "../views.js";
import { optionalWord, type Registration } from "./command.js";
import type { CommandResult, Context } from "./context.js";
import { counted, t } from "../messages.js";

const SYNC_BUDGET_MS = 5_000;

/** What is known of one list and its copies. */
interface Verification {
  readonly list: string;
  readonly name: string;
  /** Changes that are not acknowledged yet. */
  readonly pending: number;
  readonly digest: string;
  /** Servers whose copy has this digest, and how many are wanted. */
  readonly servers: readonly ServerId[];
  readonly wanted: number;
  readonly verified: boolean;
}

export function registerVerify({ program, act }: Registration): void {
  program
    .command("verify")
    .argument("[list]", "all lists if left out")
    .description("check that every change is on enough servers, and that their copies are the same as this one")
    .action(act(async (context, words) => await verify(context, optionalWord(words, 0))));
}

async function verify(context: Context, reference: string | undefined): Promise<CommandResult> {
  context.requireOnline();
  context.workspace.commit();
  const lists = reference === undefined ? context.lists(true) : [context.theList(reference)];
  const operator = new Operator(context.brokers(), await context.authentication());
  const value: Verification[] = [];
  for (const { id } of lists) value.push(await verifyOne(context, operator, id));
  const lines = value.map(({ name, pending, servers, wanted, verified }) => {
    const waiting = pending === 0 ? "" : t`, ${pending} still to send`;
    return t`${verified ? t("ok").padEnd(7) : t("not yet").padEnd(7)}  ${displayable(name)}: ${counted(servers.length, "the same on {{count}} server", "the same on {{count}} servers")}, ${wanted} wanted${waiting}`;
  });
  const text = lines.length === 0 ? t("there is no list to verify") : lines.join("\n");
  const isAll = value.every(({ verified }) => verified);
  const failure = new AisleError(
    EXIT.refused,
    "not-verified",
    t("not every change is on enough servers yet"),
    t("run `aisle sync`, then verify again; `aisle cluster where LIST` shows each copy"),
  );
  return { value, text, ...(isAll ? {} : { failure }) };
}

async function verifyOne(context: Context, operator: Operator, id: string): Promise<Verification> {
  // First level with the cluster, so that what differs afterwards is a copy and not merely news.
  const synchronizer = await context.synchronizer();
  if (context.workspace.list(id)?.isUnfetched !== true) await synchronizer.synchronize(id, SYNC_BUDGET_MS);
  const { copies, wanted } = await operator.where(id);
  const list = synchronizer.folder.readList(id);
  if (list === null) throw new AisleError(EXIT.notFound, "not-found", t("the list is not on this device any more"));
  const digest = digestOf(list.shown);
  const servers = copies.filter((copy) => copy.digest === digest).map(({ server }) => server);
  const pending = list.outbox.length;
  const verified = pending === 0 && servers.length >= wanted;
  return { list: id, name: nameOf(list), pending, digest, servers, wanted, verified };
}
