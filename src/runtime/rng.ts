import { randomFillSync } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

/** Drawn from the kernel at a time. */
const DRAWN_BYTES = 512;
const ID_BYTES = 8;
const SECRET_BYTES = 16;

const drawn = Buffer.alloc(DRAWN_BYTES);
let used = DRAWN_BYTES;

/** 64 random bits as 11 characters of base64url: names replicas, operations, requests and connections. */
export function randomId(): string {
  return take(ID_BYTES).toString("base64url");
}

/** 128 random bits as 22 characters of base64url: what only its holder can know. */
export function randomSecret(): string {
  return take(SECRET_BYTES).toString("base64url");
}

/** Where the numbers of one run's questions begin: so far from those of any other run that none is used twice. */
export function randomTag(): number {
  return (take(4).readUInt32LE() >>> 12) * 2 ** 32 + 1;
}

/** Uniform in [0, 1). */
export function randomFraction(): number {
  return take(4).readUInt32LE() / 2 ** 32;
}

/** Random bytes, each given out once; good until the next are taken. */
function take(bytes: number): Buffer {
  if (used + bytes > DRAWN_BYTES) {
    draw();
    used = 0;
  }
  return drawn.subarray(used, (used += bytes));
}

/** From the kernel itself where it has a file for that: a short command would spend longer on loading node:crypto than on its work. */
function draw(): void {
  try {
    const file = openSync("/dev/urandom", "r");
    try {
      if (readSync(file, drawn) === DRAWN_BYTES) return;
    } finally {
      closeSync(file);
    }
  } catch {
    // Not every system has that file.
  }
  randomFillSync(drawn);
}
