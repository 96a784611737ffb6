import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a process takes itself for whose files have to have names that are known beforehand. */
export const FIXED_PID = 4_242;

/** As many bytes as a client draws from the kernel at a time. */
const DRAWN_BYTES = 512;

/**
 * A file for `node --require` that lets the client have this number, and draw the same random bytes at every run with the
 * same `CRASH_RANDOM`, a file that `fixedRandom` made.
 */
export function fixingPreload(folder: string): string {
  const path = join(folder, "fixed.cjs");
  const lines = [
    'const fs = require("node:fs");',
    "const open = fs.openSync;",
    'fs.openSync = (path, ...rest) => open(path === "/dev/urandom" ? process.env.CRASH_RANDOM : path, ...rest);',
    `Object.defineProperty(process, "pid", { value: ${FIXED_PID} });`,
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

/** A file of bytes that follow from the name. */
export function fixedRandom(folder: string, name: string): string {
  const path = join(folder, `random-${name}`);
  const blocks = Array.from({ length: DRAWN_BYTES / 64 }, (_, index) =>
    createHash("sha512").update(`${name} ${index}`).digest(),
  );
  writeFileSync(path, Buffer.concat(blocks));
  return path;
}
