import { crc32 as crc32OfZlib } from "node:zlib";
import crc32 from "crc-32";

/** The file is there but is not what was written to it. It is left as it is. */
export class DamagedFileError extends Error {
  override readonly name = "DamagedFileError";

  constructor(
    readonly path: string,
    problem: string,
  ) {
    super(`${path} is damaged (${problem})`);
  }
}

const PREFIX = '{"checksum":"';
const MIDDLE = '","data":';
const SUFFIX = "}\n";
const DATA_AT = PREFIX.length + 8 + MIDDLE.length;

/** A value as JSON beside a checksum of it, which tells damage from content. */
export function sealed(value: unknown): string {
  const data = JSON.stringify(value);
  return `${PREFIX}${checksumOf(data)}${MIDDLE}${data}${SUFFIX}`;
}

/** What was sealed. @throws DamagedFileError naming the file at `path` */
export function unsealed(path: string, text: string): unknown {
  const data = text.slice(DATA_AT, -SUFFIX.length);
  const isWhole = text.startsWith(PREFIX) && text.endsWith(SUFFIX);
  if (!isWhole || text.slice(PREFIX.length, PREFIX.length + 8) !== checksumOf(data)) {
    throw new DamagedFileError(path, text === "" ? "it is empty" : "its checksum does not match");
  }
  return JSON.parse(data);
}

/** From here on loading zlib for its own takes less than doing without. */
const LONG_TEXT = 50_000;

function checksumOf(text: string): string {
  const checksum = text.length < LONG_TEXT ? crc32.str(text) >>> 0 : crc32OfZlib(text);
  return checksum.toString(16).padStart(8, "0");
}
