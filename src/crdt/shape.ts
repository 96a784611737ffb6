import { LIMITS } from "./limits.js";

/** What was to be decoded is not the canonical form of any state, or is larger than one may be. */
export class MalformedStateError extends Error {
  override readonly name = "MalformedStateError";
}

export function require(condition: boolean, problem: string): asserts condition {
  if (!condition) throw new MalformedStateError(problem);
}

export function requireAscending(values: readonly string[], what: string): void {
  values.forEach((value, index) => require(index === 0 || value > (values[index - 1] ?? ""), `${what} out of order`));
}

export function array(value: unknown, atLeast = 0): readonly unknown[] {
  require(Array.isArray(value) && value.length >= atLeast, "expected a longer array");
  return value as readonly unknown[];
}

export function natural(value: unknown, limit: number = LIMITS.counter): number {
  require(typeof value === "number" && Number.isInteger(value) && !Object.is(value, -0), "expected an integer");
  require(value >= 0 && value <= limit, "number out of bounds");
  return value;
}

export function positive(value: unknown): number {
  const number = natural(value);
  require(number > 0, "number out of bounds");
  return number;
}

export function integer(value: unknown): number {
  require(typeof value === "number" && Number.isSafeInteger(value) && !Object.is(value, -0), "expected an integer");
  return value;
}

export function boolean(value: unknown): boolean {
  require(typeof value === "boolean", "expected true or false");
  return value;
}

export function text(limit: number): (value: unknown) => string {
  return (value) => {
    require(typeof value === "string" &&
      value.length <= limit &&
      value.isWellFormed(), "text is malformed or too long");
    return value;
  };
}

export function identifier(value: unknown, limit: number): string {
  require(typeof value === "string" && value.length <= limit && /^[0-9A-Za-z_-]+$/.test(value), "malformed id");
  return value;
}
