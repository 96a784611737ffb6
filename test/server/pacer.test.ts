import { describe, expect, it } from "@jest/globals";
import { Pacer } from "../../src/server/pacer.js";
import { Timers } from "../../src/server/timers.js";
import type { Turn } from "../../src/server/turn.js";

/** Each piece of work takes so long, during which the clock of the step that does it stands still. */
const WORK_MS = 100;

class World {
  readonly #timers = new Timers();
  now = 0;
  #took = 0;
  readonly done: string[] = [];
  readonly pacer = new Pacer({
    now: 0,
    after: (delayMs: number, then: () => void) => this.#timers.set(this.now + delayMs, then),
  } as unknown as Turn);

  constructor() {
    Object.defineProperty(this.pacer.turn, "now", { get: () => this.now });
  }

  add(name: string, until = Infinity): void {
    this.pacer.add(until, () => {
      this.done.push(`${name} at ${this.now}`);
      this.#took += WORK_MS;
    });
  }

  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += Math.max(1, this.#took);
      this.#took = 0;
      this.#timers.run(this.now);
    }
  }
}

describe("work that takes long", () => {
  it("is done at once where nothing else is, and then for half of the time", () => {
    const world = new World();
    for (const name of ["a", "b", "c"]) world.add(name);
    expect(world.done).toEqual(["a at 0"]);
    world.pass(600);
    expect(world.done).toEqual(["a at 0", "b at 200", "c at 400"]);
    world.pass(1_000);
    world.add("d");
    expect(world.done.at(-1)).toBe(`d at ${world.now}`);
  });

  it("is left out where nobody waits for it any more", () => {
    const world = new World();
    world.add("a");
    world.add("b", 150);
    world.add("c", 1_000);
    world.pass(600);
    expect(world.done).toEqual(["a at 0", "c at 200"]);
  });

  it("is refused where too much of it waits", () => {
    const world = new World();
    for (let count = 0; count < 257; count++) world.add("a");
    expect(() => world.add("b")).toThrow("too much to do");
    expect(world.done).toHaveLength(1);
  });
});
