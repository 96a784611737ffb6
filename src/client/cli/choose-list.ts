import { type Glance } from "../views.js";
import inquirer from "inquirer";
import type { LocalList } from "../local-list.js";
import { acceptText, displayable } from "../text.js";
import type { Context } from "./context.js";
import { asAisleError } from "./failures.js";
import { t } from "../messages.js";

/** The current list, or one that the person picks or makes. */
export async function chooseList(context: Context, another: boolean): Promise<LocalList> {
  const lists = context.glances();
  const { current } = context.workspace.settings();
  const at = another
    ? undefined
    : (lists.find(({ id }) => id === current) ?? (lists.length === 1 ? lists[0] : undefined));
  return at === undefined ? await pickList(context, lists, current) : context.theList(at.id);
}

async function pickList(context: Context, lists: readonly Glance[], current: string | null): Promise<LocalList> {
  const choices = [
    ...lists.map((list) => ({ name: displayable(list.name), value: list.id })),
    { name: t("make a new list"), value: "" },
  ];
  const { id } =
    lists.length === 0
      ? { id: "" }
      : context.options.accessible === true
        ? await inquirer.prompt<{ id: string }>([{ type: "rawlist", name: "id", message: t("Which list?"), choices }])
        : await inquirer.prompt<{ id: string }>([
            { type: "select", name: "id", message: t("Which list?"), choices, default: current },
          ]);
  const chosen = id === "" ? await makeList(context) : id;
  await context.workspace.changeSettings({ current: chosen });
  context.workspace.commit();
  return context.theList(chosen);
}

async function makeList(context: Context): Promise<string> {
  const { name } = await inquirer.prompt<{ name: string }>([
    {
      type: "input",
      name: "name",
      message: t("What shall the list be called?"),
      default: "Groceries",
      validate: (text: string) => isAccepted(text),
    },
  ]);
  const { id } = await context.workspace.found();
  await context.workspace.change(id, () => [{ type: "rename", name: acceptText("list", name) }]);
  return id;
}

function isAccepted(text: string): true | string {
  try {
    acceptText("list", text);
    return true;
  } catch (error) {
    return asAisleError(error).message;
  }
}
