import { readFile } from "node:fs/promises";
import { PASSWORD_LIMITS } from "../../protocol/account-messages.js";
import { usageError } from "../errors.js";
import { textFlag, type Flags } from "./command.js";
import type { Context } from "./context.js";
import { t } from "../messages.js";

/** A longer first line is no password. */
const LONGEST_LINE = 1_024;

/** What is asked for, and whether it is asked for twice, being new. */
export interface Wanted {
  readonly label: string;
  readonly isNew: boolean;
}

/**
 * Secrets from where others cannot see them: the lines of what is piped in, the lines of a file, or a prompt. Never a flag,
 * which everybody on the machine can read, and never the environment.
 */
export async function readSecrets(
  context: Context,
  flags: Flags,
  ...wanted: readonly Wanted[]
): Promise<readonly string[]> {
  const lines = await givenLines(flags);
  if (lines === null && !context.isInteractive) {
    throw usageError(
      t("there is nobody to ask for a password"),
      t("pipe it in with --password-stdin, or use --password-file"),
    );
  }
  const secrets: string[] = [];
  for (const [index, { label, isNew }] of wanted.entries()) {
    const secret = lines === null ? await prompted(label, isNew) : (lines[index] ?? "");
    if (secret === "") throw usageError(t`the ${label} is empty`);
    if (secret.length > PASSWORD_LIMITS.longest)
      throw usageError(t`the ${label} is longer than ${PASSWORD_LIMITS.longest} characters`);
    if (isNew && secret.length < PASSWORD_LIMITS.shortest)
      throw usageError(t`a password has at least ${PASSWORD_LIMITS.shortest} characters`, t("choose a longer one"));
    secrets.push(secret);
  }
  return secrets;
}

async function givenLines(flags: Flags): Promise<readonly string[] | null> {
  const file = textFlag(flags, "passwordFile");
  if (flags.passwordStdin !== true && file === undefined) return null;
  const text = file === undefined ? await pipedIn() : await readFile(file, "utf8").catch(() => unreadable(file));
  return text.split(/\r?\n/);
}

function unreadable(file: string): never {
  throw usageError(t`${file} cannot be read`, t("check the path"));
}

async function pipedIn(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin as AsyncIterable<string>) {
    text += chunk;
    if (text.length > 4 * LONGEST_LINE) break;
  }
  return text;
}

async function prompted(label: string, isNew: boolean): Promise<string> {
  const { default: inquirer } = await import("inquirer");
  const ask = async (message: string): Promise<string> => {
    const { secret } = await inquirer.prompt<{ secret: string }>([
      { type: "password", name: "secret", message, mask: "*" },
    ]);
    return secret;
  };
  const rule = isNew ? t` (${PASSWORD_LIMITS.shortest} characters or more)` : "";
  const secret = await ask(`${label}${rule}:`);
  if (isNew && (await ask(t`${label} again:`)) !== secret) throw usageError(t("the two are not the same"));
  return secret;
}
