import { pino, destination, stdTimeFunctions, type Logger } from "pino";

export type { Logger };

/** One JSON line per event on stderr, written at once so that a crash loses none. */
export function openLogger(facts: Readonly<Record<string, unknown>>): Logger {
  return pino(
    { base: { pid: process.pid, ...facts }, timestamp: stdTimeFunctions.isoTime },
    destination({ fd: 2, sync: true }),
  );
}
