import { createHash } from "node:crypto";
import { parse, stringify } from "uuid";
import type { PrincipalId } from "../crdt/access-record.js";
import { foldName } from "../crdt/item-key.js";
import type { Request } from "./frames.js";
import type { ListId } from "./ids.js";

/** 128 random bits or more as base64url: what only its holder can know. */
export type Secret = string;

const SECRET = /^[0-9A-Za-z_-]{22,64}$/;

export function isSecret(text: string): boolean {
  return SECRET.test(text);
}

/** The SHA-256 by which servers know a secret, in hexadecimal. A hash that costs nothing is enough for 128 random bits. */
export function hashOfSecret(secret: Secret): string {
  return createHash("sha256").update("aisle secret\0").update(secret).digest("hex");
}

/** The id of the document that holds the accounts of a name, the same for all spellings that people take for one. */
export function accountDocumentOf(name: string): ListId {
  return idFrom("aisle account", foldName(name), ACCOUNTS);
}

/** Whether a document's id is that of a name's accounts, and not that of a list. */
export function isAccountDocument(id: ListId): boolean {
  return id[14] === `${ACCOUNTS}`;
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
  return principalFrom("aisle device", secret, "_d");
}

/**
 * What an account is called that somebody registered under this name with a nonce of theirs. An id that is made from both can
 * be had under no other name: nobody registers as somebody who is there already.
 */
export function accountOf(name: string, nonce: Secret): PrincipalId {
  return principalFrom("aisle account id", `${foldName(name)}\0${nonce}`, "_a");
}

/** Begins as no account's name does, so that an id is never taken for a name, nor a name for an id. */
function principalFrom(domain: string, text: string, kind: string): PrincipalId {
  const hash = createHash("sha256").update(`${domain}\0`).update(text).digest("base64url");
  return kind + hash.slice(0, 22);
}

/** The version of a UUID tells what it names: a list's id looks random, as it is to all but its founder. */
const [LISTS, ACCOUNTS] = [4, 8] as const;

/** A UUID of this version (RFC 9562), whose other bits are a hash's. */
function idFrom(domain: string, text: string, version: number): ListId {
  const bytes = createHash("sha256").update(`${domain}\0`).update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | (version << 4), 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return stringify(bytes);
}

const INVITATION = /^inv-([0-9A-Za-z_-]{43})$/;

/** The text that a person sends to another: the list's id and the secret. */
export function invitationText(listId: ListId, secret: Secret): string {
  const bytes = Buffer.concat([parse(listId), Buffer.from(secret, "base64url")]);
  return `inv-${bytes.toString("base64url")}`;
}

/** What such a text says, or null where it is none. */
export function readInvitation(text: string): { readonly listId: ListId; readonly secret: Secret } | null {
  const encoded = INVITATION.exec(text.trim())?.[1];
  if (encoded === undefined) return null;
  const bytes = Buffer.from(encoded, "base64url");
  try {
    return { listId: stringify(bytes), secret: bytes.subarray(16).toString("base64url") };
  } catch {
    // The bits are no UUID's.
    return null;
  }
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

/** What the operator signs: this request and no other, so that whoever it is shown to can ask nothing else with it. */
export function proofOf({ requestId, kind, listId, serverId, body }: Omit<Request, "token" | "timeoutMs">): {
  readonly jti: string;
  readonly sub: string;
  readonly body: string;
} {
  const hash = createHash("sha256").update(body).digest("base64url");
  return { jti: requestId, sub: `${kind} ${listId ?? serverId ?? ""}`, body: hash };
}

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
