import { foldName } from "../../crdt/item-key.js";
import { isListId, type ListId } from "../../protocol/ids.js";
import { AisleError, EXIT, usageError } from "../errors.js";
import type { LocalList } from "../local-list.js";
import { t } from "../messages.js";
import { acceptText, displayable } from "../text.js";
import type { Context } from "./context.js";

/**
 * The name, if it can be a list's and no other list here has it; others may still give theirs the same.
 * @param own the list that is to have it, where there is one already
 * @throws AisleError
 */
export function freeName(context: Context, text: string, own: ListId | null = null): string {
  const name = acceptText("list", text);
  // One list's name would hide another one's id.
  if (isListId(name.toLowerCase())) throw usageError(t("a list cannot be called as ids are"), t("choose another name"));
  const taken = context.glances().find((list) => list.id !== own && foldName(list.name) === foldName(name));
  if (taken === undefined) return name;
  const message = t`there is a list called ${displayable(taken.name)} already`;
  throw new AisleError(EXIT.refused, "name-taken", message, t`choose another name, or: aisle use ${taken.id}`);
}

/** Makes a list of this name, the current one from now on. */
export async function makeList(context: Context, name: string): Promise<LocalList> {
  const { id } = await context.workspace.found();
  const list = await context.workspace.change(id, () => [{ type: "rename", name }]);
  await context.workspace.changeSettings({ current: id });
  return list;
}
