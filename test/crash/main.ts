/** `npm run crash-table`: every fault at every kind of call, and what was left, as a table. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crashTable, LONG } from "./crash-table.js";
import { tracingProblem } from "./strace.js";
import { tableOf } from "./table.js";

const problem = tracingProblem();
if (problem !== null) {
  console.log(`nothing was tried: ${problem}`);
} else {
  const scratch = mkdtempSync(join(tmpdir(), "aisle-crash-"));
  try {
    const rows = await crashTable(scratch, LONG, (done, total) => {
      if (done % 100 === 0) console.error(`${done} of ${total} runs`);
    });
    console.log(tableOf(rows));
    for (const { workload, call, fault, problems } of rows)
      for (const one of problems) console.log(`${workload}, ${call}, ${fault}, ${one.split("\n")[0] ?? ""}`);
    process.exitCode = rows.some(({ problems }) => problems.length > 0) ? 1 : 0;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
