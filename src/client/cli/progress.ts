import { monotonicMs } from "../../runtime/clock.js";
import { isErrorTerminal, printError } from "../../runtime/output.js";
import { t } from "../messages.js";

/** What is over sooner needs no telling. */
const TELL_AFTER_MS = 300;
const TELL_EVERY_MS = 100;

/** Tells a person at a terminal how far long work has come, on a line that is gone when it is done. */
export function progress(what: string): (done: number, total: number) => void {
  let tellAt = monotonicMs() + TELL_AFTER_MS;
  let isTold = false;
  return (done, total) => {
    if (done < total && monotonicMs() < tellAt) return;
    tellAt = monotonicMs() + TELL_EVERY_MS;
    if (done < total && isErrorTerminal()) {
      isTold = true;
      printError(`\r${t`${what}: ${done} of ${total}`}`);
    } else if (isTold) printError("\r\u001b[K");
  };
}
