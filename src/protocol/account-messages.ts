import * as v from "valibot";
import { ACCOUNT_LIMITS } from "../crdt/account-record.js";
import { bodyFrame, type Frame } from "./frames.js";
import { isAccountName } from "./account-name.js";
import { isSecret } from "./identity.js";
import { count, parse, word } from "./messages.js";

export const PASSWORD_LIMITS = { shortest: 8, longest: 256 } as const;

const name = v.pipe(v.string(), v.maxLength(64), v.check(isAccountName, "not a name for an account"));
const password = v.pipe(v.string(), v.minLength(1), v.maxLength(PASSWORD_LIMITS.longest));
const newPassword = v.pipe(password, v.minLength(PASSWORD_LIMITS.shortest));
const id = v.pipe(v.string(), v.regex(/^[0-9A-Za-z_-]{8,36}$/));
const wellFormed = v.check((text: string) => text.isWellFormed(), "not well-formed text");
const login = v.strictObject({ id, label: v.pipe(v.string(), v.maxLength(ACCOUNT_LIMITS.labelLength), wellFormed) });
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const AccountRequestSchema = v.variant("do", [
  /** Nonce and login's id are the asker's choice, so that asking again makes nothing new; see `accountOf`. */
  v.strictObject({
    do: v.literal("register"),
    name,
    nonce: v.pipe(v.string(), v.check(isSecret, "not a nonce")),
    password: newPassword,
    recoveryCodes: v.pipe(v.array(hash), v.maxLength(ACCOUNT_LIMITS.recoveryCodes)),
    login,
  }),
  v.strictObject({ do: v.literal("login"), name, password, login }),
  /** Logs in with a recovery code, which is used up, and a new password. */
  v.strictObject({
    do: v.literal("recover"),
    name,
    code: v.pipe(v.string(), v.check(isSecret, "not a recovery code")),
    password: newPassword,
    login,
  }),
  /** A token that is good for longer. */
  v.strictObject({ do: v.literal("renew") }),
  v.strictObject({ do: v.literal("logins") }),
  v.strictObject({ do: v.literal("revoke"), login: id }),
  v.strictObject({ do: v.literal("change-password"), password, next: newPassword }),
]);

/** What is asked about an account. */
export type AccountRequest = Readonly<v.InferOutput<typeof AccountRequestSchema>>;

const AccountReplySchema = v.object({
  account: v.object({ id: word, name: v.string() }),
  /** For what logs in or renews; null otherwise. Times are wall-clock milliseconds since 1970. */
  token: v.nullable(v.object({ text: word, expires: count })),
  /** The login that the asker has now, and all that the account remembers. */
  login: word,
  logins: v.array(v.object({ id: word, label: v.string(), at: count })),
  stored: count,
  wanted: count,
});

export type AccountReply = v.InferOutput<typeof AccountReplySchema>;

export const encodeAccountRequest = (request: AccountRequest): Frame => bodyFrame(request);
export const decodeAccountRequest = (body: Frame): AccountRequest => parse(AccountRequestSchema, body);
export const decodeAccountReply = (body: Frame): AccountReply => parse(AccountReplySchema, body);
