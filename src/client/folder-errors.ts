import { MalformedStateError } from "../crdt/codec.js";
import type { ListId } from "../protocol/ids.js";
import { isErrno } from "../runtime/errno.js";
import { DamagedFileError } from "../runtime/sealed-json.js";
import { AisleError, EXIT } from "./errors.js";
import { t } from "./messages.js";

/** Turns what is wrong with a list's file into one clear line. */
export function orDamaged<T>(id: ListId, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DamagedFileError || error instanceof MalformedStateError)) throw error;
    const problem = error instanceof DamagedFileError ? error.message : t`${path} is damaged (${error.message})`;
    const hint = t`it was left as it is; restore it from a backup, or move it away and run: aisle join ${id}`;
    throw new AisleError(EXIT.failed, "damaged", problem, hint);
  }
}

/** Turns what a file system refuses into one clear line. */
export function orUnusable<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw unusable(path, error);
  }
}

/** What the file system refused, as one clear line; anything else as it is. */
export function unusable(path: string, error: unknown): unknown {
  const reasons: Readonly<Record<string, string>> = {
    EACCES: t("permission is denied"),
    EPERM: t("permission is denied"),
    EROFS: t("the file system is read-only"),
    ENOSPC: t("the disk is full"),
    EIO: t("the disk fails"),
    ENOENT: t("the folder cannot be made"),
    EEXIST: t("part of the path is a file"),
    EISDIR: t("a folder stands where a file should"),
    ENOTDIR: t("part of the path is a file"),
    ENAMETOOLONG: t("a name in it is too long"),
    EDQUOT: t("the disk quota is used up"),
  };
  const code = Object.keys(reasons).find((candidate) => isErrno(error, candidate));
  if (code === undefined) return error;
  const message = t`cannot use ${path}: ${reasons[code] ?? code}`;
  return new AisleError(
    EXIT.failed,
    "unusable-folder",
    message,
    t("mend that, or choose another folder with --data-dir"),
  );
}
