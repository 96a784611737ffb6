import { distance } from "fastest-levenshtein";
import { foldName } from "../crdt/item-key.js";

/** What somebody may have meant by a word that names nothing: parts of it first, then what is a few slips away; 5 at most. */
export function nearest(word: string, candidates: Iterable<string>): readonly string[] {
  const wanted = foldName(word.slice(0, 100));
  if (wanted === "") return [];
  const ranked: { readonly candidate: string; readonly rank: number }[] = [];
  for (const candidate of new Set(candidates)) {
    const folded = foldName(candidate);
    const isPart = wanted.length > 2 && (folded.includes(wanted) || (folded.length > 2 && wanted.includes(folded)));
    const slips = Math.abs(folded.length - wanted.length) > 3 ? Infinity : slipsBetween(wanted, folded);
    if (isPart || slips <= Math.max(1, Math.floor(wanted.length / 3)))
      ranked.push({ candidate, rank: isPart ? Math.min(1, slips) : slips });
  }
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .slice(0, 5)
    .map(({ candidate }) => candidate);
}

/** What other programs, and people, call what a command does. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  add: ["put", "want"],
  clear: ["clean"],
  got: ["bought", "buy", "check", "done", "take", "tick"],
  lists: ["ls"],
  log: ["history"],
  login: ["signin"],
  new: ["create", "init", "make"],
  register: ["signup"],
  remove: ["del", "drop", "erase", "rm"],
  rename: ["mv"],
  show: ["cat", "items", "print", "view"],
  ungot: ["uncheck", "untick"],
  use: ["cd", "select", "switch"],
};

/** The command that somebody may have meant, if there is one. */
export function nearestCommand(word: string, commands: readonly string[]): string | undefined {
  const meant = Object.keys(SYNONYMS).find((command) => SYNONYMS[command]?.includes(foldName(word)));
  return meant !== undefined && commands.includes(meant) ? meant : nearest(word, commands)[0];
}

/** Two letters the wrong way round are one slip. */
function slipsBetween(a: string, b: string): number {
  const slips = distance(a, b);
  const sorted = (text: string): string => Array.from(text).sort().join("");
  return slips === 2 && sorted(a) === sorted(b) ? 1 : slips;
}
