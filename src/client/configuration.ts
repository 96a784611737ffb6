import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { readAddress } from "../protocol/address.js";
import { isErrno } from "../runtime/errno.js";
import { home } from "../runtime/xdg-folder.js";
import { usageError } from "./errors.js";
import { t } from "./messages.js";
import { displayable } from "./text.js";

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

const DURATION = /^[0-9]{1,9}(\.[0-9]+)?(ms|s|m|h|d)?$/;

const LARGEST_BYTES = 64 * 1024;

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
  if (success) return checked(path, output as Configuration, hint);
  const [issue] = issues;
  const [key, expected] = [v.getDotPath(issue) ?? "", issue.expected];
  if (key === "") throw usageError(t`${path} is to be an object with settings`, hint);
  const problem =
    expected === "never"
      ? t`${path} has "${key}", which is no setting`
      : t`${path}: ${key} is to be ${kindOf(expected)}`;
  throw usageError(problem, hint);
}

/** What each command would stumble over is told where it stands. */
function checked(path: string, configuration: Configuration, hint: string): Configuration {
  const { dataDir, brokers = [], syncBudget } = configuration;
  const strange = brokers.find((broker) => readAddress(broker) === null);
  if (strange !== undefined) throw usageError(t`${path}: "${displayable(strange)}" is no broker address`, hint);
  if (syncBudget !== undefined && !DURATION.test(syncBudget))
    throw usageError(
      t`${path}: "${displayable(syncBudget)}" is no duration`,
      t("write it as 250ms, 5s, 2m, 12h or 7d"),
    );
  if (dataDir === undefined) return configuration;
  const folder = dataDir.replace(/^~(?=\/|$)/, home());
  if (!isAbsolute(folder)) throw usageError(t`${path}: dataDir is to be an absolute path, or begin with ~/`, hint);
  return { ...configuration, dataDir: folder };
}

function kindOf(expected: string | null): string {
  if (expected === "boolean") return t("true or false");
  return expected === "Array" ? t("an array of texts") : t("a text");
}
