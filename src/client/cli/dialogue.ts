import { createInterface } from "node:readline";
import type { ItemKey } from "../../crdt/item-key.js";
import { print } from "../../runtime/output.js";
import { AisleError, EXIT } from "../errors.js";
import type { LocalList } from "../local-list.js";
import { t } from "../messages.js";
import { renderPlacedItem, type Style } from "../render.js";
import { displayable } from "../text.js";
import { isDone } from "../views.js";
import type { Context } from "./context.js";
import { LiveList, type Outcome } from "./live-list.js";

/** What is about one item is followed by its number, and some of it by a text. */
const ABOUT_ITEM = /^([=bnd+-]?)\s*([1-9][0-9]{0,3})(?:\s+(.*))?$/;

/** What stands for itself, with the key that it is on the screen. */
const ALONE: Readonly<Record<string, string>> = { c: "c", u: "u", s: "s", l: "l", q: "q", quit: "q", exit: "q" };

/**
 * A list as a conversation, for who has it read out: what was said stands, and nothing changes but by an answer. The keys are
 * those of the screen, each on a line with the number of the item that it is about.
 */
export class Dialogue {
  readonly #live: LiveList;
  #outcome: Outcome | AisleError | null = null;
  /** By which number each item is known: as it was told, whatever has come since. */
  #numbers: ItemKey[] = [];

  constructor(
    context: Context,
    list: LocalList,
    readonly style: Style,
  ) {
    const display = {
      redraw: () => undefined,
      leave: (outcome: Outcome | AisleError) => {
        this.#outcome = outcome;
      },
    };
    this.#live = new LiveList(context, list, display);
  }

  /** @throws AisleError, also after Ctrl-C */
  async show(): Promise<Outcome> {
    const lines = createInterface({ input: process.stdin, output: process.stdout, terminal: true });
    lines.setPrompt(t("what to add, the number of what to tick off, or ? for help: "));
    lines.on("SIGINT", () => {
      this.#outcome = new AisleError(EXIT.interrupted, "interrupted", t("interrupted"));
      lines.close();
    });
    lines.on("SIGTSTP", () => {
      process.once("SIGCONT", () => {
        lines.prompt(true);
      });
      // With all that started this program, such as npx: the shell waits for all of them.
      process.kill(0, "SIGTSTP");
    });
    await this.#live.start();
    try {
      this.#tellList();
      lines.prompt();
      for await (const line of lines) {
        await this.#answer(line.trim());
        if (this.#ended() !== null) break;
        lines.prompt();
      }
      await this.#live.idle();
      const outcome = this.#ended() ?? "quit";
      if (outcome instanceof AisleError) throw outcome;
      return outcome;
    } finally {
      lines.close();
      await this.#live.stop();
    }
  }

  #ended(): Outcome | AisleError | null {
    return this.#outcome;
  }

  async #answer(line: string): Promise<void> {
    if (line === "?" || line === "help") {
      print(`${help()}\n`);
      return;
    }
    if (line === "") {
      this.#tellList();
      return;
    }
    const before = new Map(this.#live.facts().items.map((item) => [item.key, renderPlacedItem(item, this.style)]));
    this.#live.say("");
    this.#carryOut(line);
    await this.#live.idle();
    const { message } = this.#live.state;
    if (this.#outcome === null && message !== "") print(`${displayable(message)}\n`);
    for (const item of this.#live.facts().items) {
      const told = renderPlacedItem(item, this.style);
      if (before.get(item.key) !== told) print(`${this.#numberOf(item.key)}. ${told}\n`);
    }
  }

  #carryOut(line: string): void {
    const [, key = "", number = "", text] = ABOUT_ITEM.exec(line) ?? [];
    const meant = this.#numbers[Number(number) - 1];
    const item = this.#live.facts().items.find((one) => one.key === meant);
    const takesText = ["=", "b", "n"].includes(key);
    const alone = ALONE[line];
    if (alone !== undefined) this.#press(alone);
    else if (number !== "" && (text === undefined || takesText)) {
      if (item === undefined) {
        const gone = meant === undefined ? t`there is no number ${number}` : t`number ${number} is off the list`;
        print(`${gone}\n`);
        return;
      }
      this.#live.select(item.key);
      this.#press(key === "" ? " " : key);
      if (takesText) this.#enter(text ?? "");
    } else {
      this.#press("a");
      this.#enter(line);
    }
  }

  /** What is new gets the next number. */
  #numberOf(key: ItemKey): number {
    if (!this.#numbers.includes(key)) this.#numbers.push(key);
    return this.#numbers.indexOf(key) + 1;
  }

  #press(text: string): void {
    this.#live.press({ name: text, ctrl: false, text });
  }

  #enter(text: string): void {
    this.#live.press({ name: "return", ctrl: false, text });
    // What could not be understood is asked for again, and not mended.
    const { message } = this.#live.state;
    this.#live.press({ name: "escape", ctrl: false, text: "" });
    this.#live.say(message);
  }

  #tellList(): void {
    const { name, items, waiting, isOnline, marks } = this.#live.facts();
    this.#numbers = items.map(({ key }) => key);
    const left = items.filter((item) => !isDone(item)).length;
    const lines = items.map((item, index) => {
      const by = marks.get(item.key);
      const news = by === undefined ? "" : t`  (new from ${displayable(by)})`;
      return `${index + 1}. ${renderPlacedItem(item, this.style)}${news}`;
    });
    const state = isOnline === null ? t("connecting") : isOnline ? t("online") : t("offline");
    const unsent = waiting === 0 ? "" : t`  ${waiting} waiting`;
    const counts = items.length === 0 ? t("nothing on it") : t`${left} of ${items.length} to get`;
    print(`\n${displayable(name)}  ${counts}  ${state}${unsent}\n${lines.map((line) => `${line}\n`).join("")}`);
    this.#live.seen();
  }
}

function help(): string {
  return t(`\
2 milk; flour, organic @baking: add items
3: tick off number 3, or not
+3, -3, =3 5: want more of it, less, so much
b3 2: so much is in the basket
n3 TEXT: write a note
d3: take it off the list; c: take off all that is bought
u: undo; s: sync now; l: another list; q: leave
Enter alone reads the list again, with what others have done.`);
}
