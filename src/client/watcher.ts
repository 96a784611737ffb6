import { watch, type FSWatcher } from "node:fs";
import { readAddress } from "../protocol/address.js";
import { ProtocolError } from "../protocol/errors.js";
import { decodeUpdate, HEARTBEAT_TOPIC } from "../protocol/updates.js";
import { DEFAULT_HEARTBEAT } from "../protocol/heartbeat.js";
import { topicOf, type ListId } from "../protocol/ids.js";
import { Driver } from "../runtime/driver.js";
import { toFront } from "../runtime/curve.js";
import { connectSubscriber, type SubscriberSocket } from "../runtime/zeromq.js";
import { AisleError, EXIT, isUnreachable, refused } from "./errors.js";
import { Feed, type FeedEffect, type FeedEvent } from "./feed.js";
import type { LocalList } from "./local-list.js";
import type { Session } from "./session.js";
import type { Synchronizer } from "./synchronizer.js";
import { t } from "./messages.js";

export interface WatchListener {
  /** The list as this folder has it, at the start and whenever that may have changed. */
  onList(list: LocalList): void;
  onReachable(isReachable: boolean): void;
  /** It cannot go on: the list was forgotten, the disk refuses, or this program is wrong. */
  onFailure(error: unknown): void;
}

const FETCH_BUDGET_MS = 5_000;
const LOOKUP_BUDGET_MS = 2_000;

/** Before what did not succeed is tried again: doubled each time, up to the second. */
const PAUSES_MS = { first: 250, longest: 2_000 } as const;

type Work = "fetch" | "reopen" | "look";

/** Follows one list live: others' changes by the broker's feed, this device's by its folder. Asks nothing while nothing happens. */
export class Watcher {
  readonly #driver: Driver<FeedEvent, FeedEffect>;
  #socket: SubscriberSocket | null = null;
  #files: FSWatcher | null = null;
  #stopped = false;
  #isOnline = false;
  /** Work is done one piece at a time; what is asked for twice meanwhile is done once more. */
  #working = false;
  readonly #wanted = new Set<Work>();
  /** What waits for the timer. */
  readonly #postponed = new Set<Work>();
  #pauseMs: number = PAUSES_MS.first;
  #timer: NodeJS.Timeout | null = null;
  /** The changes that the last fetch could not get stored on enough servers: asking at once would change nothing. */
  #unstored: ReadonlySet<string> = new Set();

  constructor(
    readonly listId: ListId,
    readonly synchronizer: Synchronizer,
    readonly session: Session,
    readonly listener: WatchListener,
  ) {
    const ignore = (): void => undefined;
    this.#driver = new Driver(
      new Feed(topicOf(listId), DEFAULT_HEARTBEAT),
      ({ type }) => this.#want(type),
      { type: "tick" },
      ignore,
    );
  }

  /** @param isOffline only this device's folder is followed */
  start(isOffline = false): void {
    this.#files = watch(this.synchronizer.folder.listsPath, (_type, name) => {
      if (name === `${this.listId}.json`) this.#want("look");
    });
    this.#files.on("error", (error) => this.#fail(error));
    this.#want("look");
    if (!isOffline) this.#want("reopen");
  }

  /** Sends what waits and fetches what is new, now. */
  sync(): void {
    this.#want("fetch");
  }

  stop(): void {
    this.#stopped = true;
    this.#driver.stop();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#files?.close();
    this.#socket?.close();
  }

  #want(work: Work): void {
    this.#wanted.add(work);
    if (!this.#working) this.#work().catch((error: unknown) => this.#fail(error));
  }

  /** Once more, after a pause. */
  #wantLater(work: Work): void {
    this.#postponed.add(work);
    if (this.#timer !== null || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const postponed = [...this.#postponed];
      this.#postponed.clear();
      for (const one of postponed) this.#want(one);
    }, this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSES_MS.longest);
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let [work] = this.#wanted; work !== undefined && !this.#stopped; [work] = this.#wanted) {
      this.#wanted.delete(work);
      if (work === "look") this.#look();
      else if (work === "fetch") await this.#fetch();
      else await this.#reopen();
    }
    this.#working = false;
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.listener.onFailure(error);
  }

  #look(): void {
    const list = this.synchronizer.folder.readList(this.listId);
    if (list === null) throw new AisleError(EXIT.notFound, "not-found", t("the list is not on this device any more"));
    this.listener.onList(list);
    // What other commands here could not send goes with the watch.
    if (this.#isOnline && list.outbox.some(({ id }) => !this.#unstored.has(id))) this.#want("fetch");
  }

  /** Finds a broker that answers and subscribes to its feed; keeps trying. */
  async #reopen(): Promise<void> {
    this.#socket?.close();
    this.#socket = null;
    try {
      const { value: status, broker } = await this.session.status(LOOKUP_BUDGET_MS);
      // A socket opened after the end would keep the program alive for ever.
      if (this.#stopped) return;
      const topics = [HEARTBEAT_TOPIC, topicOf(this.listId)];
      const { endpoint, key } = readAddress(broker) ?? { endpoint: broker, key: null };
      const feed = feedEndpoint(endpoint, status.updates);
      this.#socket = connectSubscriber(feed, toFront(key), topics, (frames) => {
        try {
          this.#driver.post({ type: "update", update: decodeUpdate(frames) });
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
        }
      });
      this.#driver.post({ type: "opened" });
      // Also where nothing is heard of the feed, as behind a wall that lets requests through alone.
      this.#want("fetch");
    } catch (error) {
      this.#lose(error);
    }
  }

  async #fetch(): Promise<void> {
    try {
      const { refusal, pending } = await this.synchronizer.synchronize(this.listId, FETCH_BUDGET_MS);
      if (refusal?.code === "not-allowed") throw refused(refusal);
      this.#isOnline = refusal === null;
      this.#onFetched(pending > 0 && refusal === null);
      await this.synchronizer.remember(true);
      this.listener.onReachable(true);
    } catch (error) {
      this.#lose(error);
    }
    this.#look();
  }

  /** @param isUnstored whether there are changes that too few servers have */
  #onFetched(isUnstored: boolean): void {
    const outbox = isUnstored ? (this.synchronizer.folder.readList(this.listId)?.outbox ?? []) : [];
    this.#unstored = new Set(outbox.map(({ id }) => id));
    if (isUnstored) this.#wantLater("fetch");
    else this.#pauseMs = PAUSES_MS.first;
  }

  /** Being offline passes; nothing else does. */
  #lose(error: unknown): void {
    if (!isUnreachable(error)) throw error;
    this.#isOnline = false;
    this.listener.onReachable(false);
    this.#wantLater("reopen");
  }
}

/** The feed's endpoint as seen from here: a broker may have bound a wildcard, but its host is the one that answered. */
export function feedEndpoint(broker: string, updates: string): string {
  const host = /^tcp:\/\/(\[[^\]]+\]|[^:]+):/.exec(broker)?.[1];
  const port = /^tcp:\/\/.+:([0-9]+)$/.exec(updates)?.[1];
  return host === undefined || port === undefined ? updates : `tcp://${host}:${port}`;
}
