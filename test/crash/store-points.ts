import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DriverOptions } from "./driver.js";
import { checkFolder, Ledger, type Verdict } from "./ledger.js";
import { faulted, pointsOf, type Fault, type Point, type Program } from "./strace.js";
import { trialsOf, type Trial } from "./table.js";

const SEED = 20_261;
/** So small that a short run goes through many of them. */
const SEGMENT_BYTES = 4_000;

interface Setting {
  readonly workload: string;
  readonly writers: readonly [number, number];
  /** What is in the folder before, and what was said while it came there. */
  readonly template: string | null;
  readonly said: readonly string[];
}

/** Faults in a store's folder: at the first start and at a start on what a killed process left. */
export class StorePoints {
  constructor(
    readonly scratch: string,
    readonly driver: string,
    readonly steps: number,
  ) {}

  async trials(): Promise<readonly Trial[]> {
    const fresh: Setting = { workload: "store, new", writers: [0, 3], template: null, said: [] };
    const { folder: template, lines: said } = await this.#dryRun(fresh, true);
    const left: Setting = { workload: "store, left by a kill", writers: [3, 6], template, said };
    const trials: Trial[] = [];
    for (const setting of [fresh, left]) {
      const { points } = await this.#dryRun(setting, false);
      const run = async (point: Point, fault: Fault): Promise<Verdict | null> => await this.#run(setting, point, fault);
      trials.push(...trialsOf(setting.workload, points, run));
    }
    return trials;
  }

  async #dryRun(
    setting: Setting,
    dies: boolean,
  ): Promise<{ folder: string; lines: readonly string[]; points: readonly Point[] }> {
    const { folder, log, program } = this.#place(setting, dies);
    const { points, run } = await pointsOf(program, folder, log);
    const lines = run.stdout.split("\n");
    if (!dies && !lines.includes("end"))
      throw new Error(`the driver failed by itself: ${run.stdout.slice(-500)}${run.stderr}`);
    return { folder, lines, points };
  }

  #place({ template, writers }: Setting, dies: boolean): { folder: string; log: string; program: Program } {
    const place = mkdtempSync(join(this.scratch, "run-"));
    const folder = join(place, "store");
    if (template === null) mkdirSync(folder);
    else cpSync(template, folder, { recursive: true });
    const { steps } = this;
    const options: DriverOptions = { folder, seed: SEED, writers, steps, segmentBytes: SEGMENT_BYTES, dies };
    return { folder, log: join(place, "trace"), program: { words: [this.driver, JSON.stringify(options)] } };
  }

  async #run(setting: Setting, point: Point, fault: Fault): Promise<Verdict | null> {
    const { folder, log, program } = this.#place(setting, false);
    const run = await faulted(program, folder, log, point, fault);
    const lines = run.stdout.split("\n");
    const { problems, ...verdict } = await checkFolder(
      folder,
      new Ledger(SEED, [...setting.said, ...lines]),
      SEGMENT_BYTES,
    );
    rmSync(join(folder, ".."), { recursive: true });
    if (!run.isHit) return null;
    const ownEnd = fault === "kill" ? [] : endOf(lines, run.code, run.stderr);
    return { ...verdict, problems: [...problems, ...ownEnd] };
  }
}

/** After an error the process goes on to its end, or says in one line why it cannot start. */
function endOf(lines: readonly string[], code: number | null, stderr: string): readonly string[] {
  const damage = lines.filter((line) => line.startsWith("damage"));
  if (lines.includes("end") && code === 0 && stderr === "") return damage;
  const hasStarted = lines.some((line) => line.startsWith("acknowledged"));
  const isTold = lines.some((line) => line.startsWith("failed"));
  if (!hasStarted && isTold && code === 1 && stderr === "") return damage;
  return [...damage, `the process ended with ${code ?? "a signal"}: ${lines.at(-2) ?? ""} ${stderr.slice(0, 300)}`];
}
