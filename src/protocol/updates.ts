import { ProtocolError } from "./errors.js";
import { headerText, readNatural, wordFrame, type Frame } from "./frames.js";
import { checkVersion, VERSION_FRAME } from "./version.js";

/** What a broker's feed says after the topic. `epoch` is one run of the broker, `sequence` counts its heartbeats. */
export interface Update {
  readonly topic: string;
  readonly type: "moved" | "heartbeat";
  readonly epoch: string;
  readonly sequence: number;
}

/** The topic of a feed's heartbeats; every watcher subscribes to it beside its lists. */
export const HEARTBEAT_TOPIC = "heartbeat";

export function encodeUpdate({ topic, type, epoch, sequence }: Update): Frame[] {
  return [topic, VERSION_FRAME, type, epoch, `${sequence}`].map(wordFrame);
}

/** @throws ProtocolError */
export function decodeUpdate(frames: readonly Frame[]): Update {
  const [topic, version, type, epoch, sequence] = [0, 1, 2, 3, 4].map((index) => headerText(frames[index]));
  checkVersion(version ?? "");
  if (type !== "moved" && type !== "heartbeat")
    throw new ProtocolError("unknown-kind", "this update is not known here");
  return { topic: topic ?? "", type, epoch: epoch ?? "", sequence: readNatural(sequence, Number.MAX_SAFE_INTEGER) };
}
