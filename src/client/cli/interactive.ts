import { cursorHide, cursorShow } from "@inquirer/ansi";
import { createPrompt, useEffect, useKeypress, useState, type KeypressEvent } from "@inquirer/core";
import type { ItemKey } from "../../crdt/item-key.js";
import type { ShoppingList } from "../../crdt/shopping-list.js";
import { print } from "../../runtime/output.js";
import { FIRST_STATE, paste, press, segments, type BoardState, type Effect } from "../board.js";
import { drawBoard, type BoardFacts } from "../board-view.js";
import { AisleError, EXIT } from "../errors.js";
import { rehearse } from "../intent.js";
import type { LocalList } from "../local-list.js";
import type { Style } from "../render.js";
import { suggestions } from "../suggestions.js";
import { displayable } from "../text.js";
import { nameOf, walkedItems } from "../views.js";
import { Watcher, type WatchListener } from "../watcher.js";
import type { Context } from "./context.js";
import { chooseList } from "./choose-list.js";
import { asAisleError } from "./failures.js";
import { ENDINGS, endBy, enterScreen, eraseScreen, leaveScreen } from "./own-screen.js";
import { undoChanges } from "./history.js";

/** More than that is no list of things to buy. */
const LONGEST_PASTE = 100_000;

/** How many names completion offers at a time. */
const MOST_OFFERED = 4;

/** The list on a terminal, live, until the person leaves. */
export async function interact(context: Context): Promise<void> {
  const style = await context.style();
  let list = await chooseList(context, false);
  for (;;) {
    const board = new Board(context, list, style);
    const outcome = await board.show();
    if (outcome === "quit") return;
    list = await chooseList(context, true);
  }
}

type Outcome = "quit" | "lists";

/** What inquirer gives a prompt to read keys from. */
type Keyboard = Parameters<Parameters<typeof useKeypress>[0]>[1];

/** One list's screen: keys go to the pure `press`, whatever it wants is carried out here. */
class Board implements WatchListener {
  #state: BoardState = FIRST_STATE;
  #isOnline: boolean | null = null;
  readonly #marks = new Map<ItemKey, string>();
  #ahead: ShoppingList | null = null;
  #waiting = 0;
  /** What has been pasted so far, while something is. */
  #paste: string | null = null;
  #watcher: Watcher | null = null;
  #redraw: () => void = () => undefined;
  #leave: (outcome: Outcome | AisleError) => void = () => undefined;
  /** Changes are made one after the other, as their keys were pressed. */
  #work: Promise<void> = Promise.resolve();

  constructor(
    readonly context: Context,
    private list: LocalList,
    readonly style: Style,
  ) {}

  /** @throws AisleError, or ExitPromptError after Ctrl-C */
  async show(): Promise<Outcome> {
    const synchronizer = await this.context.synchronizer();
    this.#watcher = new Watcher(this.list.id, synchronizer, synchronizer.session, this);
    // Whatever ends this program, the terminal is as it was.
    process.once("exit", leaveScreen);
    for (const signal of ENDINGS) process.once(signal, endBy);
    enterScreen();
    try {
      this.#watcher.start(this.context.options.offline === true);
      const outcome = await this.#prompt({}, { clearPromptOnDone: true });
      await this.#work;
      if (outcome instanceof AisleError) throw outcome;
      return outcome;
    } finally {
      this.#watcher.stop();
      process.removeListener("exit", leaveScreen);
      for (const signal of ENDINGS) process.removeListener(signal, endBy);
      leaveScreen();
    }
  }

  /** The list with what was asked for and is not done yet: keys come faster than disks. */
  get #shown(): ShoppingList {
    return this.#ahead ?? this.list.shown;
  }

  onList(list: LocalList): void {
    for (const { dot, key, by } of list.shown.history.operations()) {
      if (key === null || this.list.shown.seen.has(dot) || list.isOwn(dot.replica)) continue;
      this.#marks.set(key, by ?? "somebody");
    }
    this.list = list;
    if (list.isDeleted) {
      const hint = "`aisle undelete` brings it back for everyone";
      this.#leave(
        new AisleError(EXIT.notFound, "not-found", `${displayable(nameOf(list))} was deleted for everyone`, hint),
      );
    }
    this.#redraw();
  }

  onReachable(isReachable: boolean): void {
    this.#isOnline = isReachable;
    this.#redraw();
  }

  onFailure(error: unknown): void {
    this.#leave(asAisleError(error));
  }

  readonly #prompt = createPrompt<Outcome | AisleError, object>((_config, done) => {
    const [typed, setTyped] = useState("");
    const [drawn, setDrawn] = useState(0);
    this.#redraw = () => setDrawn(drawn + 1);
    this.#leave = done;
    useEffect((rl) => {
      const redraw = (): void => {
        // What the terminal made of the old lines is anybody's guess.
        print(eraseScreen);
        this.#redraw();
      };
      const suspend = (): void => {
        const { input } = rl as unknown as { readonly input: NodeJS.ReadStream };
        process.once("SIGCONT", () => {
          input.setRawMode(true);
          enterScreen();
          rl.resume();
          this.#redraw();
        });
        // The key is not through yet, and would be drawn on the screen that is left.
        setImmediate(() => {
          leaveScreen();
          input.setRawMode(false);
          // With all that started this program, such as npx: the shell waits for all of them.
          process.kill(0, "SIGTSTP");
        });
      };
      // Ctrl-D ends what can be typed, and so the rest.
      const close = (): void => done("quit");
      process.stdout.on("resize", redraw);
      rl.on("SIGTSTP", suspend);
      rl.on("close", close);
      return () => {
        rl.removeListener("close", close);
        process.stdout.off("resize", redraw);
        rl.removeListener("SIGTSTP", suspend);
      };
    }, []);
    useKeypress((key, rl) => {
      if (this.#pasted(key, rl, typed)) {
        setDrawn(drawn + 1);
        return;
      }
      const isEnter = key.name === "return" || key.name === "enter";
      // Enter has taken the line away already.
      const text = isEnter ? typed : rl.line;
      const before = this.#state.mode;
      const step = press(
        this.#state,
        walkedItems(this.#shown),
        { name: key.name, ctrl: key.ctrl, text },
        this.#completions(text),
      );
      this.#look(step.state);
      const wanted = step.effects.find((effect) => effect.type === "type");
      const isTyping = step.state.mode !== "browse" && step.state.mode !== "help";
      const next = wanted?.text ?? (isTyping && before === step.state.mode && !isEnter ? text : "");
      if (rl.line !== next) {
        rl.clearLine(0);
        if (next !== "") rl.write(next);
      }
      for (const effect of step.effects) this.#perform(effect, done);
      setTyped(next);
      setDrawn(drawn + 1);
    });
    const { columns, rows } = process.stdout;
    // Some terminals do not know their size.
    const size = { columns: columns > 0 ? columns : 80, rows: rows > 0 ? rows : 24 };
    const [above, below] = drawBoard(this.#state, this.#facts(), typed, this.#completions(typed), size, this.style);
    const isTyping = this.#state.mode !== "browse" && this.#state.mode !== "help";
    return [isTyping ? `${cursorShow}${above}` : `${above}${cursorHide}`, below];
  });

  /** What the cursor has been on is no news any more. */
  #look(next: BoardState): void {
    if (this.#state.cursor !== null && this.#state.cursor !== next.cursor) this.#marks.delete(this.#state.cursor);
    this.#state = next;
  }

  /**
   * What is pasted is text, whatever keys are in it. Looking at the list, or several lines of it, it is items to add; else it
   * belongs to what is typed. @returns whether the key was part of it
   */
  #pasted(key: KeypressEvent, rl: Keyboard, typed: string): boolean {
    const { name, sequence = "" } = key as KeypressEvent & { readonly sequence?: string };
    if (name === "paste-start") {
      this.#paste = "";
      return true;
    }
    if (this.#paste === null) return false;
    rl.clearLine(0);
    if (name !== "paste-end") {
      if (this.#paste.length < LONGEST_PASTE) this.#paste += sequence;
      return true;
    }
    const text = this.#paste.trim();
    this.#paste = null;
    const isLine = !/[\r\n]/.test(text) && this.#state.mode !== "browse" && this.#state.mode !== "help";
    if (isLine) rl.write(`${typed}${text}`);
    else {
      if (typed !== "") rl.write(typed);
      const { state, effects } = paste(this.#state, text);
      this.#state = state;
      for (const effect of effects) this.#perform(effect, () => undefined);
    }
    return !isLine;
  }

  #facts(): BoardFacts {
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

  #completions(text: string): readonly string[] {
    if (this.#state.mode !== "add") return [];
    const last = segments(text.replaceAll("\t", "")).at(-1) ?? "";
    return suggestions(this.list.shown, last)
      .slice(0, MOST_OFFERED)
      .map(({ name }) => name);
  }

  #perform(effect: Effect, done: (outcome: Outcome | AisleError) => void): void {
    switch (effect.type) {
      case "quit":
      case "lists":
        done(effect.type);
        break;
      case "sync":
        this.#watcher?.sync();
        break;
      case "change":
        this.#ahead = this.#shown.clone();
        rehearse(effect.intents, this.#ahead);
        this.#queue(async () => {
          await this.context.workspace.change(this.list.id, () => effect.intents);
          return "";
        });
        break;
      case "undo":
        this.#queue(async () => (await undoChanges(this.context, this.list.id, 1)).what);
        break;
      case "type":
        break;
    }
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
      this.#redraw();
    });
  }
}
