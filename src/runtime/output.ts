import { fstatSync, statSync, writeSync } from "node:fs";
import { devNull } from "node:os";
import { isatty } from "node:tty";
import { isErrno } from "./errno.js";

const [STDIN, STDOUT, STDERR] = [0, 1, 2];

/** While a reader of a pipe that must not be waited for makes room. */
const FULL_PAUSE_MS = 5;

let failure: Error | null = null;
const onReaderGone: (() => void)[] = [];

/**
 * Writes to standard output, all of it before it returns: the streams of `process` take longer to set up than most commands
 * have to run. A reader such as `head` that has seen enough is no error, and no reason to leave work undone.
 */
export function print(text: string): void {
  if (failure !== null) return;
  try {
    writeAll(STDOUT, text);
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
    for (const then of onReaderGone.splice(0)) then();
  }
}

/** Writes to standard error; where nobody listens, nobody does. */
export function printError(text: string): void {
  try {
    writeAll(STDERR, text);
  } catch {
    // There is nowhere left to say so.
  }
}

/** What kept output from being written, if anything did that matters. */
export function outputFailure(): Error | null {
  return isErrno(failure, "EPIPE") ? null : failure;
}

/** Settles when nobody reads the output any more. */
export async function readerGone(): Promise<void> {
  if (failure === null) await new Promise<void>((resolve) => onReaderGone.push(resolve));
}

/** Whether a person reads what is printed. */
export function isOutputTerminal(): boolean {
  return isTerminal(STDOUT);
}

/** Whether a person reads what is said beside the output. */
export function isErrorTerminal(): boolean {
  return isTerminal(STDERR);
}

/** Whether a person can be asked. */
export function isInputTerminal(): boolean {
  return isTerminal(STDIN);
}

/** A file, a pipe and what is thrown away need no closer look, for which a good part of Node would have to be loaded. */
function isTerminal(descriptor: number): boolean {
  try {
    const device = fstatSync(descriptor);
    return device.isCharacterDevice() && device.rdev !== statSync(devNull).rdev && isatty(descriptor);
  } catch {
    // It is closed.
    return false;
  }
}

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.byteLength;) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      if (!isErrno(error, "EAGAIN")) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PAUSE_MS);
    }
  }
}
