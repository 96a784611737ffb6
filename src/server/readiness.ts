import type { ServerId } from "../protocol/ids.js";
import type { Millis } from "../protocol/machine.js";
import type { ServerConfig } from "./config.js";
import type { Turn } from "./turn.js";

/**
 * Whether requests are answered yet. Who comes back may have missed who was put out of a list meanwhile, so it first compares
 * all it has with as many others as make it certain; where there is nobody to compare with, it does not wait for ever.
 */
export class Readiness {
  /** Peers that this run has compared everything with. */
  readonly #level = new Set<ServerId>();
  #startedAt: Millis = 0;

  /** @param isBack whether there are lists here from an earlier run, and others who may know more of them */
  constructor(
    readonly turn: Turn,
    readonly isBack: boolean,
    readonly config: Pick<ServerConfig, "readQuorum" | "compareFirstMs">,
  ) {}

  start(): void {
    this.#startedAt = this.turn.now;
  }

  onLevelWith(peer: ServerId): void {
    this.#level.add(peer);
  }

  get isReady(): boolean {
    const isLevel = this.#level.size >= this.config.readQuorum - 1;
    return !this.isBack || isLevel || this.turn.now - this.#startedAt >= this.config.compareFirstMs;
  }
}
