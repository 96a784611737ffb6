import { digestOf } from "../../crdt/codec.js";
import type { LocalList } from "../local-list.js";
import { renderList, renderLists, type Style } from "../render.js";
import { displayable } from "../text.js";
import { listSummary, listView, nameOf, glanceAt, type Glance } from "../views.js";
import { freeName, makeList } from "./list-names.js";
import { optionalWord, word, type Registration } from "./command.js";
import { confirm } from "./confirm.js";
import type { CommandResult, Context } from "./context.js";
import { t } from "../messages.js";

/** Commands about lists as a whole. */
export function registerLists({ program, act }: Registration): void {
  program
    .command("new")
    .argument("<name>", "what to call it")
    .description("make a list and make it the current one")
    .action(
      act(async (context, words) => {
        const list = await makeList(context, freeName(context, word(words, 0)));
        return summary(context, list, t("made"));
      }),
    );

  program
    .command("lists")
    .description("all lists with counts, members, and what waits to be sent")
    .action(
      act(async (context) => {
        const { current } = context.workspace.settings();
        const lists = context.glances().map((list) => listSummary(list, current));
        // Where there is nothing but damaged ones, that has been said.
        if (lists.length === 0 && !context.hasDamage)
          context.sayNothing(t("no lists yet; make one with: aisle new NAME"));
        return { value: lists, text: renderLists(lists, await context.style()) };
      }),
    );

  program
    .command("use")
    .argument("<list>", "its name or id")
    .description("make it the current list")
    .action(
      act(async (context, words) => {
        const list = context.theList(word(words, 0));
        await context.workspace.changeSettings({ current: list.id });
        return summary(context, list, t("now using"));
      }),
    );

  program
    .command("show")
    .argument("[list]", "its name or id")
    .option("--digest", "print the SHA-256 of the list's canonical form")
    .description("the items, grouped by aisle")
    .action(
      act(async (context, words, flags) => {
        const glance = context.theGlance(optionalWord(words, 0));
        if (flags.digest === true) {
          const digest = digestOf(context.theList(glance.id).shown);
          return { value: digest, text: digest };
        }
        return shownList(context, glance, await context.style());
      }),
    );

  registerListChanges({ program, act });
}

function registerListChanges({ program, act }: Pick<Registration, "program" | "act">): void {
  program
    .command("rename")
    .argument("<list>")
    .argument("<name>")
    .description("give a list another name")
    .action(
      act(async (context, words) => {
        const list = context.theList(word(words, 0));
        const name = freeName(context, word(words, 1), list.id);
        const renamed = await context.workspace.change(list.id, () => [{ type: "rename", name }]);
        return summary(context, renamed, t("renamed to"));
      }),
    );

  program
    .command("undelete")
    .argument("<list>", "its name or id")
    .description("bring a deleted list back for everyone, with all that was on it")
    .action(act(async (context, words) => await undelete(context, word(words, 0))));

  program
    .command("delete")
    .argument("<list>", "its name or id")
    .option("--local", "forget it on this device alone; others keep it")
    .description("delete a list for everyone, or forget it here")
    .action(
      act(async (context, words, flags) => {
        const list = context.theList(word(words, 0));
        return flags.local === true ? await forget(context, list) : await deleteForAll(context, list);
      }),
    );
}

/** Computed when it is told, and only the form that is: people see what takes a glance, programs get the digest, too. */
export function shownList(context: Context, glance: Glance, style: Style): CommandResult {
  return {
    get value() {
      return listView(context.theList(glance.id));
    },
    get text() {
      return renderList(glance, style);
    },
  };
}

async function undelete(context: Context, named: string): Promise<CommandResult> {
  const list = context.aDeletedList(named);
  const restored = await context.workspace.change(list.id, () => [{ type: "set-deleted", deleted: false }]);
  await context.workspace.changeSettings({ current: list.id });
  return summary(context, restored, t("brought back"));
}

async function forget(context: Context, list: LocalList): Promise<CommandResult> {
  const name = displayable(nameOf(list));
  const waiting = unsentChanges(list);
  const unsent = waiting === "" ? "" : t`, and${waiting}`;
  await confirm(context, t`forget ${name} on this device${unsent}?`);
  const value = listSummary(glanceAt(list), null);
  if (context.options.dryRun === true) return { value, text: t`would forget ${name} on this device${unsent}` };
  await context.workspace.forget(list.id);
  return { value, text: t`forgot ${name} on this device${unsent}; others still have it (${list.id})` };
}

/** What would go with the list, in words that follow another; empty where everything was sent. */
export function unsentChanges({ outbox }: LocalList): string {
  return outbox.length === 0 ? "" : t` ${outbox.length} of your changes that nobody else has seen`;
}

async function deleteForAll(context: Context, list: LocalList): Promise<CommandResult> {
  const name = displayable(nameOf(list));
  await confirm(context, t`delete ${name} for everyone who has it?`);
  if (context.options.dryRun === true)
    return { value: listSummary(glanceAt(list), null), text: t`would delete ${name} for everyone` };
  const deleted = await context.workspace.change(list.id, () => [{ type: "set-deleted", deleted: true }]);
  if (context.workspace.settings().current === list.id) await context.workspace.changeSettings({ current: null });
  return { value: listSummary(glanceAt(deleted), null), text: t`deleted ${name} for everyone (${list.id})` };
}

export function summary(context: Context, list: LocalList, what: string): CommandResult {
  const value = listSummary(glanceAt(list), context.workspace.settings().current);
  return { value, text: `${what} ${displayable(nameOf(list))}  (${list.id})` };
}
