import { total, type Rows } from "./rows.js";

/**
 * A counter that only grows: each replica adds to its own total, and the value is the sum of all totals (Shapiro et al.,
 * "A comprehensive study of CRDTs", 2011, specification 6). It is one column of rows, which it looks at.
 */
export class GCounter {
  constructor(
    readonly rows: Rows,
    readonly column: number,
  ) {}

  value(): number {
    return total(this.rows, this.column);
  }
}
