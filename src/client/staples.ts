import type { Staple } from "../crdt/staple.js";
import { usageError } from "./errors.js";
import { displayable } from "./text.js";
import { counted, t } from "./messages.js";

const PERIODS: Readonly<Record<string, Staple["period"]>> = { day: "D", week: "W", month: "M" };
const EVERY = /^(?:every\s+)?(?:(\d{1,3})\s*)?(day|week|month)s?$/i;

/** `week`, `2 weeks`, `every month`. @throws AisleError */
export function parseEvery(text: string): Pick<Staple, "every" | "period"> {
  const [, count = "1", word = ""] = EVERY.exec(text.trim()) ?? [];
  const period = PERIODS[word.toLowerCase()];
  if (period === undefined || Number(count) === 0)
    throw usageError(t`"${displayable(text.slice(0, 40))}" is no period`, t("write day, week, 2 weeks or month"));
  return { every: Number(count), period };
}

/** The rule in words that programs rely on. */
export function everyText({ every, period }: Pick<Staple, "every" | "period">): string {
  const word = { D: "day", W: "week", M: "month" }[period];
  return every === 1 ? `every ${word}` : `every ${every} ${word}s`;
}

/** The same for people. */
export function everyPhrase({ every, period }: Pick<Staple, "every" | "period">): string {
  switch (period) {
    case "D":
      return counted(every, "every day", "every {{count}} days");
    case "W":
      return counted(every, "every week", "every {{count}} weeks");
    case "M":
      return counted(every, "every month", "every {{count}} months");
  }
}
