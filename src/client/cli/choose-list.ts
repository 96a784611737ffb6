import { type Glance } from "../views.js";
import inquirer from "inquirer";
import type { LocalList } from "../local-list.js";
import { displayable } from "../text.js";
import type { Context } from "./context.js";
import { asAisleError } from "./failures.js";
import { freeName, makeList } from "./list-names.js";
import { t } from "../messages.js";

/** The current list, or one that the person picks or makes; null where they do not want any. */
export async function chooseList(context: Context, another: boolean): Promise<LocalList | null> {
  const lists = context.glances();
  const { current } = context.workspace.settings();
  const at = another
    ? undefined
    : (lists.find(({ id }) => id === current) ?? (lists.length === 1 ? lists[0] : undefined));
  return at === undefined ? await pickList(context, lists, current) : context.theList(at.id);
}

/** Waits for a key that is meant: what was being typed for a list that is gone is not to choose another one. */
export async function acknowledged(): Promise<void> {
  const { prompt, close } = escapable();
  try {
    await prompt([{ type: "input", name: "read", message: t("Press Enter to go on") }]);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AbortPromptError") throw error;
  } finally {
    close();
  }
}

async function pickList(context: Context, lists: readonly Glance[], current: string | null): Promise<LocalList | null> {
  const choices = [
    ...lists.map((list) => ({ name: displayable(list.name), value: list.id })),
    { name: t("make a new list"), value: "" },
  ];
  const { prompt, close } = escapable();
  try {
    const { id } =
      lists.length === 0
        ? { id: "" }
        : context.options.accessible === true
          ? await prompt<{ id: string }>([{ type: "rawlist", name: "id", message: t("Which list?"), choices }])
          : await prompt<{ id: string }>([
              { type: "select", name: "id", message: t("Which list?"), choices, default: current },
            ]);
    if (id === "") return await makeList(context, await askForName(context, prompt));
    await context.workspace.changeSettings({ current: id });
    return context.theList(id);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AbortPromptError") throw error;
    const before = lists.find((list) => list.id === current);
    return before === undefined ? null : context.theList(before.id);
  } finally {
    close();
    context.workspace.commit();
  }
}

type Prompt = typeof inquirer.prompt;

/** Questions that Esc takes back, as it does on the screen of a list. */
function escapable(): { readonly prompt: Prompt; readonly close: () => void } {
  const escape = new AbortController();
  const onKey = (_text: string | undefined, key: { readonly name?: string }): void => {
    if (key.name === "escape") escape.abort();
  };
  process.stdin.on("keypress", onKey);
  return {
    prompt: inquirer.createPromptModule({ signal: escape.signal }),
    close: () => process.stdin.off("keypress", onKey),
  };
}

async function askForName(context: Context, prompt: Prompt): Promise<string> {
  const { name } = await prompt<{ name: string }>([
    {
      type: "input",
      name: "name",
      message: t("What shall the list be called?"),
      ...(problemOf(context, USUAL_NAME) === null ? { default: USUAL_NAME } : {}),
      validate: (text: string) => problemOf(context, text) ?? true,
    },
  ]);
  return freeName(context, name);
}

const USUAL_NAME = "Groceries";

function problemOf(context: Context, name: string): string | null {
  try {
    freeName(context, name);
    return null;
  } catch (error) {
    return asAisleError(error).message;
  }
}
