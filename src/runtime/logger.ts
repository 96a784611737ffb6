import { pino, destination, stdTimeFunctions, type Logger } from "pino";

export type { Logger };

/** Of lines that could not be written yet. */
const MOST_KEPT_BYTES = 2 ** 20;

/** One JSON line per event on stderr, written at once so that a crash loses none. Where there is no room for it the process goes on. */
export function openLogger(facts: Readonly<Record<string, unknown>>): Logger {
  const stderr = destination({ fd: 2, sync: true, maxLength: MOST_KEPT_BYTES });
  stderr.on("error", () => undefined);
  return pino({ base: { pid: process.pid, ...facts }, timestamp: stdTimeFunctions.isoTime }, stderr);
}
