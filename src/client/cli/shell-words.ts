import { split } from "shlex";
import { usageError } from "../errors.js";

/**
 * The words of a line of a script, quoted as in a shell, without its comment.
 * @throws AisleError where a quote is not closed
 */
export function shellWords(line: string): readonly string[] {
  try {
    return split(line.slice(0, commentAt(line)));
  } catch {
    throw usageError("a quote is not closed", 'quote words as in a shell: add "2 milk"');
  }
}

/** Where the comment begins: at a `#` that starts a word outside quotes. The line's length where there is none. */
function commentAt(line: string): number {
  let quote: string | null = null;
  for (let index = 0; index < line.length; index++) {
    const character = line[index] ?? "";
    if (character === "\\" && quote !== "'") index++;
    else if (quote !== null) quote = character === quote ? null : quote;
    else if (character === "'" || character === '"') quote = character;
    else if (character === "#" && (index === 0 || /\s/.test(line[index - 1] ?? ""))) return index;
  }
  return line.length;
}
