import { randomBytes, randomInt } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

/** As many names as are drawn from the kernel at a time. */
const DRAWN = 64;
const ID_BYTES = 8;

let drawn: Buffer = Buffer.alloc(0);
let used = 0;

/** 64 random bits as 11 characters of base64url: names replicas, operations, requests and connections. */
export function randomId(): string {
  if (used >= drawn.byteLength) [drawn, used] = [draw(DRAWN * ID_BYTES), 0];
  used += ID_BYTES;
  return drawn.toString("base64url", used - ID_BYTES, used);
}

/** From the kernel itself where it has a file for that: a short command would spend longer on loading node:crypto than on its work. */
function draw(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  try {
    const file = openSync("/dev/urandom", "r");
    try {
      if (readSync(file, buffer) === bytes) return buffer;
    } finally {
      closeSync(file);
    }
  } catch {
    // Not every system has that file.
  }
  return randomBytes(bytes);
}

/** 128 random bits as 22 characters of base64url: what only its holder can know. */
export function randomSecret(): string {
  return randomBytes(16).toString("base64url");
}

/** Where the numbers of one run's questions begin: so far from those of any other run that none is used twice. */
export function randomTag(): number {
  return randomInt(2 ** 20) * 2 ** 32 + 1;
}

/** Uniform in [0, 1). */
export function randomFraction(): number {
  return randomInt(2 ** 40) / 2 ** 40;
}
