import { findKey } from "./find-item.js";
import type { Operation } from "../../crdt/history.js";
import { foldedNameOf, foldName, unitOf, type ItemKey } from "../../crdt/item-key.js";
import type { Item } from "../../crdt/shopping-list.js";
import { readStaple } from "../../crdt/staple.js";
import type { ListId } from "../../protocol/ids.js";
import { AisleError, EXIT, notFound, usageError } from "../errors.js";
import { explain, type Event, type Explanation } from "../explanation.js";
import { keyOf, rehearse, type Intent } from "../intent.js";
import type { LocalList } from "../local-list.js";
import { formatAmount, toNumber } from "../quantity.js";
import { renderPlacedItem } from "../render.js";
import { everyPhrase } from "../staples.js";
import { displayable } from "../text.js";
import { compensation, restoration } from "../undo.js";
import { itemView, localTime, nameOf } from "../views.js";
import { manyWords, optionalWord, textFlag, word, type Registration } from "./command.js";
import type { CommandResult, Context } from "./context.js";
import { counted, t } from "../messages.js";

const UNIT_FLAG = ["--unit <unit>", "which one, where the item was on the list in several units"] as const;

/** Commands about what has happened to a list, and about taking it back. */
export function registerHistory({ program, act }: Registration): void {
  program
    .command("undo")
    .argument("[count]", "how many changes", "1")
    .description("take back this device's last changes to the list, also after others have seen them")
    .action(act(async (context, words) => await undo(context, word(words, 0))));

  program
    .command("restore")
    .argument("<item...>")
    .option(...UNIT_FLAG)
    .description("put back what was taken off the list, as it was")
    .action(act(async (context, words, flags) => await restore(context, manyWords(words, 0), textFlag(flags, "unit"))));

  program
    .command("log")
    .argument("[item]", "only what was done to this item")
    .option(...UNIT_FLAG)
    .description("who did what to the list and when, oldest first: the last operations that it remembers")
    .action(act((context, words, flags) => log(context, optionalWord(words, 0), textFlag(flags, "unit"))));

  program
    .command("explain")
    .argument("<item>")
    .option(...UNIT_FLAG)
    .description("how an item's numbers came about: who did what, what was done at the same time, what counts")
    .action(act(async (context, words, flags) => await explainItem(context, word(words, 0), textFlag(flags, "unit"))));
}

async function undo(context: Context, text: string): Promise<CommandResult> {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw usageError(t`"${displayable(text.slice(0, 40))}" is no number of changes`);
  const { changed, keys, what } = await undoChanges(context, context.theList().id, Number(text));
  const items = keys.flatMap((key) => changed.shown.item(key) ?? []);
  const gone = keys.filter((key) => changed.shown.item(key) === null).map((key) => labelOf(changed, key));
  const style = await context.style();
  const lines = [
    what,
    ...items.map((item) => `  ${renderPlacedItem(item, style)}`),
    ...gone.map((name) => t`  off the list: ${displayable(name)}`),
  ];
  return { value: items.map(itemView), text: lines.join("\n") };
}

/** Takes back the last changes to the list; answers which items they were about, and what to tell. @throws AisleError */
export async function undoChanges(
  context: Context,
  id: ListId,
  count: number,
): Promise<{ readonly changed: LocalList; readonly keys: readonly ItemKey[]; readonly what: string }> {
  const keys = new Set<ItemKey>();
  let undone = 0;
  const plan = (now: LocalList): readonly Intent[] => {
    if (now.changes.length < count) throw nothingToUndo(now, count);
    const steps = now.changes.slice(-count).flatMap((change) => change.steps);
    // The newest first, each on what the ones before it have left.
    const trial = now.shown.clone();
    return steps.reverse().flatMap((step) => {
      const intents = compensation(trial, step);
      rehearse(intents, trial, now.replica);
      undone += intents.length;
      const key = keyOf(step.intent);
      if (key !== null) keys.add(key);
      return intents;
    });
  };
  const changed = await context.workspace.change(id, plan, { taking: count });
  const taken = t`took back ${counted(count, "the last change", "the last {{count}} changes")} to ${displayable(nameOf(changed))}`;
  const what = undone === 0 ? t`${taken}: nothing of it was left` : taken;
  return { changed, keys: [...keys], what };
}

function nothingToUndo({ changes }: LocalList, count: number): AisleError {
  const message =
    changes.length === 0
      ? t("there is nothing to take back here")
      : t`only ${changes.length} of ${count} changes can be taken back`;
  return new AisleError(
    EXIT.refused,
    "nothing-to-undo",
    message,
    t("`aisle log` shows what was done, and `aisle restore` puts items back"),
  );
}

async function restore(context: Context, names: readonly string[], unit: string | undefined): Promise<CommandResult> {
  const list = context.theList();
  const keys = names.map((name) => removedKey(list, name, unit));
  const restored = await context.workspace.change(list.id, (now) =>
    keys.flatMap((key) => restoration(now.shown, asRemoved(now, key))),
  );
  const items = keys.flatMap((key) => restored.shown.item(key) ?? []);
  const style = await context.style();
  return { value: items.map(itemView), text: items.map((item) => renderPlacedItem(item, style)).join("\n") };
}

/** Of several units that an item had, the one that was taken off last. */
function removedKey(list: LocalList, name: string, unit: string | undefined): ItemKey {
  const { items, history } = list.shown;
  const removedAt = (key: ItemKey): number =>
    history.operationsOn(key).findLast(({ kind }) => kind === "remove")?.time ?? 0;
  const isMeant = (key: ItemKey): boolean =>
    foldedNameOf(key) === foldName(name) && !items.has(key) && removedAt(key) > 0;
  const [latest] = [...items.entries().keys()].filter(isMeant).sort((a, b) => removedAt(b) - removedAt(a));
  const isThere = [...items.values()].some((key) => foldedNameOf(key) === foldName(name));
  const key = unit === undefined && latest !== undefined && !isThere ? latest : findKey(list, name, unit);
  if (list.shown.item(key) === null) return key;
  throw new AisleError(
    EXIT.refused,
    "on-the-list",
    t`${displayable(labelOf(list, key))} is on the list`,
    t("`aisle undo` takes back what was done to it"),
  );
}

/** The item as it was when it was taken off. */
function asRemoved(list: LocalList, key: ItemKey): Item {
  const removal = list.shown.history
    .operationsOn(key)
    .findLast(({ kind, needed }) => kind === "remove" && needed !== 0);
  const name = labelOf(list, key);
  if (removal === undefined)
    throw notFound(
      t`how much ${displayable(name)} there was is forgotten`,
      t`put it back with: aisle add ${displayable(name)}`,
    );
  // Its note was left where it was.
  const note = list.shown.items.get(key)?.text("note") ?? "";
  const [needed, acquired] = [0 - removal.needed, 0 - removal.acquired];
  return { key, name, unit: unitOf(key), needed, acquired, note: note === "" ? null : note, aisle: null, staple: null };
}

export function labelOf(list: LocalList, key: ItemKey): string {
  return list.shown.items.get(key)?.text("label") ?? foldedNameOf(key);
}

function log(context: Context, name: string | undefined, unit: string | undefined): CommandResult {
  const list = context.theList();
  const operations =
    name === undefined ? list.shown.history.operations() : list.shown.history.operationsOn(findKey(list, name, unit));
  return {
    value: operations.map((operation) => logView(list, operation)),
    text: operations.map((operation) => logLine(list, operation)).join("\n"),
  };
}

function logView(list: LocalList, operation: Operation): Readonly<Record<string, unknown>> {
  const { at, kind, key, needed, acquired, text, dot, by } = operation;
  return {
    at: timeOf(at),
    by,
    operation: kind,
    item: key === null ? null : labelOf(list, key),
    unit: key === null ? null : unitOf(key),
    needed: toNumber(needed),
    acquired: toNumber(acquired),
    text,
    replica: dot.replica,
  };
}

function logLine(list: LocalList, operation: Operation): string {
  const name = operation.key === null ? "" : `${displayable(labelOf(list, operation.key))}  `;
  return `${when(operation)}  ${whoDid(list, operation).padEnd(8)}  ${operation.kind.padEnd(7)} ${name}${whatDid(operation)}`.trimEnd();
}

/** The account's name; for changes that nobody was logged in for, the device. */
function whoDid(list: LocalList, { by, dot }: Operation): string {
  if (by !== null) return displayable(by);
  return list.isOwn(dot.replica) ? t("you") : `~${dot.replica.slice(0, 5)}`;
}

function whatDid({ key, kind, needed, acquired, text }: Operation): string {
  const unit = key === null ? null : unitOf(key);
  const amount = (change: number): string => `${change < 0 ? "-" : "+"}${formatAmount(Math.abs(change), unit)}`;
  const changes = [
    ...(needed === 0 ? [] : [amount(needed)]),
    ...(acquired === 0 ? [] : [t`${amount(acquired)} in the basket`]),
  ];
  const staple = kind === "staple" ? readStaple(text) : null;
  const said = staple === null ? (text ?? "") : `${everyPhrase(staple)}, ${formatAmount(staple.amount, unit)}`;
  return [...changes, ...(said === "" ? [] : [displayable(said.replaceAll("\n", ", "))])].join(", ");
}

function when({ at }: Operation): string {
  return localTime(timeOf(at));
}

/** Whoever wrote it may have had any clock, or lied. */
function timeOf(at: number): string {
  const latest = 8_640_000_000_000_000;
  return new Date(Math.min(at, latest)).toISOString();
}

async function explainItem(context: Context, name: string, unit: string | undefined): Promise<CommandResult> {
  const list = context.theList();
  const key = findKey(list, name, unit);
  const item = list.shown.item(key);
  const explanation = explain(list.shown, key);
  const { events, earlier } = explanation;
  const value = {
    item: item === null ? null : itemView(item),
    name: labelOf(list, key),
    history: events.map((event) => ({
      ...logView(list, event.operation),
      concurrentWith: event.concurrent,
      cancelledBy: event.cancelledBy,
    })),
    earlier: { needed: toNumber(earlier.needed), acquired: toNumber(earlier.acquired) },
  };
  const head =
    item === null
      ? t`${displayable(labelOf(list, key))} is not on ${displayable(nameOf(list))}`
      : renderPlacedItem(item, await context.style());
  const lines = events.map((event, index) => eventLine(list, events, event, index));
  return { value, text: [head, ...lines, ...reasons(list, key, explanation)].join("\n") };
}

function eventLine(list: LocalList, events: readonly Event[], event: Event, index: number): string {
  const { operation, concurrent, cancelledBy } = event;
  const [met, gone] = [
    concurrent.length === 0 ? [] : [t`at the same time as ${concurrent.map((at) => at + 1).join(", ")}`],
    cancelledBy === null ? [] : [t`taken off by ${cancelledBy + 1}`],
  ];
  const remarks = [...met, ...gone];
  const remark = remarks.length === 0 ? "" : `  (${remarks.join("; ")})`;
  const number = `${index + 1}`.padStart(`${events.length}`.length);
  return `  ${number}  ${when(operation)}  ${whoDid(list, operation).padEnd(8)}  ${operation.kind.padEnd(7)} ${whatDid(operation)}${remark}`;
}

/** Why the numbers are what they are: what adds up to them, and what survived a removal that did not know of it. */
function* reasons(list: LocalList, key: ItemKey, { events, earlier }: Explanation): Iterable<string> {
  const unit = unitOf(key);
  for (const [part, what] of [
    ["needed", t("needed")],
    ["acquired", t("in the basket")],
  ] as const) {
    const counted = events.filter(
      ({ operation, cancelledBy }) => operation.kind !== "remove" && cancelledBy === null && operation[part] !== 0,
    );
    const summands = counted.map(({ operation }) => ({ who: whoDid(list, operation), amount: operation[part] }));
    if (earlier[part] !== 0) summands.push({ who: t("before that"), amount: earlier[part] });
    if (summands.length === 0) continue;
    const sum = summands.map(
      ({ who, amount }, index) =>
        `${amount < 0 ? "- " : index > 0 ? "+ " : ""}${formatAmount(Math.abs(amount), unit)} (${who})`,
    );
    const total = list.shown.items.get(key)?.[part].value() ?? 0;
    yield `${what}: ${sum.join(" ")} = ${total < 0 ? "-" : ""}${formatAmount(Math.abs(total), unit)}`;
  }
  for (const [index, { operation, concurrent }] of events.entries()) {
    if (operation.kind !== "remove") continue;
    const survivors = concurrent.filter(
      (at) => events[at]?.operation.kind !== "remove" && events[at]?.cancelledBy === null,
    );
    if (survivors.length > 0)
      yield t`${index + 1} did not know of ${survivors.map((at) => at + 1).join(", ")}, so what they did stays on the list`;
  }
  const staple = readStaple(list.shown.items.get(key)?.text("staple") ?? null);
  if (staple !== null)
    yield t`comes back ${everyPhrase(staple)}: ${formatAmount(staple.amount, unit)}, since ${staple.start}`;
}
