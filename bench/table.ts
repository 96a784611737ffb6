import { appendFileSync } from "node:fs";
import { cpus } from "node:os";

/** One line of what a benchmark found. */
export interface Row {
  readonly name: string;
  readonly figure: string;
  /** To the first row, where there is anything to compare. */
  readonly ratio?: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Milliseconds that it takes. */
export function timed(work: () => unknown): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

/** What one call of `report` found, as `main.ts` gathers it. */
export interface Table {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** Prints what was measured, what it was measured against, and whether it is what it should be. */
export function report(title: string, rows: readonly Row[]): void {
  const { AISLE_BENCH_RECORD: record } = process.env;
  if (record !== undefined) appendFileSync(record, `${JSON.stringify({ title, rows } satisfies Table)}\n`);
  console.log(`${title}; node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}\n`);
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const row of rows) {
    const { name, figure, ratio } = row;
    const compared = ratio === undefined ? "" : `${ratio.toFixed(2).padStart(6)} ×  ${verdictOn(row)}`;
    console.log(`${name.padEnd(width)}  ${figure.padStart(18)}  ${compared}`.trimEnd());
  }
  console.log();
}

/** Whether the ratio is what it should be, where it should be anything. */
export function verdictOn({ ratio, atLeast, atMost }: Row): string {
  const target = atLeast ?? atMost;
  if (target === undefined || ratio === undefined) return "";
  const isMet = (atLeast === undefined || ratio >= atLeast) && (atMost === undefined || ratio <= atMost);
  return `(at ${atLeast === undefined ? "most" : "least"} ${target}: ${isMet ? "yes" : "NO"})`;
}

/** Says what could not be measured here. */
export function skip(what: string, why = ""): void {
  console.log(`SKIPPED ${what}\n${why}`);
}
