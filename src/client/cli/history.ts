import type { Operation } from "../../crdt/history.js";
import { foldedNameOf, unitOf } from "../../crdt/item-key.js";
import type { LocalList } from "../local-list.js";
import { formatAmount, toNumber } from "../quantity.js";
import { displayable } from "../text.js";
import { optionalWord, type Registration } from "./command.js";
import type { CommandResult, Context } from "./context.js";

/** Commands about what has happened to a list. */
export function registerHistory({ program, act }: Registration): void {
  program
    .command("log")
    .argument("[item]", "only what was done to this item")
    .description("what was done to the list, oldest first: the last operations that it remembers")
    .action(act((context, words) => log(context, optionalWord(words, 0))));
}

function log(context: Context, name: string | undefined): CommandResult {
  const list = context.theList();
  const key = name === undefined ? null : context.item(list, name).key;
  const operations = list.shown.history.operations().filter((operation) => key === null || operation.key === key);
  return {
    value: operations.map((operation) => logView(list, operation)),
    text: operations.map((operation) => logLine(list, operation)).join("\n"),
  };
}

function nameIn(list: LocalList, { key }: Operation): string | null {
  if (key === null) return null;
  return list.shown.details.get(key)?.label.get() ?? foldedNameOf(key);
}

function logView(list: LocalList, operation: Operation): unknown {
  const { at, kind, key, needed, acquired, text, dot } = operation;
  return {
    at: timeOf(at),
    operation: kind,
    item: nameIn(list, operation),
    unit: key === null ? null : unitOf(key),
    needed: toNumber(needed),
    acquired: toNumber(acquired),
    text,
    replica: dot.replica,
  };
}

function logLine(list: LocalList, operation: Operation): string {
  const { at, kind, key, needed, acquired, text } = operation;
  const name = displayable(nameIn(list, operation) ?? "");
  const unit = key === null ? null : unitOf(key);
  const change = needed === 0 ? acquired : needed;
  const sign = change < 0 ? "-" : "+";
  const amount = change === 0 ? "" : `  ${sign}${formatAmount(Math.abs(change), unit)}`;
  const said = text === null ? "" : `  ${displayable(text)}`;
  return `${timeOf(at).slice(0, 16).replace("T", " ")}  ${kind.padEnd(7)} ${name}${amount}${said}`.trimEnd();
}

/** Whoever wrote it may have had any clock, or lied. */
function timeOf(at: number): string {
  const latest = 8_640_000_000_000_000;
  return new Date(Math.min(at, latest)).toISOString();
}
