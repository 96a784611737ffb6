import type { Lattice } from "./lattice.js";
import { LwwRegister } from "./lww-register.js";

export type Detail = "note" | "aisle" | "staple";

/** The text about an item: its name as typed, a note, the aisle it stands in, when it comes back by itself (`staple.ts`). */
export class Details implements Lattice<Details> {
  readonly label = new LwwRegister<string>();
  // Most items have no other text, so its registers are made when somebody writes one.
  readonly #others = new Map<Detail, LwwRegister<string>>();

  /** The register to write to. */
  of(detail: Detail): LwwRegister<string> {
    let register = this.#others.get(detail);
    if (register === undefined) this.#others.set(detail, (register = new LwwRegister<string>()));
    return register;
  }

  /** The register where it was ever written, else undefined. */
  peek(detail: Detail): LwwRegister<string> | undefined {
    return this.#others.get(detail);
  }

  /** All that were ever written, the label's too. */
  registers(): readonly LwwRegister<string>[] {
    return [this.label, ...this.#others.values()];
  }

  join(other: Details): void {
    this.label.join(other.label);
    for (const [detail, register] of other.#others) this.of(detail).join(register);
  }
}
