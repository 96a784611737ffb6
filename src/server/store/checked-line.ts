import { crc32 } from "node:zlib";

const CHECKSUM_LENGTH = 8;

/** JSON on a line of its own after a checksum, which tells a torn or flipped line from the one that was written. */
export function checkedLine(json: string): string {
  return `${checksumOf(json)} ${json}\n`;
}

/** The JSON on a line without its line feed, or null where the line is not what was written. */
export function contentOf(line: string): string | null {
  const json = line.slice(CHECKSUM_LENGTH + 1);
  return line[CHECKSUM_LENGTH] === " " && checksumOf(json) === line.slice(0, CHECKSUM_LENGTH) ? json : null;
}

/** Eight hexadecimal digits. */
function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(CHECKSUM_LENGTH, "0");
}
