import type { Millis } from "../protocol/machine.js";

/** Never jumps and never goes back: for time-outs and heartbeats. */
export function monotonicMs(): Millis {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1_000_000;
}

/** Milliseconds since 1970, as the machine believes, which may be wrong: for people, and for what expires. */
export function wallClockMs(): number {
  return Date.now();
}
