import { spawnSync } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { join } from "node:path";
import { AisleError, EXIT } from "./errors.js";
import { isErrno } from "../runtime/errno.js";
import { displayable, jsonText } from "./text.js";
import type { ItemView } from "./views.js";
import { t } from "./messages.js";

export type HookName = "on-add" | "on-change" | "on-sync";

const PATIENCE_MS = 10_000;
const LARGEST_ANSWER_BYTES = 64 * 1024 * 1024;

/** What a hook is told of a changed item; null where it was, or is, not on the list. */
export interface ItemChange {
  readonly before: ItemView | null;
  readonly after: ItemView | null;
}

/**
 * A person's own programs, as Taskwarrior has them: every executable file in `hooks` whose name begins with that of the
 * hook, in order of names. Each gets one JSON value a line. One that fails refuses the change, with the first line that it
 * says for a reason; it is carried out before anything is durable.
 */
export class Hooks {
  constructor(
    readonly folder: string,
    readonly scripts: readonly string[],
  ) {}

  /** The hooks in a configuration folder, or null where there are none. */
  static in(configuration: string): Hooks | null {
    const folder = join(configuration, "hooks");
    const scripts = namedAsHooks(folder).filter((name) => isExecutable(join(folder, name)));
    return scripts.length === 0 ? null : new Hooks(folder, scripts);
  }

  /** What is called as a hook and is none, since nobody may execute it. */
  static asleep(configuration: string): readonly string[] {
    const folder = join(configuration, "hooks");
    return namedAsHooks(folder).filter((name) => !isExecutable(join(folder, name)));
  }

  has(hook: HookName): boolean {
    return this.#of(hook).length > 0;
  }

  /** Items that are about to be added, each as a hook wants it. @throws AisleError where one refuses, or answers otherwise */
  onAdd(list: string, items: readonly ItemView[]): readonly unknown[] {
    return this.#of("on-add").reduce<readonly unknown[]>((wanted, script) => {
      const answer = this.#run(script, list, wanted);
      const lines = answer.split("\n").filter((line) => line.trim() !== "");
      if (lines.length !== wanted.length)
        throw strange(script, t`it answered ${lines.length} items for ${wanted.length}`);
      return lines.map((line) => {
        try {
          return JSON.parse(line) as unknown;
        } catch {
          throw strange(script, t("it answered something else than JSON"));
        }
      });
    }, items);
  }

  /** @throws AisleError where one refuses */
  onChange(list: string, changes: readonly ItemChange[]): void {
    for (const script of this.#of("on-change")) this.#run(script, list, changes);
  }

  /** What has been sent and fetched cannot be refused any more: a failure is only told. @returns what to tell */
  onSync(result: unknown): readonly string[] {
    return this.#of("on-sync").flatMap((script) => {
      try {
        this.#run(script, "", [result]);
        return [];
      } catch (error) {
        return error instanceof AisleError ? [t`the hook ${script} failed: ${error.message}`] : [];
      }
    });
  }

  #of(hook: HookName): readonly string[] {
    return this.scripts.filter((name) => name.startsWith(hook));
  }

  #run(script: string, list: string, values: readonly unknown[]): string {
    const { status, signal, stdout, stderr, error } = spawnSync(join(this.folder, script), [], {
      input: values.map((value) => `${jsonText(value)}\n`).join(""),
      encoding: "utf8",
      timeout: PATIENCE_MS,
      maxBuffer: LARGEST_ANSWER_BYTES,
      env: { ...process.env, AISLE_HOOK_LIST: list },
    });
    if (error !== undefined && "code" in error && error.code === "ETIMEDOUT")
      throw strange(script, t`it had not ended after ${PATIENCE_MS / 1_000} seconds`);
    if (error !== undefined && !("code" in error && error.code === "EPIPE")) throw strange(script, problemOf(error));
    if (signal !== null) throw strange(script, t`it was ended by ${signal}`);
    if (status === 0) return stdout;
    const [reason = ""] = [stderr, stdout]
      .map((text) => text.trim().split("\n")[0] ?? "")
      .filter((line) => line !== "");
    const message = reason === "" ? t`${script} refused it` : displayable(reason.slice(0, 300));
    throw new AisleError(EXIT.refused, "hook-refused", message, t`that was said by the hook ${script}`);
  }
}

function strange(script: string, problem: string): AisleError {
  return new AisleError(
    EXIT.failed,
    "hook-failed",
    t`the hook ${script} failed: ${displayable(problem)}`,
    t("mend it, or take it out of the hooks folder"),
  );
}

function problemOf(error: Error): string {
  if (isErrno(error, "EACCES") || isErrno(error, "ENOENT") || isErrno(error, "ENOEXEC"))
    return t("it cannot be run: look at its first line, and at who may execute it");
  return isErrno(error, "ENOBUFS") ? t("it answered too much") : error.message;
}

function namedAsHooks(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^on-(add|change|sync)/.test(name))
      .sort();
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
