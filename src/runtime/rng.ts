import { randomBytes, randomInt } from "node:crypto";

/** 64 random bits as 11 characters of base64url: names replicas, operations, requests and connections. */
export function randomId(): string {
  return randomBytes(8).toString("base64url");
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
