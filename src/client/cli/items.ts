import { findItem } from "./find-item.js";
import type { Command } from "commander";
import { readStaple, stapleRule } from "../../crdt/staple.js";
import { itemKey, type ItemKey } from "../../crdt/item-key.js";
import type { Item } from "../../crdt/shopping-list.js";
import { AisleError, EXIT, usageError } from "../errors.js";
import { keyOf, type Intent } from "../intent.js";
import { addIntent, joinLoneNumbers, literalEntry, parseEntry, type ItemEntry } from "../item-entry.js";
import type { LocalList } from "../local-list.js";
import { formatAmount, normaliseUnit, parseAmountIn, parseQuantity, type Quantity } from "../quantity.js";
import { renderItem, renderPlacedItem } from "../render.js";
import { acceptText, displayable } from "../text.js";
import { isDone, itemView, nameOf, sortedItems } from "../views.js";
import { manyWords, optionalWord, textFlag, word, type Act, type Flags, type Registration } from "./command.js";
import { say, type CommandResult, type Context } from "./context.js";
import { t } from "../messages.js";

const UNIT_FLAG = ["--unit <unit>", "which one, where the item is on the list in several units"] as const;

/** Commands about the items of a list. */
export function registerItems({ program, act }: Registration): void {
  registerAdd(program, act);
  registerAmounts(program, act);
  registerTexts(program, act);

  program
    .command("remove")
    .argument("<item...>")
    .option(...UNIT_FLAG)
    .description("take items off the list")
    .action(
      act(async (context, words, flags) => {
        const list = context.theList();
        const items = manyWords(words, 0).map((name) => findItem(list, name, textFlag(flags, "unit")));
        return await removeAll(context, list, items, t("removed"));
      }),
    );

  program
    .command("clear")
    .description("take off the list what has been bought")
    .action(
      act(async (context) => {
        const list = context.theList();
        return await removeAll(context, list, sortedItems(list.shown).filter(isDone), t("cleared"));
      }),
    );
}

function registerAdd(program: Command, act: Act): void {
  program
    .command("add")
    .argument("<item...>", 'one item an argument: milk, "2 milk", "2kg flour, organic @baking"')
    .option("--qty <number>", "how many")
    .option("--unit <unit>", "of what: g, kg, ml, l, bottle…")
    .option("--note <text>", "a note")
    .option("--aisle <aisle>", "where it stands")
    .option("--literal", "take the words as they are, without looking for amounts in them")
    .description("put items on the list; adding again adds up")
    .action(
      act(async (context, words, flags) => {
        const list = context.theList();
        const isLiteral = flags.literal === true;
        const texts = isLiteral ? manyWords(words, 0) : joinLoneNumbers(manyWords(words, 0));
        const entries = texts.map((text) => withFlags(isLiteral ? literalEntry(text) : parseEntry(text), flags));
        return await changeItems(context, list, entries.map(addIntent));
      }),
    );
}

function registerAmounts(program: Command, act: Act): void {
  program
    .command("need")
    .argument("<item>")
    .argument("<amount>", "how many in all, such as 3 or 1.5kg")
    .option(...UNIT_FLAG)
    .description("want so many in all")
    .action(
      act(async (context, words, flags) => {
        const list = context.theList();
        const { key } = findItem(list, word(words, 0), textFlag(flags, "unit"));
        const amount = word(words, 1);
        return await changeItems(context, list, (now) => {
          const { unit } = itemNow(now, key);
          return [{ type: "need", key, total: parseAmountIn(amount, unit) }];
        });
      }),
    );

  program
    .command("got")
    .argument("<item>")
    .argument("[amount]", "default: what is left")
    .option(...UNIT_FLAG)
    .description("put it in the basket")
    .action(
      act(
        async (context, words, flags) => await acquire(context, words, flags, (item) => item.needed - item.acquired, 1),
      ),
    );

  program
    .command("ungot")
    .argument("<item>")
    .argument("[amount]", "default: all of it")
    .option(...UNIT_FLAG)
    .description("put it back")
    .action(act(async (context, words, flags) => await acquire(context, words, flags, (item) => item.acquired, -1)));
}

function registerTexts(program: Command, act: Act): void {
  const texts = [
    ["note", "note", "write a note beside an item; an empty one clears it"],
    ["aisle-of", "aisle", "say where an item stands; an empty aisle clears it"],
  ] as const;
  for (const [command, type, description] of texts) {
    program
      .command(command)
      .argument("<item>")
      .argument("<text>")
      .option(...UNIT_FLAG)
      .description(description)
      .action(
        act(async (context, words, flags) => {
          const list = context.theList();
          const { key } = findItem(list, word(words, 0), textFlag(flags, "unit"));
          return await changeItems(context, list, [{ type, key, text: acceptText(type, word(words, 1)) }]);
        }),
      );
  }

  program
    .command("unit")
    .argument("<item>")
    .argument("<unit>", "g, kg, ml, l, bottle… or piece")
    .option("--from <unit>", "which one, where the item is on the list in several units")
    .description("count an item in another unit")
    .action(
      act(async (context, words, flags) => {
        const list = context.theList();
        const { key } = findItem(list, word(words, 0), textFlag(flags, "from"));
        const { unit, scale } = normaliseUnit(word(words, 1));
        return await changeItems(context, list, (now) => moveToUnit(itemNow(now, key), unit, scale), [key]);
      }),
    );
}

function withFlags(entry: ItemEntry, flags: Flags): ItemEntry {
  const [qty, unit] = [textFlag(flags, "qty"), textFlag(flags, "unit")];
  const [note, aisle] = [textFlag(flags, "note"), textFlag(flags, "aisle")];
  return {
    ...entry,
    quantity: quantityWith(entry, qty, unit),
    ...(note === undefined ? {} : { note: acceptText("note", note) }),
    ...(aisle === undefined ? {} : { aisle: acceptText("aisle", aisle) }),
  };
}

/** The number and the unit may each be named in words or by a flag. @throws AisleError where one of them is named twice and differs */
function quantityWith({ name, quantity }: ItemEntry, qty: string | undefined, unit: string | undefined): Quantity {
  if (qty === undefined && unit === undefined) return quantity;
  const number = quantity.thousandths / 1_000;
  const hasUnit = quantity.unit !== null;
  if (qty === undefined && hasUnit && normaliseUnit(unit ?? null).unit === quantity.unit) return quantity;
  const given = parseQuantity(qty ?? `${number}`, unit ?? null);
  const isSame = hasUnit
    ? given.thousandths === quantity.thousandths && given.unit === quantity.unit
    : number === 1 || qty === undefined || parseQuantity(qty, null).thousandths === quantity.thousandths;
  if (isSame) return given;
  throw usageError(
    t`the amount of ${displayable(name)} is given twice`,
    t("name it once, in words or with --qty and --unit"),
  );
}

/** The old row goes and a new one takes over its amounts, texts and returns: the unit is part of what an item is. */
function moveToUnit(item: Item, unit: string | null, scale: number): readonly Intent[] {
  if (item.unit === unit) return [];
  const key = itemKey(item.name, unit);
  const { name, note, aisle, staple } = item;
  // Two pieces become two kilograms; what is measured already keeps its number.
  const factor = item.unit === null ? scale : 1;
  const add: Intent = { type: "add", name, unit, amount: Math.max(0, Math.round(item.needed * factor)), note, aisle };
  const acquired = Math.max(0, Math.round(item.acquired * factor));
  const acquire: readonly Intent[] = acquired === 0 ? [] : [{ type: "acquire", key, amount: acquired }];
  const rule = readStaple(staple);
  const helping = Math.max(1, Math.round((rule?.amount ?? 0) * factor));
  const returns: readonly Intent[] =
    rule === null
      ? []
      : [
          { type: "staple", key: item.key, rule: "" },
          { type: "staple", key, rule: stapleRule({ ...rule, amount: helping }) },
        ];
  return [{ type: "remove", key: item.key }, add, ...acquire, ...returns];
}

async function acquire(
  context: Context,
  words: readonly unknown[],
  flags: Flags,
  all: (item: Item) => number,
  sign: 1 | -1,
): Promise<CommandResult> {
  const list = context.theList();
  const { key } = findItem(list, word(words, 0), textFlag(flags, "unit"));
  const given = optionalWord(words, 1);
  const result = await changeItems(
    context,
    list,
    (now) => {
      const item = itemNow(now, key);
      const amount = given === undefined ? Math.max(0, all(item)) : parseAmountIn(given, item.unit);
      if (sign < 0 && amount > Math.max(0, item.acquired)) {
        const inBasket = formatAmount(item.acquired, item.unit);
        throw new AisleError(
          EXIT.refused,
          "not-in-basket",
          t`only ${inBasket} of ${displayable(item.name)} is in the basket`,
        );
      }
      return amount === 0 ? [] : [{ type: "acquire", key, amount: sign * amount }];
    },
    [key],
  );
  if (sign > 0) warnOfTooMuch(context.theList(), [key]);
  return result;
}

/** Says where more was taken than is needed, which nobody does on purpose. */
export function warnOfTooMuch(list: LocalList, keys: Iterable<ItemKey>): void {
  for (const key of keys) {
    const item = list.shown.item(key);
    if (item === null || item.needed <= 0 || item.acquired <= item.needed) continue;
    const [taken, needed] = [formatAmount(item.acquired, item.unit), formatAmount(item.needed, item.unit)];
    const name = displayable(item.name);
    say(t`aisle: ${name}: ${taken} in the basket and ${needed} needed; \`aisle explain\` shows who took what`);
  }
}

function itemNow(list: LocalList, key: ItemKey): Item {
  const item = list.shown.item(key);
  if (item === null) throw new AisleError(EXIT.notFound, "not-found", t("the item was taken off the list just now"));
  return item;
}

async function removeAll(
  context: Context,
  list: LocalList,
  items: readonly Item[],
  what: string,
): Promise<CommandResult> {
  const style = await context.style();
  const value = items.map(itemView);
  const named = items.map((item) => `  ${renderItem(item, style)}`).join("\n");
  if (items.length === 0)
    return { value, text: context.sayNothing(t`nothing to take off ${displayable(nameOf(list))}`) };
  await context.workspace.change(list.id, () => items.map(({ key }) => ({ type: "remove", key })));
  return { value, text: `${context.options.dryRun === true ? t("would take off") : what}:\n${named}` };
}

type Plan = readonly Intent[] | ((list: LocalList) => readonly Intent[]);

/** Makes the changes and answers the items as they are then. */
export async function changeItems(
  context: Context,
  list: LocalList,
  plan: Plan,
  alsoShown: readonly ItemKey[] = [],
  onStep: (done: number, total: number) => void = () => undefined,
): Promise<CommandResult> {
  let intents: readonly Intent[] = [];
  const changed = await context.workspace.change(list.id, typeof plan === "function" ? plan : () => plan, {
    onIntents: (wanted) => (intents = wanted),
    onStep,
  });
  const keys = intents.map(keyOf).filter((key) => key !== null);
  const items = [...new Set([...keys, ...alsoShown])].flatMap((key) => changed.shown.item(key) ?? []);
  const style = await context.style();
  return { value: items.map(itemView), text: items.map((item) => renderPlacedItem(item, style)).join("\n") };
}
