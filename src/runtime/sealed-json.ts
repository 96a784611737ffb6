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
const SUMMED_AT = PREFIX.length + 8;
const DATA = '","data":';
const HEAD = '","headLength":"';
const DATA_AT = SUMMED_AT + DATA.length;
const HEAD_AT = SUMMED_AT + HEAD.length + 8 + '","head":'.length;
const SUFFIX = "}\n";

/**
 * A value as JSON beside a checksum of it, which tells damage from content.
 * @param head what can be read without the rest being parsed; none where it is undefined
 */
export function sealed(value: unknown, head?: unknown): string {
  const data = JSON.stringify(value);
  if (head === undefined) return `${PREFIX}${checksumOf(data)}${DATA}${data}${SUFFIX}`;
  const first = JSON.stringify(head);
  const summed = `${HEAD}${hex(first.length)}","head":${first},"data":${data}${SUFFIX}`;
  return `${PREFIX}${checksumOf(summed)}${summed}`;
}

/** What was sealed. @throws DamagedFileError naming the file at `path` */
export function unsealed(path: string, text: string): unknown {
  requireWhole(path, text);
  const length = headLength(text);
  const dataAt = length === null ? DATA_AT : HEAD_AT + length + ',"data":'.length;
  return JSON.parse(text.slice(dataAt, -SUFFIX.length));
}

/** Its head alone, or null where it has none. @throws DamagedFileError where anything of it is damaged */
export function unsealedHead(path: string, text: string): unknown {
  requireWhole(path, text);
  const length = headLength(text);
  return length === null ? null : JSON.parse(text.slice(HEAD_AT, HEAD_AT + length));
}

/** Of what has a head all is summed, of what has none the data alone. */
function requireWhole(path: string, text: string): void {
  const isFormed = text.startsWith(PREFIX) && text.endsWith(SUFFIX);
  const isHeaded = text.startsWith(HEAD, SUMMED_AT);
  const summed = isHeaded ? text.slice(SUMMED_AT) : text.slice(DATA_AT, -SUFFIX.length);
  const isWhole = isFormed && (isHeaded || text.startsWith(DATA, SUMMED_AT));
  if (isWhole && text.slice(PREFIX.length, SUMMED_AT) === checksumOf(summed)) return;
  throw new DamagedFileError(path, text === "" ? "it is empty" : "its checksum does not match");
}

function headLength(text: string): number | null {
  if (!text.startsWith(HEAD, SUMMED_AT)) return null;
  return Number.parseInt(text.slice(SUMMED_AT + HEAD.length, SUMMED_AT + HEAD.length + 8), 16);
}

/** From here on loading zlib for its own takes less than doing without. */
const LONG_TEXT = 50_000;

function checksumOf(text: string): string {
  const checksum = text.length < LONG_TEXT ? crc32.str(text) >>> 0 : crc32OfZlib(text);
  return hex(checksum);
}

function hex(number: number): string {
  return number.toString(16).padStart(8, "0");
}
