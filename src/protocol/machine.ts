/** Milliseconds on some monotonic clock; only differences mean anything. */
export type Millis = number;

/**
 * A role's pure decisions. A shell turns IO into events, performs the effects in order, and calls `step` with a `tick`
 * event of the role's own once `nextDeadline` has passed. The same machine runs in production and in simulation.
 */
export interface Machine<Event, Effect> {
  step(now: Millis, event: Event): readonly Effect[];
  nextDeadline(): Millis | null;
}
