import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** Has the driver bundled into the folder, by a process of its own: the bundler does not run inside jest. @returns its path */
export function bundledDriver(folder: string): string {
  const file = join(folder, "driver.cjs");
  const words = [
    "--disable-warning=ExperimentalWarning",
    "--import",
    "./scripts/ts-node.mjs",
    "test/crash/bundle.ts",
    file,
  ];
  execFileSync(process.execPath, words, { stdio: ["ignore", "ignore", "inherit"] });
  return file;
}
