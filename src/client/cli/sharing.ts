import { Option } from "commander";
import { ACCESS_LIMITS, ROLES, type Role } from "../../crdt/access-record.js";
import { foldName } from "../../crdt/item-key.js";
import {
  decodeAccessReply,
  encodeAccessRequest,
  type AccessReply,
  type AccessRequest,
} from "../../protocol/access-messages.js";
import { isListId, type ListId } from "../../protocol/ids.js";
import { hashOfSecret, invitationText, readInvitation } from "../../protocol/identity.js";
import { wallClockMs } from "../../runtime/clock.js";
import { randomSecret } from "../../runtime/rng.js";
import { AisleError, EXIT, isForGood, refused, usageError } from "../errors.js";
import type { LocalList } from "../local-list.js";
import { displayable } from "../text.js";
import { localTime, nameOf } from "../views.js";
import { adoptLists } from "../adoption.js";
import { ask, askForChange } from "./asking.js";
import { currentLogin } from "./accounts.js";
import { textFlag, word, type Flags, type Registration } from "./command.js";
import { confirm } from "./confirm.js";
import { parseDuration, say, type CommandResult, type Context } from "./context.js";
import { errorLine } from "./failures.js";
import { push } from "./push.js";
import { summary, unsentChanges } from "./lists.js";
import { t } from "../messages.js";

const ACCESS_BUDGET_MS = 5_000;

/** Commands about who may do what with a list. */
export function registerSharing({ program, act }: Registration): void {
  program
    .command("share")
    .argument("<list>")
    .addOption(new Option("--role <role>", "what it lets people do").choices(["editor", "viewer"]).default("editor"))
    .option("--expires <duration>", "how long it is good", "7d")
    .option("--uses <n>", "how many people it lets in", "1")
    .description("make an invitation to send to somebody")
    .action(act(async (context, words, flags) => await share(context, word(words, 0), flags)));

  program
    .command("join")
    .argument("<invitation>", "an invitation, or the id of an open list")
    .description("come to a list that somebody else made")
    .action(act(async (context, words) => await join(context, word(words, 0))));

  program
    .command("members")
    .argument("<list>")
    .option("--invitations", "the invitations that are still good, instead")
    .description("who shares a list, and what they may do")
    .action(act(async (context, words, flags) => await members(context, word(words, 0), flags)));

  program
    .command("role")
    .argument("<list>")
    .argument("<name>", "a member's name or id")
    .argument("<role>", "owner, editor or viewer")
    .description("change what a member may do")
    .action(
      act(async (context, words) => {
        const role = roleCalled(word(words, 2));
        const list = context.theList(word(words, 0));
        return await changeMember(context, list, word(words, 1), role, t`is ${role} of`);
      }),
    );

  program
    .command("revoke")
    .argument("<list>")
    .argument("<who>", "a member, or an invitation")
    .description("put a member out, or take an invitation back")
    .action(act(async (context, words) => await revoke(context, word(words, 0), word(words, 1))));

  program
    .command("transfer")
    .argument("<list>")
    .argument("<name>", "a member's name or id")
    .description("make a member the owner in your place; you stay as editor")
    .action(act(async (context, words) => await transfer(context, word(words, 0), word(words, 1))));

  program
    .command("leave")
    .argument("<list>")
    .description("give up a list that somebody shared with you, and forget it here")
    .action(act(async (context, words) => await leave(context, word(words, 0))));

  for (const visibility of ["open", "private"] as const) {
    const description =
      visibility === "open"
        ? t("let whoever knows the list's id edit it")
        : t("let only members read and edit the list");
    program
      .command(visibility)
      .argument("<list>")
      .description(description)
      .action(act(async (context, words) => await setVisibility(context, word(words, 0), visibility)));
  }
}

function roleCalled(text: string): Role {
  const role = ROLES.find((one) => one === text.toLowerCase());
  if (role !== undefined) return role;
  throw usageError(t`"${displayable(text.slice(0, 40))}" is no role`, t`a role is ${ROLES.join(", ")}`);
}

/** Asks the cluster about a list's members, once it knows the list. */
async function askAbout(context: Context, listId: ListId, request: AccessRequest): Promise<AccessReply> {
  context.workspace.commit();
  const list = context.workspace.list(listId);
  if (list?.rights.isUnfounded === true && context.options.offline !== true) {
    const { refusal } = await (await context.synchronizer()).synchronize(listId, ACCESS_BUDGET_MS);
    if (refusal !== null) throw refused(refusal);
  }
  const known = context.workspace.list(listId);
  if (known !== null && context.options.offline !== true) await adoptLists(context, [known]);
  const question = { kind: "access", listId, body: encodeAccessRequest(request) } as const;
  const asking = request.do === "members" ? ask : askForChange;
  const reply = await asking(context, question, decodeAccessReply, ACCESS_BUDGET_MS);
  const { role } = reply;
  if (list !== null && role !== null) {
    await context.workspace.note(listId, (noted) =>
      noted.rights.stand({ role, open: reply.visibility === "open", members: reply.members.length }),
    );
    // Other commands need not wait while a person, or the cluster, is asked something more.
    context.workspace.commit();
  }
  return reply;
}

/** Times that others may change a list's members while somebody tries to. */
const MOST_ATTEMPTS = 5;

/** Changes roles or visibility as they are now, again where somebody else did meanwhile. */
async function askAsOf(
  context: Context,
  listId: ListId,
  make: (version: number) => AccessRequest,
): Promise<AccessReply> {
  for (let attempt = 1; ; attempt++) {
    const { version } = await askAbout(context, listId, { do: "members" });
    try {
      return await askAbout(context, listId, make(version));
    } catch (error) {
      const isStale = error instanceof AisleError && error.code === "stale-basis";
      if (!isStale || attempt === MOST_ATTEMPTS) throw error;
    }
  }
}

async function share(context: Context, reference: string, flags: Flags): Promise<CommandResult> {
  currentLogin(context);
  const list = context.theList(reference);
  const role = textFlag(flags, "role") === "viewer" ? "viewer" : "editor";
  const uses = Number(textFlag(flags, "uses"));
  if (!Number.isInteger(uses) || uses < 1 || uses > ACCESS_LIMITS.uses)
    throw usageError(t`an invitation lets in 1 to ${ACCESS_LIMITS.uses} people`);
  const lasts = parseDuration(textFlag(flags, "expires") ?? "7d");
  const expires = wallClockMs() + Math.round(lasts);
  if (lasts <= 0 || lasts > 366 * 24 * 3_600_000) throw usageError(t("an invitation is good for up to a year"));
  const secret = randomSecret();
  const value = { list: list.id, role, expires: new Date(expires).toISOString(), uses };
  if (context.options.dryRun === true)
    return { value, text: t`would make an invitation to ${displayable(nameOf(list))}` };
  await askAbout(context, list.id, { do: "invite", hash: hashOfSecret(secret), role, expires, uses });
  const invitation = invitationText(list.id, secret);
  return { value: { invitation, ...value }, text: invitation };
}

async function join(context: Context, text: string): Promise<CommandResult> {
  const invitation = readInvitation(text);
  const id = invitation?.listId ?? text.toLowerCase();
  if (!isListId(id)) {
    const hint = t("ask for the invitation that `aisle share` prints, or for the id of an open list");
    throw usageError(t`"${displayable(text.slice(0, 80))}" is neither an invitation nor a list's id`, hint);
  }
  if (invitation !== null) currentLogin(context);
  if (invitation !== null && context.options.dryRun === true)
    return { value: { list: id }, text: t`would come to the list ${id}` };
  const isOnline = context.options.offline !== true && context.options.dryRun !== true;
  if (invitation !== null && isOnline) await askAbout(context, id, { do: "join", secret: invitation.secret });
  if (invitation !== null && !isOnline)
    throw new AisleError(
      EXIT.unreachable,
      "offline",
      t("an invitation needs the cluster"),
      t("try it without --offline"),
    );
  const wasKnown = context.workspace.list(id) !== null;
  await context.workspace.create(id);
  context.workspace.commit();
  if (isOnline) {
    try {
      const { refusal } = await (await context.synchronizer()).synchronize(id, ACCESS_BUDGET_MS);
      if (refusal?.code === "not-allowed") throw refused(refusal);
      // Made before, when there was more they might.
      if (refusal !== null)
        say(
          isForGood(refusal)
            ? t`aisle: changes made before are kept aside: ${errorLine(refused(refusal))}`
            : t`aisle: changes made before are kept here, and not sent: ${errorLine(refused(refusal))}`,
        );
    } catch (error) {
      if (!wasKnown) await forgetUnseen(context, id);
      throw error;
    }
  }
  await context.workspace.changeSettings({ current: id });
  const list = await context.workspace.create(id);
  return summary(context, list, list.isUnfetched ? t("will fetch with the next sync:") : t("joined"));
}

/** A list that was never had is not kept: nobody should think that it is there. */
async function forgetUnseen(context: Context, id: ListId): Promise<void> {
  const list = await context.workspace.create(id);
  if (list.isUnfetched) await context.workspace.forget(id);
  context.workspace.commit();
}

async function members(context: Context, reference: string, flags: Flags): Promise<CommandResult> {
  const list = context.theList(reference);
  const reply = await askAbout(context, list.id, { do: "members" });
  if (flags.invitations === true) return { value: invitationsOf(reply), text: invitationLines(reply) };
  const value = reply.members.map(({ id, name, role }) => ({ name: name === "" ? null : name, role, id }));
  const heading = reply.visibility === "open" ? [t("open: whoever knows its id may edit it")] : [];
  const lines = value.map(
    ({ name, role, id }) =>
      `${role.padEnd(6)}  ${name === null ? t`a device without an account (${id})` : displayable(name)}`,
  );
  return { value, text: [...heading, ...lines].join("\n") };
}

function invitationsOf({ invitations }: AccessReply): unknown[] {
  return invitations.map(({ hash, role, expires, uses, used }) => ({
    id: hash.slice(0, 12),
    role,
    expires: new Date(expires).toISOString(),
    uses,
    used,
  }));
}

function invitationLines({ invitations }: AccessReply): string {
  if (invitations.length === 0) return t("no invitation is good any more");
  return invitations
    .map(
      ({ hash, role, expires, uses, used }) =>
        t`${hash.slice(0, 12)}  ${role}, ${used} of ${uses} used, until ${localTime(expires)}`,
    )
    .join("\n");
}

async function revoke(context: Context, reference: string, who: string): Promise<CommandResult> {
  const list = context.theList(reference);
  const name = displayable(nameOf(list));
  const invitation = readInvitation(who);
  if (invitation !== null && invitation.listId !== list.id) throw usageError(t`that is no invitation to ${name}`);
  const hash = invitation === null ? (/^[0-9a-f]{12}$/.exec(who)?.[0] ?? null) : hashOfSecret(invitation.secret);
  if (hash === null || (invitation === null && (await isMember(context, list.id, who))))
    return await changeMember(context, list, who, null, t("is put out of"));
  await confirm(context, t`take the invitation to ${name} back?`);
  const value = { list: list.id, invitation: hash.slice(0, 12), revoked: true };
  if (context.options.dryRun === true) return { value, text: t("would take the invitation back") };
  await askAbout(context, list.id, { do: "revoke-invitation", hash });
  return { value, text: t`the invitation to ${name} is taken back` };
}

/** Whether somebody is called so: some names look like an invitation's id. */
async function isMember(context: Context, listId: ListId, name: string): Promise<boolean> {
  const { members: known } = await askAbout(context, listId, { do: "members" });
  return known.some((member) => foldName(member.name) === foldName(name));
}

async function changeMember(
  context: Context,
  list: LocalList,
  member: string,
  role: Role | null,
  what: string,
): Promise<CommandResult> {
  const [name, who] = [displayable(nameOf(list)), displayable(member.slice(0, ACCESS_LIMITS.nameLength))];
  requireMemberName(member);
  if (role === null) await confirm(context, t`put ${who} out of ${name}?`);
  const value = { list: list.id, name: member, role };
  if (context.options.dryRun === true) return { value, text: t`would say that ${who} ${what} ${name}` };
  const reference = member.normalize("NFKC");
  await askAsOf(context, list.id, (version) => ({ do: "set-role", member: reference, role, version }));
  return { value, text: `${who} ${what} ${name}` };
}

async function transfer(context: Context, reference: string, member: string): Promise<CommandResult> {
  currentLogin(context);
  const list = context.theList(reference);
  const [name, who] = [displayable(nameOf(list)), displayable(member)];
  requireMemberName(member);
  await confirm(context, t`make ${who} the owner of ${name} in your place?`);
  const value = { list: list.id, name: member, role: "owner" };
  if (context.options.dryRun === true) return { value, text: t`would make ${who} the owner of ${name}` };
  const given = member.normalize("NFKC");
  await askAsOf(context, list.id, (version) => ({ do: "transfer", member: given, version }));
  return { value, text: t`${who} owns ${name}; you are an editor of it` };
}

function requireMemberName(text: string): void {
  if (text === "" || text.length > ACCESS_LIMITS.nameLength) throw usageError(t("that is no member's name"));
}

async function leave(context: Context, reference: string): Promise<CommandResult> {
  const { id } = context.theList(reference);
  if (context.options.dryRun !== true) await push(context, [id]);
  const list = context.theList(id);
  const name = displayable(nameOf(list));
  const unsent = unsentChanges(list);
  if (unsent !== "" && context.options.yes !== true && !context.isInteractive && context.options.dryRun !== true)
    throw new AisleError(EXIT.refused, "unsent", t`${name} has${unsent}`, t("run `aisle sync` first, or add --yes"));
  await confirm(context, t`leave ${name}, and forget it on this device${unsent === "" ? "" : t` with${unsent}`}?`);
  const value = { list: id, left: true };
  if (context.options.dryRun === true) return { value, text: t`would leave ${name}` };
  await askAbout(context, id, { do: "leave" });
  await context.workspace.forget(id);
  return { value, text: t`left ${name}; it is forgotten here${unsent === "" ? "" : t` with${unsent}`}` };
}

async function setVisibility(
  context: Context,
  reference: string,
  visibility: "open" | "private",
): Promise<CommandResult> {
  const list = context.theList(reference);
  const is = context.options.dryRun === true ? t("would be ") : "";
  const what = `${is}${visibility === "open" ? t("open to whoever knows its id:") : t("private to its members:")}`;
  // The cluster has not heard of it yet: it will be so from the start.
  if (list.rights.isUnfounded)
    await context.workspace.note(list.id, (noted) => noted.rights.foundAs(visibility === "open"));
  else if (context.options.dryRun !== true)
    await askAsOf(context, list.id, (version) => ({ do: "set-visibility", visibility, version }));
  return summary(context, list, what);
}
