import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Option } from "commander";
import { textFlag, word, type Flags, type Registration } from "./client/cli/command.js";
import type { CommandResult, Context } from "./client/cli/context.js";
import { AisleError, EXIT, notFound } from "./client/errors.js";
import { counted, t } from "./client/messages.js";
import { displayable } from "./client/text.js";
import { isErrno } from "./runtime/errno.js";
import { LockedError, takeLock } from "./runtime/lock.js";

const LOCK_PATIENCE_MS = 500;

/** What can be done with the folders of servers, from outside of them. */
export function registerStorage({ program, act }: Pick<Registration, "program" | "act">): void {
  const cluster = program.commands.find((command) => command.name() === "cluster");
  const data = (): Option =>
    new Option("--data <folder>", "a server's folder, or a cluster's with all its servers (default: as for up)");

  cluster
    ?.command("check")
    .addOption(data())
    .description("read all that servers which do not run have on disk, and say what is wrong with it")
    .action(act(async (context, _words, flags) => await check(foldersAt(context, flags))));

  cluster
    ?.command("backup")
    .argument("<folder>", "where to; it must not be there yet")
    .addOption(data())
    .description("copy what servers have on disk, also while they run")
    .action(act(async (context, words, flags) => await backUp(context, foldersAt(context, flags), word(words, 0))));

  cluster
    ?.command("restore")
    .argument("<backup>", "what backup made")
    .requiredOption("--data <folder>", "a folder for the servers to come; it must not be there yet")
    .description("check a backup, and make servers' folders of it")
    .action(
      act(async (context, words, flags) => await restore(context, word(words, 0), textFlag(flags, "data") ?? "")),
    );
}

interface ServerFolder {
  /** Empty where it is a single server's. */
  readonly name: string;
  readonly path: string;
}

function foldersAt(context: Context, flags: Flags): readonly ServerFolder[] {
  return foldersIn(textFlag(flags, "data") ?? context.clusterFolder);
}

/** @throws AisleError where there is no server's folder */
function foldersIn(path: string): readonly ServerFolder[] {
  if (isStore(path)) return [{ name: "", path }];
  const names = existsSync(path) ? readdirSync(path).filter((name) => isStore(join(path, name))) : [];
  if (names.length === 0)
    throw notFound(t`there is no server's data in ${displayable(path)}`, t("name the folder with --data"));
  return names.sort().map((name) => ({ name, path: join(path, name) }));
}

function isStore(path: string): boolean {
  const isFolder = (name: string): boolean =>
    statSync(join(path, name), { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder("journal") && isFolder("snapshots");
}

async function check(folders: readonly ServerFolder[]): Promise<CommandResult> {
  const { inspectStore } = await import("./server/store/inspection.js");
  const value = [];
  for (const { path } of folders) {
    const lock = await takeLock(join(path, "lock"), LOCK_PATIENCE_MS).catch((error: unknown) => {
      if (!(error instanceof LockedError)) throw error;
      throw new AisleError(EXIT.refused, "in-use", error.message, t("stop the server first"));
    });
    try {
      value.push({ folder: path, ...(await inspectStore(path)) });
    } finally {
      lock.release();
    }
  }
  const lines = value.flatMap(({ folder, lists, segments, batches, packs, snapshots, problems, notes }) => [
    t`${displayable(folder)}: ${counted(lists, "{{count}} list", "{{count}} lists")}; ${batches} batches in ${segments} segments, ${snapshots} snapshots in ${packs} packs`,
    ...problems.map(({ path, problem }) => t`  WRONG  ${displayable(path)}: ${displayable(problem)}`),
    ...notes.map((note) => t`  note   ${displayable(note)}`),
  ]);
  const isWrong = value.some(({ problems }) => problems.length > 0);
  const verdict = isWrong
    ? t("start it as it is: it sets aside what is wrong, and the other servers bring what it lacks")
    : t("everything is as it was written");
  return { value, text: [...lines, verdict].join("\n"), ...(isWrong ? { exitCode: EXIT.failed } : {}) };
}

async function backUp({ options }: Context, folders: readonly ServerFolder[], to: string): Promise<CommandResult> {
  requireFree(to);
  const value = folders.map(({ name, path }) => ({ from: path, to: join(to, name) }));
  if (options.dryRun === true) return { value, text: t`would copy ${folders.length} servers to ${displayable(to)}` };
  const told = await copyAll(value);
  return {
    value: told,
    text: told
      .map(({ from, files, lists }) => t`copied ${displayable(from)}: ${lists} lists in ${files} files`)
      .join("\n"),
  };
}

async function restore({ options }: Context, backup: string, to: string): Promise<CommandResult> {
  requireFree(to);
  const { inspectStore } = await import("./server/store/inspection.js");
  const folders = foldersIn(backup);
  for (const { path } of folders) {
    const [problem] = (await inspectStore(path)).problems;
    if (problem !== undefined)
      throw new AisleError(
        EXIT.refused,
        "damaged",
        t`the backup is damaged: ${displayable(problem.path)}: ${displayable(problem.problem)}`,
        t("take another one, or copy its files by hand: a server sets aside what is wrong"),
      );
  }
  const value = folders.map(({ name, path }) => ({ from: path, to: join(to, name) }));
  if (options.dryRun === true) return { value, text: t`would restore ${folders.length} servers to ${displayable(to)}` };
  const told = await copyAll(value);
  return {
    value: told,
    text: told.map(({ to: folder, lists }) => t`restored ${displayable(folder)}: ${lists} lists`).join("\n"),
  };
}

interface Copied {
  readonly from: string;
  readonly to: string;
  readonly files: number;
  readonly lists: number;
}

/** What was copied is read again: a backup that cannot be read is none. */
async function copyAll(copies: readonly { readonly from: string; readonly to: string }[]): Promise<readonly Copied[]> {
  const [{ copyStore }, { inspectStore }] = await Promise.all([
    import("./server/store/backup.js"),
    import("./server/store/inspection.js"),
  ]);
  const told: Copied[] = [];
  for (const { from, to } of copies) {
    try {
      const files = await copyStore(from, to);
      told.push({ from, to, files, lists: (await inspectStore(to)).lists });
    } catch (error) {
      if (!isErrno(error, "ENOSPC")) throw error;
      throw new AisleError(
        EXIT.failed,
        "disk-full",
        t`there is no room for ${displayable(to)}`,
        t("make room and try again"),
      );
    }
  }
  return told;
}

function requireFree(path: string): void {
  if (existsSync(path) && readdirSync(path).length > 0)
    throw new AisleError(EXIT.refused, "in-use", t`${displayable(path)} is there already`, t("name a new folder"));
}
