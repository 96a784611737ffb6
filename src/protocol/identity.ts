import { createHash } from "node:crypto";
import type { PrincipalId } from "../crdt/access-record.js";
import { foldName } from "../crdt/item-key.js";
import { isListId, type ListId } from "./ids.js";

/** 128 random bits or more as base64url: what only its holder can know. */
export type Secret = string;

const SECRET = /^[0-9A-Za-z_-]{22,64}$/;
const ACCOUNT_NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,31}$/u;

export function isSecret(text: string): boolean {
  return SECRET.test(text);
}

/** The SHA-256 by which servers know a secret, in hexadecimal. A hash that costs nothing is enough for 128 random bits. */
export function hashOfSecret(secret: Secret): string {
  return createHash("sha256").update("aisle secret\0").update(secret).digest("hex");
}

/** Whether a person may be called so: up to 32 letters, digits, dots, hyphens and underscores, in any script. */
export function isAccountName(text: string): boolean {
  return text === text.normalize("NFKC") && ACCOUNT_NAME.test(text);
}

/** The id of the document that holds the accounts of a name, the same for all spellings that people take for one. */
export function accountDocumentOf(name: string): ListId {
  return idFrom("aisle account", foldName(name), ACCOUNTS);
}

/** Whether a document's id is that of a name's accounts, and not that of a list. */
export function isAccountDocument(id: ListId): boolean {
  return id[14] === ACCOUNTS;
}

/**
 * The id of the list that a founder makes with a nonce. An id that says who founded it can be claimed by nobody else, so any
 * server, however little it knows, can let the founder in and nobody but the founder.
 */
export function listIdOf(founder: PrincipalId, nonce: Secret): ListId {
  return idFrom("aisle list", `${founder}\0${nonce}`, LISTS);
}

/** What a device is called that holds this secret, whether or not anybody is logged in there. */
export function deviceOf(secret: Secret): PrincipalId {
  return createHash("sha256").update("aisle device\0").update(secret).digest("base64url").slice(0, 22);
}

/** The version digit of a UUID tells what it names: a list's id looks random, as it is to all but its founder. */
const [LISTS, ACCOUNTS] = ["4", "8"] as const;

/** A UUID of this version, whose other bits are a hash's. */
function idFrom(domain: string, text: string, version: string): ListId {
  const bytes = createHash("sha256").update(`${domain}\0`).update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const uuid = uuidOf(bytes);
  return `${uuid.slice(0, 14)}${version}${uuid.slice(15)}`;
}

function uuidOf(bytes: Buffer): ListId {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

const INVITATION = /^inv-([0-9A-Za-z_-]{43})$/;

/** The text that a person sends to another: the list's id and the secret. */
export function invitationText(listId: ListId, secret: Secret): string {
  const bytes = Buffer.concat([Buffer.from(listId.replaceAll("-", ""), "hex"), Buffer.from(secret, "base64url")]);
  return `inv-${bytes.toString("base64url")}`;
}

/** What such a text says, or null where it is none. */
export function readInvitation(text: string): { readonly listId: ListId; readonly secret: Secret } | null {
  const encoded = INVITATION.exec(text.trim())?.[1];
  if (encoded === undefined) return null;
  const bytes = Buffer.from(encoded, "base64url");
  const listId = uuidOf(bytes.subarray(0, 16));
  return isListId(listId) ? { listId, secret: bytes.subarray(16).toString("base64url") } : null;
}

/**
 * What a request carries to say who asks: the device's secret, and where there are any a token of the account that is logged
 * in there and proof of being the operator. Each is a word, told by its first letters.
 */
export interface Credentials {
  readonly device: Secret | null;
  readonly account: string | null;
  readonly operator: string | null;
}

export const NO_CREDENTIALS: Credentials = { device: null, account: null, operator: null };

export function writeCredentials({ device, account, operator }: Credentials): string {
  const words = [device && `device:${device}`, account && `account:${account}`, operator && `operator:${operator}`];
  return words.filter((word) => word !== null && word !== "").join(" ");
}

/** Words that are not known are left out: they could only have allowed more. */
export function readCredentials(text: string): Credentials {
  const words = new Map(
    text.split(" ").map((word) => {
      const colon = word.indexOf(":");
      return [word.slice(0, colon), word.slice(colon + 1)];
    }),
  );
  const device = words.get("device") ?? null;
  return {
    device: device !== null && isSecret(device) ? device : null,
    account: words.get("account") ?? null,
    operator: words.get("operator") ?? null,
  };
}
