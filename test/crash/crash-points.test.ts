import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { crashTable, LONG, SHORT } from "./crash-table.js";
import { tracingProblem } from "./strace.js";
import { tableOf } from "./table.js";

const problem = tracingProblem();
const scratch = mkdtempSync(join(tmpdir(), "aisle-crash-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("a kill, EIO and ENOSPC at every kind of call that changes a folder", () => {
  if (problem !== null) {
    it.skip(`cannot be tried here: ${problem}`, () => undefined);
    return;
  }

  it("lose nothing that was acknowledged, leave nothing that was never written, and are survived", async () => {
    const rows = await crashTable(scratch, process.env.AISLE_LONG === undefined ? SHORT : LONG);
    const wrong = rows.filter(({ problems, lost }) => problems.length > 0 || lost > 0);
    if (wrong.length > 0) console.log(tableOf(wrong));
    expect(wrong.flatMap(({ problems }) => problems)).toEqual([]);
    const sum = (count: (row: (typeof rows)[number]) => number): number =>
      rows.reduce((all, row) => all + count(row), 0);
    const reached = sum(({ runs }) => runs);
    // Work on files keeps its order by and large: now and then a run does not come to the call that was chosen.
    expect(reached).toBeGreaterThan(0.9 * (reached + sum(({ passed }) => passed)));
    console.log(
      `${rows.length} kinds of faults, ${reached} runs, ${sum((row) => row.acknowledged)} acknowledged, 0 lost`,
    );
  });
});
