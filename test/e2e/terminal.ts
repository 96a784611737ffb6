import { execFileSync, spawnSync } from "node:child_process";
import { program } from "./harness.js";

/** Whether there is a terminal to be had: tmux is a real one, with a pty, that a test can type in and look at. */
export const HAS_TERMINAL = spawnSync("tmux", ["-V"]).status === 0;

/** A bound for hangs: what ends a wait is what appears on the screen. */
const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 40;

let terminals = 0;

/** A terminal with a shell in it, in which `aisle` is the program that was built. */
export class Terminal {
  readonly #socket = `aisle-test-${process.pid}-${++terminals}`;

  constructor(env: NodeJS.ProcessEnv, columns = 80, rows = 24) {
    const given = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value ?? ""}`]);
    const size = ["-x", `${columns}`, "-y", `${rows}`];
    this.#tmux("-f", "/dev/null", "new-session", "-d", "-s", "t", ...size, ...given, "bash --norc --noprofile");
    this.run(`PS1='$ '; aisle() { '${process.execPath}' '${program}' "$@"; }; clear`);
  }

  /** Keys by tmux's names; anything else is typed as it is. */
  press(...keys: readonly string[]): void {
    for (const key of keys)
      this.#tmux("send-keys", "-t", "t", ...(/^(Enter|Escape|Space|Tab|Up|Down|C-.)$/.test(key) ? [key] : ["-l", key]));
  }

  /** Text as a terminal pastes it, in brackets where that was asked for. */
  paste(text: string): void {
    this.#tmux("set-buffer", text);
    this.#tmux("paste-buffer", "-p", "-t", "t");
  }

  /** A line for the shell. */
  run(line: string): void {
    this.press(line, "Enter");
  }

  screen(): string {
    return this.#tmux("capture-pane", "-p", "-t", "t").replace(/\s+$/u, "");
  }

  /** Waits until the screen shows all of these, and none of those that begin with `!`. */
  async shows(...texts: readonly string[]): Promise<string> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const screen = this.screen();
      if (texts.every((text) => (text.startsWith("!") ? !screen.includes(text.slice(1)) : screen.includes(text))))
        return screen;
      if (Date.now() > deadline) throw new Error(`never seen: ${texts.join(" and ")}; but\n${screen}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-t", "t", "-x", `${columns}`, "-y", `${rows}`);
  }

  close(): void {
    spawnSync("tmux", ["-L", this.#socket, "kill-server"]);
  }

  #tmux(...words: readonly string[]): string {
    return execFileSync("tmux", ["-L", this.#socket, ...words], {
      encoding: "utf8",
      env: { ...process.env, TERM: "xterm-256color", LC_ALL: "C.UTF-8" },
    });
  }
}
