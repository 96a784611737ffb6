import { bundledDriver } from "./bundled-driver.js";
import { ClientPoints } from "./client-points.js";
import { StorePoints } from "./store-points.js";
import { chosen, tried, type Row } from "./table.js";

export interface Extent {
  /** How many each writer to a store makes. */
  readonly steps: number;
  /** How many runs there are at most for each kind of call and each fault. */
  readonly runs: number;
}

export const SHORT: Extent = { steps: 30, runs: 1 };
export const LONG: Extent = { steps: 60, runs: 24 };

/** Tries everything in a scratch folder, on a store's folder and on a device's. */
export async function crashTable(
  scratch: string,
  { steps, runs }: Extent,
  onRun: (done: number, total: number) => void = () => undefined,
): Promise<readonly Row[]> {
  const store = await new StorePoints(scratch, bundledDriver(scratch), steps).trials();
  const client = await new ClientPoints(scratch).trials();
  const trials = chosen([...store, ...client], runs);
  return await tried(trials, (done) => onRun(done, trials.length));
}
