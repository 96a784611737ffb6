import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { NO_POSTGRES, primaryForAll } from "../server/postgres.js";

const SHORT = ["two-devices", "access"];
const LONG = [...SHORT, "accounts", "scripts", "terminal"];
const SUITES = process.env.AISLE_LONG === undefined ? SHORT : LONG;

interface Summary {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly success: boolean;
}

const suite = NO_POSTGRES === null ? describe : describe.skip;

suite("clusters whose servers share a PostgreSQL database", () => {
  const primary = primaryForAll();

  it("pass the end-to-end tests of those with journals", () => {
    const suites = SUITES.map((name) => `test/e2e/${name}.test.ts`);
    const words = [resolve("node_modules/jest/bin/jest.js"), "--json", "--runInBand", ...suites];
    const { stdout, stderr } = spawnSync(process.execPath, words, {
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
      timeout: 580_000,
      env: { ...process.env, AISLE_TEST_DATABASE: `postgres://aisle@127.0.0.1:${primary().port}/aisle` },
    });
    const { numPassedTests, numFailedTests, success } = JSON.parse(stdout) as Summary;
    expect({ success, numFailedTests, problems: success ? "" : stderr }).toEqual({
      success: true,
      numFailedTests: 0,
      problems: "",
    });
    expect(numPassedTests).toBeGreaterThan(20);
  }, 600_000);
});
