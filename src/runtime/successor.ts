import { spawn } from "node:child_process";
import { replaceFile } from "./durable-file.js";

/**
 * Starts this program again with the same words, and ends this run of it. The file that says which process it is will name
 * the new one.
 */
export async function handOverTo(pidFile: string): Promise<never> {
  const words = [...process.execArgv, ...process.argv.slice(1)];
  const child = spawn(process.execPath, words, { detached: true, stdio: ["ignore", "ignore", "inherit"] });
  child.unref();
  await replaceFile(pidFile, `${child.pid ?? 0}\n`);
  process.exit(0);
}
