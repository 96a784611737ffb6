import { cursorHide, cursorShow } from "@inquirer/ansi";
import { createPrompt, useEffect, useKeypress, useState, type KeypressEvent } from "@inquirer/core";
import { print } from "../../runtime/output.js";
import { paste } from "../board.js";
import { drawBoard } from "../board-view.js";
import { AisleError } from "../errors.js";
import type { LocalList } from "../local-list.js";
import type { Style } from "../render.js";
import type { Context } from "./context.js";
import { LiveList, type Outcome } from "./live-list.js";
import { ENDINGS, endBy, enterScreen, eraseScreen, leaveScreen } from "./own-screen.js";

/** More than that is no list of things to buy. */
const LONGEST_PASTE = 100_000;

/** What inquirer gives a prompt to read keys from. */
type Keyboard = Parameters<Parameters<typeof useKeypress>[0]>[1];

/** One list on a screen of its own. */
export class Screen {
  readonly #live: LiveList;
  /** What has been pasted so far, while something is. */
  #paste: string | null = null;
  #redraw: () => void = () => undefined;
  #leave: (outcome: Outcome | AisleError) => void = () => undefined;

  constructor(
    context: Context,
    list: LocalList,
    readonly style: Style,
  ) {
    const display = {
      redraw: () => {
        this.#redraw();
      },
      leave: (outcome: Outcome | AisleError) => {
        this.#leave(outcome);
      },
    };
    this.#live = new LiveList(context, list, display);
  }

  get #isTyping(): boolean {
    const { mode } = this.#live.state;
    return mode !== "browse" && mode !== "help";
  }

  /** @throws AisleError, or ExitPromptError after Ctrl-C */
  async show(): Promise<Outcome> {
    // Whatever ends this program, the terminal is as it was.
    process.once("exit", leaveScreen);
    for (const signal of ENDINGS) process.once(signal, endBy);
    enterScreen();
    try {
      await this.#live.start();
      const outcome = await this.#prompt({}, { clearPromptOnDone: true });
      await this.#live.idle();
      if (outcome instanceof AisleError) throw outcome;
      return outcome;
    } finally {
      process.removeListener("exit", leaveScreen);
      for (const signal of ENDINGS) process.removeListener(signal, endBy);
      leaveScreen();
      await this.#live.stop();
    }
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
      const before = this.#live.state.mode;
      const wanted = this.#live.press({ name: key.name, ctrl: key.ctrl, text });
      const isStill = before === this.#live.state.mode && this.#isTyping && !isEnter;
      const next = wanted ?? (isStill ? text : "");
      if (rl.line !== next) {
        rl.clearLine(0);
        if (next !== "") rl.write(next);
      }
      setTyped(next);
      setDrawn(drawn + 1);
    });
    const { columns, rows } = process.stdout;
    // Some terminals do not know their size.
    const size = { columns: columns > 0 ? columns : 80, rows: rows > 0 ? rows : 24 };
    const { state } = this.#live;
    const completions = this.#live.completions(typed);
    const [above, below] = drawBoard(state, this.#live.facts(), typed, completions, size, this.style);
    return [this.#isTyping ? `${cursorShow}${above}` : `${above}${cursorHide}`, below];
  });

  /**
   * What is pasted is text, whatever keys are in it. Looking at the list, or several lines while one adds, it is items to add; else
   * it belongs to what is typed. @returns whether the key was part of it
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
    const isAdding = !this.#isTyping || this.#live.state.mode === "add";
    const isLine = this.#isTyping && !(isAdding && /[\r\n]/.test(text));
    if (isLine) rl.write(`${typed}${text.replace(/\s*[\r\n]\s*/g, " ")}`);
    else {
      if (typed !== "") rl.write(typed);
      this.#live.take(paste(this.#live.state, text));
    }
    return !isLine;
  }
}
