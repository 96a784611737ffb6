/** `npm run power-loss [ROUNDS]`: the power is lost under a store and under a device, on real file systems. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundledDriver } from "./bundled-driver.js";
import { FILE_SYSTEMS } from "./mounts.js";
import { clientLosses, lineOf, powerProblem, storeLosses, type Losses } from "./power-loss.js";

const count = Number(process.argv[2] ?? 100);
const scratch = mkdtempSync(join(tmpdir(), "aisle-power-"));
const tell = (losses: Losses): void => {
  console.log(lineOf(losses));
  for (const problem of losses.problems) console.log(`  ${problem}`);
  if (losses.problems.length > 0) process.exitCode = 1;
};
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
try {
  const driver = bundledDriver(scratch);
  for (const fileSystem of FILE_SYSTEMS) {
    const problem = await powerProblem(fileSystem);
    if (problem !== null) {
      console.log(`nothing was tried on ${fileSystem}: ${problem}`);
      continue;
    }
    tell(await storeLosses(fileSystem, count, driver));
    tell(await clientLosses(fileSystem, count));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
