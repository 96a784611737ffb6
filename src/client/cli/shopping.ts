import { findKey } from "./find-item.js";
import { foldName, itemKey, unitOf, type ItemKey } from "../../crdt/item-key.js";
import { nextReturn, readStaple, stapleRule } from "../../crdt/staple.js";
import { wallClockMs } from "../../runtime/clock.js";
import { usageError } from "../errors.js";
import { addIntent, parseEntry } from "../item-entry.js";
import type { LocalList } from "../local-list.js";
import { formatAmount, parseAmountIn, toNumber } from "../quantity.js";
import { everyPhrase, everyText, parseEvery } from "../staples.js";
import { suggestions } from "../suggestions.js";
import { acceptText, displayable } from "../text.js";
import { walkingOrder } from "../views.js";
import { manyWords, optionalWord, textFlag, type Flags, type Registration } from "./command.js";
import type { CommandResult, Context } from "./context.js";
import { t } from "../messages.js";

const MOST_SUGGESTED = 20;

/** Commands for those who shop again and again. */
export function registerShopping({ program, act }: Registration): void {
  program
    .command("suggest")
    .argument("[prefix]", "the beginning of its name, or of a word in it")
    .description("items bought before that are not on the list now, the most usual first")
    .action(act((context, words) => suggest(context, optionalWord(words, 0) ?? "")));

  program
    .command("staple")
    .argument("[item]", "without one: what comes back, and when")
    .option("--every <period>", "day, week, 2 weeks, month")
    .option("--qty <amount>", "how much each time (default: what is on the list, else 1)")
    .option("--unit <unit>", "which one, where the item is on the list in several units")
    .option("--never", "it does not come back any more")
    .description("have an item come back on the list by itself, once a period after it was got")
    .action(act(async (context, words, flags) => await staple(context, optionalWord(words, 0), flags)));

  program
    .command("aisles")
    .argument("[aisle...]", "in the order one walks; those that are not named come after these")
    .description("the list's aisles in walking order, or change it")
    .action(act(async (context, words) => await aisles(context, manyWords(words, 0))));
}

function suggest(context: Context, prefix: string): CommandResult {
  const found = suggestions(context.theList().shown, prefix).slice(0, MOST_SUGGESTED);
  const value = found.map(({ name, unit, aisle, times, amount }) => ({
    name,
    unit,
    aisle,
    times,
    needed: amount === null ? null : toNumber(amount),
  }));
  const lines = found.map(({ name, unit, aisle, amount }) => {
    const much = amount === null ? "" : `  ${formatAmount(amount, unit)}`;
    return `${displayable(name)}${much}${aisle === null ? "" : `  @${displayable(aisle)}`}`;
  });
  const nothing = t("nothing that was bought before is missing");
  return { value, text: lines.length === 0 ? context.sayNothing(nothing) : lines.join("\n") };
}

async function staple(context: Context, name: string | undefined, flags: Flags): Promise<CommandResult> {
  const list = context.theList();
  if (name === undefined) return staples(list, allKeys(list));
  const every = textFlag(flags, "every");
  const isOver = flags.never === true;
  const unit = textFlag(flags, "unit");
  if (!isOver && every === undefined) return staples(list, [findKey(list, name, unit)]);
  if (isOver && every !== undefined) throw usageError(t("--every and --never contradict each other"));
  const period = every === undefined ? null : parseEvery(every);
  let key: ItemKey = "";
  const changed = await context.workspace.change(list.id, (now) => {
    if (period === null) {
      key = findKey(now, name, unit);
      return [{ type: "staple", key, rule: "" }];
    }
    const entry = addIntent(parseEntry(name));
    // What was never on the list is put there, so that it has something to come back to.
    const isNew = !allKeys(now).some((known) => foldName(known.split("\t")[0] ?? "") === foldName(entry.name));
    key = isNew ? itemKey(entry.name, entry.unit) : findKey(now, entry.name, unit ?? entry.unit ?? undefined);
    const qty = textFlag(flags, "qty");
    const amount = qty === undefined ? usual(now, key, isNew ? entry.amount : 1_000) : parseAmountIn(qty, unitOf(key));
    if (amount <= 0) throw usageError(t("a staple comes back as nothing"), t("say how much with --qty"));
    const start = dayOf(wallClockMs());
    return [...(isNew ? [entry] : []), { type: "staple", key, rule: stapleRule({ start, ...period, amount }) }];
  });
  return staples(changed, [key]);
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function usual(list: LocalList, key: ItemKey, otherwise: number): number {
  const needed = list.shown.item(key)?.needed ?? 0;
  return needed > 0 ? needed : otherwise;
}

function allKeys(list: LocalList): readonly ItemKey[] {
  return [...list.shown.items.entries().keys()];
}

function staples(list: LocalList, keys: readonly ItemKey[]): CommandResult {
  const found = keys.flatMap((key) => {
    const item = list.shown.items.get(key);
    const rule = readStaple(item?.text("staple") ?? null);
    const next = nextReturn(list.shown, key, wallClockMs());
    if (rule === null || next === null) return [];
    return [{ name: item?.text("label") ?? key, unit: unitOf(key), rule, next: dayOf(next) }];
  });
  const value = found.map(({ name, unit, rule, next }) => ({
    name,
    unit,
    every: everyText(rule),
    amount: toNumber(rule.amount),
    since: rule.start,
    next,
  }));
  const lines = found.map(
    ({ name, unit, rule, next }) =>
      t`${displayable(name)}  ${formatAmount(rule.amount, unit)} ${everyPhrase(rule)}, since ${rule.start}, next on ${next}`,
  );
  return {
    value,
    text: lines.length === 0 ? t("nothing comes back by itself; see `aisle help staple`") : lines.join("\n"),
  };
}

async function aisles(context: Context, wanted: readonly string[]): Promise<CommandResult> {
  const list = context.theList();
  let order = walkingOrder(list.shown);
  if (wanted.length > 0) {
    const first = wanted.map((name) => acceptText("aisle", name)).filter((name) => name !== "");
    const folded = new Set(first.map(foldName));
    // An aisle that is there already keeps its spelling.
    const spelt = first.map((name) => order.find((known) => foldName(known) === foldName(name)) ?? name);
    order = [...new Set([...spelt, ...order.filter((name) => !folded.has(foldName(name)))])];
    const next = order;
    await context.workspace.change(list.id, () => [{ type: "order", aisles: next }]);
  }
  const text =
    order.length === 0 ? t("no item has an aisle yet; see `aisle help aisle-of`") : order.map(displayable).join("\n");
  return { value: order, text };
}
