import { BOUNDS } from "./bounds.js";
import { ProtocolError } from "./errors.js";
import type { Frame } from "./frames.js";

const LENGTH_BYTES = 4;

/** The longest message has a head, and three frames for each of what it carries. */
const MOST_FRAMES = 4 * BOUNDS.batch;

/**
 * All frames of a message in one: of each its length (four bytes, big-endian), then itself. A frame of its own costs both sides
 * as much as copying some kilobytes does, however small it is (docs/decisions/0027-packed-frames.md).
 */
export function packFrames(frames: readonly Frame[]): Frame {
  let bytes = 0;
  for (const { byteLength } of frames) bytes += LENGTH_BYTES + byteLength;
  const pack = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const frame of frames) {
    at = pack.writeUInt32BE(frame.byteLength, at);
    pack.set(frame, at);
    at += frame.byteLength;
  }
  return pack;
}

/**
 * What was packed, out of a message that is one pack; its frames share the pack's memory.
 * @throws ProtocolError
 */
export function unpackFrames([pack, ...others]: readonly Frame[]): Frame[] {
  if (pack === undefined || others.length > 0) throw new ProtocolError("malformed", "the message is not one pack");
  const view = new DataView(pack.buffer, pack.byteOffset, pack.byteLength);
  const frames: Frame[] = [];
  for (let at = 0; at < pack.byteLength;) {
    const from = at + LENGTH_BYTES;
    const end = from <= pack.byteLength ? from + view.getUint32(at) : Infinity;
    if (end > pack.byteLength) throw new ProtocolError("malformed", "the pack is cut short");
    if (frames.length === MOST_FRAMES) throw new ProtocolError("too-large", `a pack has up to ${MOST_FRAMES} frames`);
    frames.push(pack.subarray(from, end));
    at = end;
  }
  return frames;
}
