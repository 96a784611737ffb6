import { cpus } from "node:os";

/** One line of what a benchmark found. */
export interface Row {
  readonly name: string;
  readonly figure: string;
  /** To the first row. */
  readonly ratio: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Prints what was measured, what it was measured against, and whether it is what it should be. */
export function report(title: string, rows: readonly Row[]): void {
  console.log(`${title}; node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}\n`);
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const { name, figure, ratio, atLeast, atMost } of rows) {
    const isMet = (atLeast === undefined || ratio >= atLeast) && (atMost === undefined || ratio <= atMost);
    const target = atLeast ?? atMost;
    const wanted =
      target === undefined
        ? ""
        : `  (at ${atLeast === undefined ? "most" : "least"} ${target}: ${isMet ? "yes" : "NO"})`;
    console.log(`${name.padEnd(width)}  ${figure.padStart(18)}  ${ratio.toFixed(2).padStart(6)} ×${wanted}`);
  }
  console.log();
}
