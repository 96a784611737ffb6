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

/** In JavaScript, as loading zlib for its own takes every command longer than this does. */
function checksumOf(text: string): string {
  return (crc32.str(text) >>> 0).toString(16).padStart(8, "0");
}
