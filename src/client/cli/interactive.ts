import inquirer from "inquirer";
import type { Item } from "../../crdt/shopping-list.js";
import { addIntent, joinLoneNumbers, parseEntry } from "../item-entry.js";
import type { LocalList } from "../local-list.js";
import { renderItem, renderList } from "../render.js";
import { acceptText, displayable } from "../text.js";
import { isDone, nameOf, sortedItems } from "../views.js";
import { AisleError } from "../errors.js";
import type { Intent } from "../intent.js";
import type { Context } from "./context.js";
import { say } from "./context.js";

const [ADD, SWITCH, QUIT] = ["add", "switch", "quit"] as const;
/** Before an item's key, so that no item can be taken for one of the above. */
const ITEM = "item:";

/** The list on a terminal: add, tick off, look again, until the person leaves. */
export async function interact(context: Context): Promise<void> {
  let list = await chooseList(context, false);
  let last: string = ADD;
  for (;;) {
    list = context.workspace.list(list.id) ?? list;
    const style = await context.style();
    const items = sortedItems(list.shown);
    process.stdout.write(`\n${renderList(list, style)}\n\n`);
    const { choice } = await inquirer.prompt<{ choice: string }>([
      {
        type: "select",
        name: "choice",
        message: "Tick off, or",
        pageSize: 15,
        default: last,
        choices: [
          { name: "add items", value: ADD },
          ...items.map((item) => ({ name: renderItem(item, style), value: `${ITEM}${item.key}` })),
          { name: "another list", value: SWITCH },
          { name: "leave", value: QUIT },
        ],
      },
    ]);
    if (choice === QUIT) return;
    last = choice;
    if (choice === SWITCH) list = await chooseList(context, true);
    else if (choice === ADD) await addItems(context, list);
    else {
      const item = items.find(({ key }) => choice === `${ITEM}${key}`);
      if (item !== undefined) await change(context, list, [tick(item)]);
    }
  }
}

/** All that is left goes into the basket; ticking again takes it out. */
function tick(item: Item): Intent {
  return { type: "acquire", key: item.key, amount: isDone(item) ? -item.acquired : item.needed - item.acquired };
}

async function addItems(context: Context, list: LocalList): Promise<void> {
  const { line } = await inquirer.prompt<{ line: string }>([
    { type: "input", name: "line", message: "What? (2 milk; 500g flour, organic @baking)" },
  ]);
  const texts = line
    .split(";")
    .map((text) => text.trim())
    .filter((text) => text !== "");
  try {
    await change(
      context,
      list,
      joinLoneNumbers(texts).map((text) => addIntent(parseEntry(text))),
    );
  } catch (error) {
    if (!(error instanceof AisleError)) throw error;
    say(error.message);
  }
}

async function change(context: Context, list: LocalList, intents: readonly Intent[]): Promise<void> {
  await context.workspace.change(list.id, () => intents);
  await context.push(context.workspace.commit());
}

async function chooseList(context: Context, another: boolean): Promise<LocalList> {
  const lists = context.lists();
  const { current } = context.workspace.settings();
  const at = another
    ? undefined
    : (lists.find(({ id }) => id === current) ?? (lists.length === 1 ? lists[0] : undefined));
  if (at !== undefined) return at;
  return await pickList(context, lists);
}

async function pickList(context: Context, lists: readonly LocalList[]): Promise<LocalList> {
  const choices = [
    ...lists.map((list) => ({ name: displayable(nameOf(list)), value: list.id })),
    { name: "make a new list", value: "" },
  ];
  const { id } =
    lists.length === 0
      ? { id: "" }
      : await inquirer.prompt<{ id: string }>([{ type: "select", name: "id", message: "Which list?", choices }]);
  const chosen = id === "" ? await makeList(context) : id;
  await context.workspace.changeSettings({ current: chosen });
  await context.push(context.workspace.commit());
  return context.theList(chosen);
}

async function makeList(context: Context): Promise<string> {
  const { name } = await inquirer.prompt<{ name: string }>([
    { type: "input", name: "name", message: "What shall the list be called?", default: "Groceries" },
  ]);
  const { id } = await context.workspace.found();
  await context.workspace.change(id, () => [{ type: "rename", name: acceptText("list", name) }]);
  return id;
}
