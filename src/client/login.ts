import { decodeAccountReply, encodeAccountRequest } from "../protocol/account-messages.js";
import { accountDocumentOf } from "../protocol/identity.js";
import { wallClockMs } from "../runtime/clock.js";
import type { Household } from "./adoption.js";
import { isToBeRenewed } from "./data-folder.js";
import { AisleError } from "./errors.js";
import { RefusedError } from "./session.js";

const RENEWAL_BUDGET_MS = 2_000;

/** A token that is half used up is exchanged for a new one, in passing; should it fail, there is time. */
export async function renewLogin(household: Household, budgetMs = RENEWAL_BUDGET_MS): Promise<void> {
  const login = household.workspace.folder.login();
  const now = wallClockMs();
  if (login === null || !isToBeRenewed(login, now) || budgetMs <= 0) return;
  const body = encodeAccountRequest({ do: "renew" });
  const question = { kind: "account", listId: accountDocumentOf(login.name), body } as const;
  try {
    const session = await household.session();
    const { token } = (await session.request(question, decodeAccountReply, budgetMs)).value;
    if (token !== null)
      await household.workspace.renewLogin(login, { ...login, token: token.text, expires: token.expires, since: now });
  } catch (error) {
    if (!(error instanceof RefusedError) && !(error instanceof AisleError)) throw error;
  }
}
