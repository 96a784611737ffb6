import { constants } from "node:os";
import { cursorShow } from "@inquirer/ansi";
import { print } from "../../runtime/output.js";

export const eraseScreen = "\u001b[2J\u001b[H";

/** A screen of its own, as editors have: what was there before comes back when it ends. */
export function enterScreen(): void {
  print(`\u001b[?1049h\u001b[?2004h${eraseScreen}`);
}

export function leaveScreen(): void {
  print(`\u001b[?2004l\u001b[?1049l${cursorShow}`);
}

/** What others may end this program with, and leave no time for anything else. */
export const ENDINGS = ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"] as const;

export function endBy(signal: NodeJS.Signals): never {
  leaveScreen();
  process.stdin.setRawMode(false);
  process.exit(128 + constants.signals[signal]);
}
