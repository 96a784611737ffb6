import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, describe, expect, it } from "@jest/globals";
import { bundledDriver } from "./bundled-driver.js";
import type { DriverOptions } from "./driver.js";
import { filesIn, lengthOf } from "./files.js";
import { faulted, ran, tracingProblem, type Program } from "./strace.js";

const problem = tracingProblem();
const scratch = mkdtempSync(join(tmpdir(), "aisle-unreadable-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("a sector that the disk cannot read any more", () => {
  if (problem !== null) {
    it.skip(`cannot be had here: ${problem}`, () => undefined);
    return;
  }

  const folder = join(scratch, "store");
  const program = (driver: string, writers: readonly [number, number], dies: boolean): Program => {
    const options: DriverOptions = { folder, seed: 7, writers, steps: 30, segmentBytes: 4_000, dies };
    return { words: [driver, JSON.stringify(options)] };
  };

  it("in any file of a store is told of, and the store opens and takes writes", async () => {
    const driver = bundledDriver(scratch);
    mkdirSync(folder);
    await ran(program(driver, [0, 3], false));
    await ran(program(driver, [3, 6], true));
    const template = join(scratch, "template");
    cpSync(folder, template, { recursive: true });
    const files = filesIn(template).filter((path) => /\/(journal|snapshots)\//.test(path) && lengthOf(path) > 0);
    expect(files.length).toBeGreaterThan(1);
    const outcomes: Record<string, string> = {};
    for (const path of files.map((file) => relative(template, file))) {
      for (const call of ["read", "pread64"]) {
        rmSync(folder, { recursive: true });
        cpSync(template, folder, { recursive: true });
        const point = { call, kind: path, paths: [path], nth: 1 };
        const run = await faulted(program(driver, [6, 7], false), folder, join(scratch, "trace"), point, "EIO");
        const lines = run.stdout.trim().split("\n");
        const isTold = lines.some((line) => line.startsWith("damage"));
        // Not every file is read in both ways.
        if (run.isHit) outcomes[`${call} ${path}`] = `${isTold ? "told of" : "not told of"}, ${lines.at(-1) ?? ""}`;
      }
    }
    expect(Object.values(outcomes).length).toBeGreaterThan(1);
    expect(outcomes).toEqual(Object.fromEntries(Object.keys(outcomes).map((at) => [at, "told of, end"])));
  });
});
