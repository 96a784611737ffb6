import { digestOf } from "../../crdt/codec.js";
import type { Item } from "../../crdt/shopping-list.js";
import { isOutputTerminal, print, readerGone } from "../../runtime/output.js";
import { untilAskedToStop } from "../../runtime/signals.js";
import type { LocalList } from "../local-list.js";
import { renderItem, renderList, type Style } from "../render.js";
import { displayable, jsonText } from "../text.js";
import { glanceAt, itemView, listView, sortedItems, type ItemView } from "../views.js";
import { optionalWord, type Registration } from "./command.js";
import { say, type CommandResult, type Context } from "./context.js";
import { t } from "../messages.js";

/** One line of `watch --ndjson`. */
type WatchEvent =
  | ({ readonly event: "list" } & ReturnType<typeof listView>)
  | {
      readonly event: "change";
      readonly id: string;
      readonly items: readonly ItemView[];
      readonly removed: readonly string[];
      readonly pending: number;
      readonly digest: string;
    }
  | { readonly event: "online" | "offline" | "deleted" | "restored"; readonly id: string };

export function registerWatch({ program, act }: Registration): void {
  program
    .command("watch")
    .argument("[list]", "its name or id")
    .description("show a list and follow it live until Ctrl-C; with --ndjson one event a line")
    .action(act(async (context, words) => await watchList(context, optionalWord(words, 0))));
}

async function watchList(context: Context, named: string | undefined): Promise<CommandResult> {
  const list = context.theList(named);
  const [{ Watcher }, synchronizer, style] = await Promise.all([
    import("../watcher.js"),
    context.synchronizer(),
    context.style(),
  ]);
  const view =
    context.options.ndjson === true || context.options.json === true ? new EventLines(list.id) : new Screen(style);
  const failed = new Promise<never>((_resolve, reject) => (view.onFailure = reject));
  const watcher = new Watcher(list.id, synchronizer, synchronizer.session, view);
  watcher.start(context.options.offline === true);
  try {
    // A reader that is gone wants no more.
    await untilAskedToStop(failed, readerGone());
  } finally {
    watcher.stop();
  }
  return { value: undefined, text: "" };
}

class EventLines {
  #items: ReadonlyMap<string, Item> | null = null;
  #digest = "";
  #isDeleted = false;
  #isReachable: boolean | null = null;
  onFailure: (error: unknown) => void = () => undefined;

  constructor(readonly id: string) {}

  onReachable(isReachable: boolean): void {
    if (this.#isReachable === isReachable) return;
    this.#isReachable = isReachable;
    this.#print({ event: isReachable ? "online" : "offline", id: this.id });
  }

  onList(list: LocalList): void {
    const items = new Map(sortedItems(list.shown).map((item) => [item.key, item]));
    const [before, digest] = [this.#items, digestOf(list.shown)];
    const isNews = digest !== this.#digest;
    [this.#items, this.#digest] = [items, digest];
    const wasDeleted = this.#isDeleted;
    this.#isDeleted = list.isDeleted;
    if (before === null) this.#print({ event: "list", ...listView(list) });
    if (list.isDeleted !== wasDeleted) this.#print({ event: list.isDeleted ? "deleted" : "restored", id: this.id });
    if (before === null) return;
    if (isNews) {
      const changed = [...items.values()].filter(
        (item) => JSON.stringify(item) !== JSON.stringify(before.get(item.key)),
      );
      const removed = [...before.values()].filter((item) => !items.has(item.key)).map((item) => item.name);
      const pending = list.outbox.length;
      this.#print({ event: "change", id: this.id, items: changed.map(itemView), removed, pending, digest });
    }
  }

  #print(event: WatchEvent): void {
    print(`${jsonText(event)}\n`);
  }
}

class Screen {
  #shown = "";
  #items: ReadonlyMap<string, Item> = new Map();
  #isReachable: boolean | null = null;
  onFailure: (error: unknown) => void = () => undefined;

  constructor(readonly style: Style) {}

  onReachable(isReachable: boolean): void {
    if (this.#isReachable !== isReachable)
      say(isReachable ? t("online") : t("offline: changes by others will show once a broker answers"));
    this.#isReachable = isReachable;
  }

  onList(list: LocalList): void {
    const text = renderList(glanceAt(list), this.style);
    if (text === this.#shown) return;
    const items = new Map(sortedItems(list.shown).map((item) => [item.key, item]));
    if (this.#shown === "" || isOutputTerminal()) {
      // On a terminal the list is drawn anew from the top; elsewhere only what changed is added.
      print(`${isOutputTerminal() ? "\u001b[H\u001b[2J" : ""}${text}\n`);
    } else for (const line of this.#changes(items)) print(`${line}\n`);
    [this.#shown, this.#items] = [text, items];
  }

  *#changes(items: ReadonlyMap<string, Item>): Iterable<string> {
    for (const item of items.values()) {
      if (JSON.stringify(item) !== JSON.stringify(this.#items.get(item.key))) yield renderItem(item, this.style);
    }
    for (const item of this.#items.values()) if (!items.has(item.key)) yield t`removed ${displayable(item.name)}`;
  }
}
