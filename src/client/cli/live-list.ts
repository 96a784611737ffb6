import type { ItemKey } from "../../crdt/item-key.js";
import type { ShoppingList } from "../../crdt/shopping-list.js";
import { FIRST_STATE, press, segments, selected, type BoardState, type Effect, type Key, type Step } from "../board.js";
import type { BoardFacts } from "../board-view.js";
import { AisleError, EXIT } from "../errors.js";
import { rehearse, type Intent } from "../intent.js";
import type { LocalList } from "../local-list.js";
import { t } from "../messages.js";
import { amountText } from "../quantity.js";
import { suggestions } from "../suggestions.js";
import { nameOf, walkedItems } from "../views.js";
import { Watcher, type WatchListener } from "../watcher.js";
import type { Context } from "./context.js";
import { push } from "./push.js";
import { asAisleError } from "./failures.js";
import { labelOf, undoChanges } from "./history.js";

/** How many names completion offers at a time. */
const MOST_OFFERED = 4;

/** How a person leaves a list: for good, or for another one. */
export type Outcome = "quit" | "lists";

/** Where a live list is shown. */
export interface Display {
  redraw(): void;
  leave(outcome: Outcome | AisleError): void;
}

/** A list that somebody looks at: keys go to the pure `press`, what that wants is carried out here, and others' changes arrive. */
export class LiveList implements WatchListener {
  #state: BoardState = FIRST_STATE;
  #isOnline: boolean | null = null;
  readonly #marks = new Map<ItemKey, string>();
  #ahead: ShoppingList | null = null;
  #waiting = 0;
  #watcher: Watcher | null = null;
  /** Changes are made one after the other, as their keys were pressed. */
  #work: Promise<void> = Promise.resolve();

  constructor(
    readonly context: Context,
    private list: LocalList,
    readonly display: Display,
  ) {}

  get state(): BoardState {
    return this.#state;
  }

  async start(): Promise<void> {
    const synchronizer = await this.context.synchronizer();
    this.#watcher = new Watcher(this.list.id, synchronizer, synchronizer.session, this);
    this.#watcher.start(this.context.options.offline === true);
  }

  /** Ends the watching; what is not sent yet is sent if that goes quickly, as after any command. */
  async stop(): Promise<void> {
    this.#watcher?.stop();
    if (this.list.outbox.length > 0 && this.#isOnline !== false) await push(this.context, [this.list.id]);
  }

  /** Settles when all that was asked for is done. */
  async idle(): Promise<void> {
    await this.#work;
  }

  /** The list with what was asked for and is not done yet: keys come faster than disks. */
  get #shown(): ShoppingList {
    return this.#ahead ?? this.list.shown;
  }

  onList(list: LocalList): void {
    for (const { dot, key, by } of list.shown.history.operations()) {
      if (key === null || this.list.shown.seen.has(dot) || list.isOwn(dot.replica)) continue;
      this.#marks.set(key, by ?? t("somebody"));
    }
    // The cursor stays on its item, also where nobody has moved it yet.
    const cursor = this.#state.cursor ?? selected(this.#state, walkedItems(this.#shown))?.key ?? null;
    this.#state = { ...this.#state, cursor };
    this.list = list;
    if (list.isDeleted) {
      const hint = t("`aisle undelete` brings it back for everyone");
      this.display.leave(new AisleError(EXIT.notFound, "not-found", t("it was deleted for everyone"), hint));
    }
    this.display.redraw();
  }

  onReachable(isReachable: boolean): void {
    this.#isOnline = isReachable;
    this.display.redraw();
  }

  onFailure(error: unknown): void {
    this.display.leave(asAisleError(error));
  }

  /** What a key does. @returns what the line where one types is to hold, or null where that is for it to know */
  press(key: Key): string | null {
    return this.take(press(this.#state, walkedItems(this.#shown), key, this.completions(key.text)));
  }

  take({ state, effects }: Step): string | null {
    this.#look(state);
    for (const effect of effects) this.#perform(effect);
    return effects.find((effect) => effect.type === "type")?.text ?? null;
  }

  select(cursor: ItemKey): void {
    this.#look({ ...this.#state, cursor });
  }

  say(message: string): void {
    this.#state = { ...this.#state, message };
  }

  /** All that others have done has been told. */
  seen(): void {
    this.#marks.clear();
  }

  /** What the cursor has been on is no news any more. */
  #look(next: BoardState): void {
    if (this.#state.cursor !== null && this.#state.cursor !== next.cursor) this.#marks.delete(this.#state.cursor);
    this.#state = next;
  }

  facts(): BoardFacts {
    const { outbox, stored } = this.list;
    const [items, waiting] = [walkedItems(this.#shown), outbox.length];
    return {
      name: nameOf(this.list),
      items,
      waiting,
      stored,
      isOnline: this.#isOnline ?? this.#offline,
      marks: this.#marks,
    };
  }

  get #offline(): boolean | null {
    return this.context.options.offline === true ? false : null;
  }

  completions(text: string): readonly string[] {
    if (this.#state.mode !== "add") return [];
    const last = segments(text.replaceAll("\t", "")).at(-1) ?? "";
    return (
      suggestions(this.list.shown, last)
        .slice(0, MOST_OFFERED)
        // A plain name would be another item, counted in pieces.
        .map(({ name, unit, amount }) =>
          unit === null || amount === null ? name : `${amountText(amount, unit)} ${name}`,
        )
    );
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case "quit":
      case "lists":
        this.display.leave(effect.type);
        break;
      case "sync":
        this.#watcher?.sync();
        break;
      case "change":
        if (!this.#lookAhead(effect.intents)) break;
        this.#queue(async () => {
          try {
            await this.context.workspace.change(this.list.id, () => effect.intents);
          } catch (error) {
            throw notAdded(asAisleError(error), effect.intents);
          }
          return "";
        });
        break;
      case "undo":
        this.#queue(async () => {
          const { changed, keys, what } = await undoChanges(this.context, this.list.id, 1);
          return keys.length === 0 ? what : `${what}: ${keys.map((key) => labelOf(changed, key)).join(", ")}`;
        });
        break;
      case "type":
        break;
    }
  }

  /** Shows what was asked for, before it is on disk. Whether it can be done. */
  #lookAhead(intents: readonly Intent[]): boolean {
    const ahead = this.#shown.clone();
    try {
      rehearse(intents, ahead, this.list.replica);
    } catch (error) {
      this.#state = { ...this.#state, message: asAisleError(error).message };
      return false;
    }
    this.#ahead = ahead;
    return true;
  }

  #queue(work: () => Promise<string>): void {
    this.#waiting++;
    this.#work = this.#work.then(async () => {
      try {
        const message = await work();
        this.context.workspace.commit();
        this.list = this.context.workspace.list(this.list.id) ?? this.list;
        if (message !== "") this.#state = { ...this.#state, message };
      } catch (error) {
        this.context.workspace.release();
        this.#state = { ...this.#state, message: asAisleError(error).message };
      }
      if (--this.#waiting === 0) this.#ahead = null;
      this.display.redraw();
    });
  }
}

/** What was typed is told, so that it is not lost. */
function notAdded(error: AisleError, intents: readonly Intent[]): AisleError {
  const names = intents.flatMap((intent) => (intent.type === "add" ? [intent.name] : []));
  if (names.length === 0) return error;
  return new AisleError(error.exitCode, error.code, t`${error.message}; not added: ${names.join(", ")}`, error.hint);
}
