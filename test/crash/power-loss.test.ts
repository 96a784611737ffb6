import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { bundledDriver } from "./bundled-driver.js";
import { FILE_SYSTEMS, type FileSystem } from "./mounts.js";
import { clientLosses, lineOf, powerProblem, storeLosses } from "./power-loss.js";

const ROUNDS = process.env.AISLE_LONG === undefined ? 3 : 100;

const scratch = mkdtempSync(join(tmpdir(), "aisle-power-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const problems = new Map<FileSystem, string | null>();
for (const fileSystem of FILE_SYSTEMS) problems.set(fileSystem, await powerProblem(fileSystem));

describe.each(FILE_SYSTEMS)("the loss of power on %s", (fileSystem) => {
  const problem = problems.get(fileSystem) ?? null;
  if (problem !== null) {
    it.skip(`cannot be had here: ${problem}`, () => undefined);
    return;
  }

  it("takes nothing that a store acknowledged to many writers", async () => {
    const losses = await storeLosses(fileSystem, ROUNDS, bundledDriver(scratch));
    console.log(lineOf(losses));
    expect(losses).toMatchObject({ rounds: ROUNDS, lost: 0, problems: [] });
    expect(losses.acknowledged).toBeGreaterThan(ROUNDS);
  });

  it("takes no change whose command exited 0", async () => {
    const losses = await clientLosses(fileSystem, ROUNDS);
    console.log(lineOf(losses));
    expect(losses).toMatchObject({ rounds: ROUNDS, lost: 0, problems: [] });
  });
});
