import { AisleError, EXIT, usageError } from "./client/errors.js";
import { untilAskedToStop } from "./runtime/signals.js";

export interface Service {
  stop(): Promise<void>;
  readonly failed?: Promise<never>;
  readonly left?: Promise<void>;
}

export type UntilStopped = (start: () => Promise<Service>) => Promise<void>;

/** Runs a service until it is asked to stop or cannot go on, then lets it finish. @throws AisleError */
export async function runService(start: () => Promise<Service>, onStarted: () => void): Promise<void> {
  const service = await start().catch(explain);
  onStarted();
  try {
    await untilAskedToStop(...[service.failed, service.left].filter((reason) => reason !== undefined));
  } catch (error) {
    explain(error);
  } finally {
    await service.stop();
  }
}

/** What keeps a service from running is as a rule the operator's to mend, and said in one line. */
function explain(error: unknown): never {
  if (error instanceof RangeError) throw usageError(error.message);
  const message = error instanceof Error ? error.message : String(error);
  throw new AisleError(
    EXIT.failed,
    "service-failed",
    `the service cannot run: ${message}`,
    "see its log and docs/operations.md",
  );
}
