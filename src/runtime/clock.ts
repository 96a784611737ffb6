import { performance } from "node:perf_hooks";
import type { Millis } from "../protocol/machine.js";

/** Never jumps and never goes back: for time-outs and heartbeats. */
export function monotonicMs(): Millis {
  return performance.now();
}

/** Milliseconds since 1970, as the machine believes: only ever shown to people. */
export function wallClockMs(): number {
  return Date.now();
}
