import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { isErrno } from "../runtime/errno.js";
import { usageError } from "./errors.js";
import { t } from "./messages.js";

/** What a person has set for all commands: the last word where neither a flag nor the environment says something. */
export interface Configuration {
  readonly dataDir?: string;
  readonly brokers?: readonly string[];
  readonly list?: string;
  readonly offline?: boolean;
  readonly plain?: boolean;
  readonly accessible?: boolean;
  readonly syncBudget?: string;
}

const LARGEST_BYTES = 64 * 1024;

/** `$XDG_CONFIG_HOME/aisle`, or where that is by default. */
export function configurationFolder(environment: NodeJS.ProcessEnv): string {
  const home = environment.XDG_CONFIG_HOME ?? "";
  return join(home === "" ? join(homedir(), ".config") : home, "aisle");
}

/** What `config.json` in that folder says; nothing where there is none. @throws AisleError */
export async function readConfiguration(folder: string): Promise<Configuration> {
  const path = join(folder, "config.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return {};
    throw usageError(t`${path} cannot be read`, t("mend it, or move it away"));
  }
  const hint = t("see docs/cli.md for what it may hold, or move it away");
  if (text.length > LARGEST_BYTES) throw usageError(t`${path} is too long`, hint);
  const v = await import("valibot");
  const schema = v.strictObject({
    dataDir: v.optional(v.pipe(v.string(), v.minLength(1))),
    brokers: v.optional(v.array(v.string())),
    list: v.optional(v.string()),
    offline: v.optional(v.boolean()),
    plain: v.optional(v.boolean()),
    accessible: v.optional(v.boolean()),
    syncBudget: v.optional(v.string()),
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw usageError(t`${path} is no JSON`, hint);
  }
  const { success, output, issues } = v.safeParse(schema, value);
  if (success) return output as Configuration;
  const [issue] = issues;
  const [key, expected] = [v.getDotPath(issue) ?? "", issue.expected];
  const problem =
    expected === "never"
      ? t`${path} has "${key}", which is no setting`
      : t`${path}: ${key} is to be ${kindOf(expected)}`;
  throw usageError(problem, hint);
}

function kindOf(expected: string | null): string {
  if (expected === "boolean") return t("true or false");
  return expected === "Array" ? t("an array of texts") : t("a text");
}
