import { ProtocolError } from "./errors.js";

/** A range of protocol versions, both ends included. */
export interface VersionRange {
  readonly oldest: number;
  readonly newest: number;
}

/** What this build reads and writes. */
export const SUPPORTED: VersionRange = { oldest: 1, newest: 1 };

/** What every message begins with, for the newest version that is written. */
export const VERSION_FRAME = `AISLE/${SUPPORTED.newest}`;

/** @throws ProtocolError `malformed` where it is no version, `unsupported-version` where it names another version. */
export function checkVersion(frame: string): void {
  if (frame === VERSION_FRAME) return;
  const match = /^AISLE\/([1-9][0-9]{0,4})$/.exec(frame);
  if (match === null) throw new ProtocolError("malformed", "it does not begin with AISLE/ and a version");
  const version = Number(match[1]);
  if (version >= SUPPORTED.oldest && version <= SUPPORTED.newest) return;
  const spoken =
    SUPPORTED.oldest === SUPPORTED.newest ? `${SUPPORTED.newest}` : `${SUPPORTED.oldest} to ${SUPPORTED.newest}`;
  throw new ProtocolError(
    "unsupported-version",
    `protocol version ${version} is not spoken here; this side speaks ${spoken}`,
  );
}

/** Whether there is a version that both speak. */
export function isSpoken({ oldest, newest }: VersionRange): boolean {
  return oldest <= SUPPORTED.newest && SUPPORTED.oldest <= newest;
}
