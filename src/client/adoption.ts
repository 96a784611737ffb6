import { decodeAccessReply, encodeAccessRequest } from "../protocol/access-messages.js";
import { AisleError } from "./errors.js";
import type { LocalList } from "./local-list.js";
import { RefusedError, type Session } from "./session.js";
import type { Workspace } from "./workspace.js";

const ADOPTION_BUDGET_MS = 5_000;

/** Whose folder it is, and how it asks the cluster. */
export interface Household {
  readonly workspace: Workspace;
  session(): Promise<Session>;
}

/**
 * Hands whoever is logged in here what this device was given as a device: lists that were made before. What fails now is
 * done with the next login or sync. Answers how many lists it was done for.
 */
export async function adoptLists(household: Household, lists: readonly LocalList[]): Promise<number> {
  const waiting = lists.filter((list) => list.rights.isOfDevice && !list.rights.isUnfounded);
  if (waiting.length === 0 || household.workspace.folder.login() === null) return 0;
  const session = await household.session();
  let adopted = 0;
  for (const list of waiting) {
    try {
      const question = { kind: "access", listId: list.id, body: encodeAccessRequest({ do: "adopt" }) } as const;
      const { value } = await session.request(question, decodeAccessReply, ADOPTION_BUDGET_MS);
      if (value.role === null || value.stored < value.wanted) continue;
      const { role, visibility, members } = value;
      const standing = { role, open: visibility === "open", members: members.length };
      await household.workspace.note(list.id, (noted) => noted.rights.adopt(standing));
      // The folder is not locked while the next one is asked for.
      household.workspace.commit();
      adopted++;
    } catch (error) {
      if (!(error instanceof RefusedError) && !(error instanceof AisleError)) throw error;
    }
  }
  return adopted;
}
