import { availableParallelism } from "node:os";
import { FAULTS, type Fault, type Point } from "./strace.js";
import type { Verdict } from "./ledger.js";

/** One thing to try: a fault at a point of a workload. */
export interface Trial {
  readonly workload: string;
  readonly point: Point;
  readonly fault: Fault;
  /** Runs it and checks what it left; null where the run did not come to that point. */
  readonly run: () => Promise<Verdict | null>;
}

/** What all trials at one kind of point came to. */
export interface Row {
  readonly workload: string;
  readonly call: string;
  readonly fault: Fault;
  runs: number;
  /** Runs that took another way and did not come to the point. */
  passed: number;
  acknowledged: number;
  lost: number;
  readonly problems: string[];
}

export function trialsOf(
  workload: string,
  points: readonly Point[],
  run: (point: Point, fault: Fault) => Promise<Verdict | null>,
): readonly Trial[] {
  return points.flatMap((point) =>
    FAULTS.map((fault) => ({ workload, point, fault, run: async () => await run(point, fault) })),
  );
}

/**
 * Of each row at most so many trials: the first two, and later ones spread evenly up to the last. Of one alone it is by turns
 * the first, the second and one in the middle.
 */
export function chosen(trials: readonly Trial[], most: number): readonly Trial[] {
  const rows = new Map<string, Trial[]>();
  for (const trial of trials) rows.set(rowOf(trial), [...(rows.get(rowOf(trial)) ?? []), trial]);
  return [...rows.values()].flatMap((row, index) => {
    if (row.length <= most) return row;
    if (most === 1) return row.slice([0, 1, Math.floor(row.length / 2)][index % 3]).slice(0, 1);
    const later = Array.from({ length: most - 2 }, (_, at) => Math.round(((at + 1) / (most - 2)) * (row.length - 1)));
    return row.filter((_, at) => at < 2 || later.includes(at));
  });
}

function rowOf({ workload, point, fault }: Trial): string {
  return `${workload} ${point.call} ${point.kind} ${fault}`;
}

/** Runs all trials, as many at a time as there are processors. */
export async function tried(trials: readonly Trial[], onRow: (done: number) => void = () => undefined): Promise<Row[]> {
  const rows = new Map<string, Row>();
  for (const trial of trials) {
    const { workload, point, fault } = trial;
    const call = `${point.call} ${point.kind}`;
    rows.set(rowOf(trial), { workload, call, fault, runs: 0, passed: 0, acknowledged: 0, lost: 0, problems: [] });
  }
  const waiting = [...trials];
  let done = 0;
  const work = async (): Promise<void> => {
    for (let trial = waiting.shift(); trial !== undefined; trial = waiting.shift()) {
      const row = rows.get(rowOf(trial));
      const verdict = await trial.run();
      if (row !== undefined) note(row, trial.point, verdict);
      onRow(++done);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return [...rows.values()];
}

function note(row: Row, { nth }: Point, verdict: Verdict | null): void {
  if (verdict === null) {
    row.passed++;
    return;
  }
  row.runs++;
  row.acknowledged += verdict.acknowledged;
  row.lost += verdict.lost;
  // No fault that was injected damages anything.
  const damage = verdict.damage.map((problem) => `damage: ${problem}`);
  for (const problem of [...verdict.problems, ...damage]) row.problems.push(`at number ${nth}: ${problem}`);
}

const HEADINGS = ["workload", "call", "fault", "runs", "acknowledged", "lost", "result"] as const;

/** The rows as lines of a table, and the sums below. */
export function tableOf(rows: readonly Row[]): string {
  const sum = (count: (row: Row) => number): number => rows.reduce((total, row) => total + count(row), 0);
  const cells = rows.map(({ workload, call, fault, runs, acknowledged, lost, problems }) => {
    const result =
      problems.length > 0 ? `WRONG: ${problems[0]?.split("\n")[0] ?? ""}` : runs === 0 ? "not reached" : "whole";
    return [workload, call, fault, runs, acknowledged, lost, result].map(String);
  });
  const wrong = rows.filter(({ problems }) => problems.length > 0).length;
  const total = [
    `${rows.length} rows`,
    "",
    "",
    ...[sum(({ runs }) => runs), sum(({ acknowledged }) => acknowledged), sum(({ lost }) => lost)].map(String),
    `${wrong} rows wrong`,
  ];
  const lines = [[...HEADINGS], ...cells, total];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
