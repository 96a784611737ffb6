import type { ShoppingList } from "../crdt/shopping-list.js";
import {
  decodeAccessReply,
  encodeAccessRequest,
  type AccessReply,
  type AccessRequest,
} from "../protocol/access-messages.js";
import { BOUNDS } from "../protocol/bounds.js";
import type { ErrorCode } from "../protocol/errors.js";
import type { ListId } from "../protocol/ids.js";
import {
  decodeSyncReply,
  encodeSyncRequest,
  type ErrorBody,
  type SyncReply,
  type SyncRequest,
} from "../protocol/messages.js";
import { monotonicMs, wallClockMs } from "../runtime/clock.js";
import { randomId } from "../runtime/rng.js";
import type { DataFolder } from "./data-folder.js";
import { AisleError, EXIT, isUnreachable, refused } from "./errors.js";
import type { LocalList, SyncOutcome } from "./local-list.js";
import type { Stored } from "./local-list-file.js";
import { RefusedError, type Session } from "./session.js";
import { t } from "./messages.js";

/** What synchronising one list came to. */
export interface ListSync {
  readonly list: ListId;
  readonly pushed: number;
  readonly fetched: number;
  readonly pending: number;
  readonly stored: Stored | null;
  /** Why changes were moved to `rejected`, or the whole list could not be had. */
  readonly refusal: ErrorBody | null;
}

/** Two bring both sides level, a clash takes a few more; a cluster that always wants another one is not humoured. */
const MOST_EXCHANGES = 20;

/** Of a list's rights as its maker founded them: an owner, and whether it is open. */
const FOUNDED_VERSION = 2;

/** Between two looks at whether enough servers have it by now. */
const BELOW_PAUSE_MS = 250;

interface Exchange {
  readonly outcome: SyncOutcome;
  readonly pushed: number;
  readonly fetched: number;
  readonly pending: number;
  readonly stored: Stored | null;
  /** See `Rights.wish`. */
  readonly wish: boolean | null;
}

/** Refusals that say something about the list or the changes sent; any other is about this program as a whole. */
const OF_THE_CHANGES: ReadonlySet<ErrorCode> = new Set([
  "too-large",
  "malformed",
  "stale-basis",
  "not-allowed",
  "read-only",
]);

function countDots(delta: ShoppingList | null): number {
  let count = 0;
  for (const { from, to } of delta?.seen.ranges() ?? []) count += to - from + 1;
  return count;
}

/** Brings lists level with the cluster, holding the folder's lock only while it reads and writes, never while it waits. */
export class Synchronizer {
  constructor(
    readonly folder: DataFolder,
    readonly session: Session,
  ) {}

  /**
   * Sends what waits and fetches what is lacking, until both sides are level or the time is up.
   * @param isPatient whether to wait, within the budget, for servers that do not have it yet
   * @throws AisleError `unreachable`, with everything that came before it kept; not where the cluster has said before that
   * too few servers have it, which stays true
   */
  async synchronize(id: ListId, budgetMs: number, isPatient = false): Promise<ListSync> {
    const deadline = monotonicMs() + budgetMs;
    let [pushed, fetched, refusal]: [number, number, ErrorBody | null] = [0, 0, null];
    let below: Exchange | null = null;
    let isFetching = false;
    for (let exchanges = 1; ; exchanges++) {
      const step: Exchange = await this.#exchange(id, deadline - monotonicMs(), isFetching).catch((error: unknown) => {
        if (below === null || !isUnreachable(error)) throw error;
        return { ...below, pushed: 0, fetched: 0 };
      });
      pushed += step.pushed;
      fetched += step.fetched;
      const isBelow = step.outcome.type === "below";
      const rejected = step.outcome.type === "rejected" ? step.outcome : null;
      // Where nothing made here was refused, the list had been more to this device than it is now, and no more.
      if (rejected !== null && (rejected.error.code !== "read-only" || rejected.changes > 0)) refusal = rejected.error;
      // What others have done, and what one may do now, is fetched all the same.
      const wasFetching: boolean = isFetching;
      isFetching = rejected !== null && !wasFetching && rejected.error.code !== "not-allowed";
      const isRefused = (refusal !== null || rejected !== null) && !isFetching;
      const isDone = step.outcome.type === "level" || isRefused || (isBelow && !isPatient);
      if (step.outcome.type === "level" && step.wish !== null)
        await this.#fulfil(id, step.wish, deadline - monotonicMs());
      if (isDone || exchanges >= MOST_EXCHANGES || monotonicMs() + (isBelow ? BELOW_PAUSE_MS : 0) >= deadline) {
        return { list: id, pushed, fetched, pending: step.pending, stored: step.stored, refusal };
      }
      below = isBelow ? step : null;
      if (isBelow) await new Promise((resolve) => setTimeout(resolve, BELOW_PAUSE_MS));
    }
  }

  /** Notes for later commands that the cluster answered, or did not. */
  async remember(reached: boolean): Promise<void> {
    await this.folder.locked(() => {
      const times = this.folder.syncTimes();
      const now = wallClockMs();
      const change = reached
        ? { lastSync: now, lastFailure: null, broker: this.session.preferred }
        : { lastFailure: now };
      this.folder.saveSyncTimes({ ...times, ...change });
    });
  }

  async #exchange(id: ListId, budgetMs: number, isFetching: boolean): Promise<Exchange> {
    const { stamp, list: before } = await this.#readWritten(id);
    const request = isFetching ? { ...before.request(), delta: null } : before.request();
    const { standing, isUnfounded } = before.rights;
    const storedBefore = before.stored?.servers;
    const answer = await this.#ask(id, request, budgetMs);
    return await this.folder.locked(() => {
      // Files are replaced whole: most often nobody has written it since.
      const list = this.folder.listStamp(id) === stamp ? before : this.#read(id);
      const waiting = list.outbox.length;
      if ("refused" in answer) {
        const outcome = list.onRefusal(request, answer.refused, randomId);
        this.folder.writeList(list);
        return { outcome, pushed: 0, fetched: 0, pending: list.outbox.length, stored: list.stored, wish: null };
      }
      const { delta, stored } = answer.reply;
      const outcome = list.onReply(request, answer.reply);
      const { wish } = list.rights;
      const isRest = outcome.type === "level" && request.delta === null && delta === null;
      const { reply } = answer;
      const isSame = storedBefore === stored && !isUnfounded;
      const stands = standing.role === reply.role && standing.open === reply.open && standing.members === reply.members;
      const isNews = !isRest || !isSame || !stands;
      if (isNews) this.folder.writeList(list);
      const pushed = waiting - list.outbox.length;
      return { outcome, pushed, fetched: countDots(delta), pending: list.outbox.length, stored: list.stored, wish };
    });
  }

  /**
   * Opens or closes a list that was founded otherwise, since its maker decided so while the first answer was on its way; unless somebody
   * has changed who may do what since. What fails is done with the next answer.
   */
  async #fulfil(id: ListId, isOpen: boolean, budgetMs: number): Promise<void> {
    const ask = async (request: AccessRequest): Promise<AccessReply> => {
      const question = { kind: "access", listId: id, body: encodeAccessRequest(request) } as const;
      return (await this.session.request(question, decodeAccessReply, budgetMs)).value;
    };
    try {
      const { version } = await ask({ do: "members" });
      const visibility = isOpen ? "open" : "private";
      const reply = version === FOUNDED_VERSION ? await ask({ do: "set-visibility", visibility, version }) : null;
      if (reply !== null && reply.stored < reply.wanted) return;
      await this.folder.locked(() => {
        const list = this.#read(id);
        if (reply === null) list.rights.forgetWish();
        else list.rights.stand({ ...list.rights.standing, open: reply.visibility === "open" });
        this.folder.writeList(list);
      });
    } catch (error) {
      if (!(error instanceof RefusedError) && !isUnreachable(error)) throw error;
    }
  }

  async #ask(
    id: ListId,
    request: SyncRequest,
    budgetMs: number,
  ): Promise<{ readonly reply: SyncReply } | { readonly refused: ErrorBody }> {
    const body = encodeSyncRequest(request);
    if (body.byteLength > BOUNDS.bodyBytes) {
      const message = t`what waits to be sent has more than ${BOUNDS.bodyBytes} bytes`;
      return { refused: { code: "too-large", message } };
    }
    const question = { kind: "sync", listId: id, body } as const;
    try {
      return { reply: (await this.session.request(question, decodeSyncReply, budgetMs)).value };
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      if (!OF_THE_CHANGES.has(error.body.code)) throw refused(error.body);
      return { refused: error.body };
    }
  }

  /** What came back by itself is written before anybody hears of it. */
  async #readWritten(id: ListId): Promise<{ readonly stamp: string; readonly list: LocalList }> {
    const stamp = this.folder.listStamp(id);
    const list = this.#read(id);
    if (!list.isUnwritten) return { stamp, list };
    await this.folder.locked(() => this.folder.writeList(this.#read(id)));
    return await this.#readWritten(id);
  }

  #read(id: ListId): LocalList {
    const list = this.folder.readList(id);
    if (list === null) throw new AisleError(EXIT.notFound, "not-found", t("the list is not on this device any more"));
    return list;
  }
}
