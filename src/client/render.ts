import { formatAmount } from "./quantity.js";
import { displayable } from "./text.js";
import { isDone, type ListSummary, type Glance, type ShownItem } from "./views.js";
import { counted, t } from "./messages.js";

/** How text may look: with symbols or words, and with colour or without. */
export interface Style {
  readonly words: boolean;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
}

const plain = (text: string): string => text;

export const PLAIN: Style = { words: false, bold: plain, dim: plain, good: plain, warn: plain };

/** One line for an item: its mark, how much, its name, and its note. */
export function renderItem(item: ShownItem, style: Style): string {
  const done = isDone(item);
  const mark = style.words ? (done ? t("done:  ") : t("to get:")) : done ? style.good("[x]") : "[ ]";
  const needed = formatAmount(item.needed, item.unit);
  const amount = item.acquired > 0 ? t`${formatAmount(item.acquired, item.unit)} of ${needed}` : needed;
  const name = displayable(item.name);
  const note = item.note === null ? "" : style.dim(`, ${displayable(item.note)}`);
  const extra = item.acquired - Math.max(0, item.needed);
  const tooMuch = extra > 0 && item.needed > 0 ? style.warn(t`  ${formatAmount(extra, item.unit)} too many`) : "";
  return `${mark} ${done ? style.dim(name) : style.bold(name)}  ${amount}${tooMuch}${note}`;
}

/** The same where no heading tells the aisle. */
export function renderPlacedItem(item: ShownItem, style: Style): string {
  const aisle = item.aisle === null ? "" : style.dim(`  @${displayable(item.aisle)}`);
  return `${renderItem(item, style)}${aisle}`;
}

/** A list by aisle, with what is left to get and what waits to be sent. */
export function renderList({ name, items, pending }: Glance, style: Style): string {
  const remaining = items.filter((item) => !isDone(item)).length;
  const lines = [`${style.bold(displayable(name))}  ${summaryOf(items.length, remaining, pending, style)}`];
  let aisle: string | null = null;
  for (const item of items) {
    if (item.aisle !== aisle && item.aisle !== null) lines.push(style.dim(displayable(item.aisle)));
    aisle = item.aisle;
    lines.push(`  ${renderItem(item, style)}`);
  }
  return lines.join("\n");
}

function summaryOf(items: number, remaining: number, pending: number, style: Style): string {
  const waiting =
    pending === 0 ? "" : style.warn(counted(pending, ", {{count}} change to send", ", {{count}} changes to send"));
  if (items === 0) return t`nothing on it${waiting}`;
  return t`${remaining} of ${items} to get${waiting}`;
}

export function renderLists(lists: readonly ListSummary[], style: Style): string {
  return lists
    .map((list) => {
      const mark = style.words ? (list.current ? t("current: ") : "") : list.current ? "* " : "  ";
      const name = style.bold(displayable(list.name));
      const members = list.members > 1 ? counted(list.members, ", {{count}} member", ", {{count}} members") : "";
      const summary = summaryOf(list.items, list.remaining, list.pending, style);
      return `${mark}${name}  ${summary}${members}  ${style.dim(list.id)}`;
    })
    .join("\n");
}
