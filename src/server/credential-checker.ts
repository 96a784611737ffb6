import { errors, importJWK, jwtVerify, SignJWT, type JWK, type JWTPayload } from "jose";
import * as v from "valibot";
import type { Request } from "../protocol/frames.js";
import { isAccountName } from "../protocol/account-name.js";
import { deviceOf, proofOf, readCredentials } from "../protocol/identity.js";
import { monotonicMs, wallClockMs } from "../runtime/clock.js";
import type { TokenKeys } from "../runtime/key-files.js";
import type { Caller, Claims } from "./caller.js";

/** A token is good for so long; whoever sends something in the second half of that time gets a new one. */
const TOKEN_LIFETIME_MS = 30 * 24 * 3_600_000;

const ISSUER = "aisle";
const [ACCOUNT, OPERATOR] = ["account", "operator"] as const;

/** Verified tokens that are remembered, so that each is computed once. */
const MOST_REMEMBERED = 10_000;

const id = v.pipe(v.string(), v.regex(/^[0-9A-Za-z_-]{1,36}$/));
const ClaimsSchema = v.object({ sub: id, name: v.pipe(v.string(), v.check(isAccountName)), login: id });

/** Keys may be rotated while a server runs: they are read again after so long, at once where a token names one that is new. */
const KEYS_GOOD_FOR_MS = 60_000;
const NEW_KEYS_GOOD_FOR_MS = 1_000;

/** Signs tokens, and finds out what a request's credentials are worth. Tokens are JWTs (RFC 7519). */
export class CredentialChecker {
  #keys: TokenKeys["keys"] = [];
  #readAt = -Infinity;
  #reading: Promise<void> = Promise.resolve();
  readonly #claimsByToken = new Map<string, { readonly claims: Claims; readonly expires: number }>();

  /** @param readKeys the first of them signs */
  constructor(
    readonly readKeys: () => Promise<TokenKeys>,
    readonly operator: JWK | null,
  ) {}

  async sign({ account, name, login }: Claims): Promise<{ readonly token: string; readonly expires: number }> {
    const expires = Math.floor((wallClockMs() + TOKEN_LIFETIME_MS) / 1_000);
    const [signing] = await this.#keysOf(KEYS_GOOD_FOR_MS);
    if (signing === undefined) throw new RangeError("there is no key to sign tokens with");
    const token = await new SignJWT({ name, login })
      .setProtectedHeader({ alg: "HS256", kid: signing.id })
      .setIssuer(ISSUER)
      .setAudience(ACCOUNT)
      .setSubject(account)
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(secretOf(signing));
    return { token, expires: expires * 1_000 };
  }

  /** Who asks, as far as the request alone tells. @throws where the keys were never read */
  async check(request: Request): Promise<Caller> {
    const credentials = readCredentials(request.token);
    const at = wallClockMs();
    const device = credentials.device === null ? null : deviceOf(credentials.device);
    const { operator } = credentials;
    const [account, unproven] = await Promise.all([
      credentials.account === null ? { claims: null, problem: null } : this.#account(credentials.account, at),
      operator === null ? null : this.#problemOfOperator(operator, request),
    ]);
    const isOperator = operator !== null && unproven === null;
    return { device, isOperator, at, claims: account.claims, problem: unproven ?? account.problem };
  }

  async #account(token: string, now: number): Promise<Pick<Caller, "claims" | "problem">> {
    // Which forgets what it remembers where the keys have changed.
    await this.#keysOf(KEYS_GOOD_FOR_MS);
    const known = this.#claimsByToken.get(token);
    if (known !== undefined && now < known.expires) return { claims: known.claims, problem: null };
    try {
      const { payload } = await jwtVerify(token, async ({ kid }) => await this.#secret(kid), {
        algorithms: ["HS256"],
        issuer: ISSUER,
        audience: ACCOUNT,
        requiredClaims: ["exp", "sub"],
      });
      const claims = claimsOf(payload);
      if (this.#claimsByToken.size >= MOST_REMEMBERED) this.#claimsByToken.clear();
      this.#claimsByToken.set(token, { claims, expires: (payload.exp ?? 0) * 1_000 });
      return { claims, problem: null };
    } catch (error) {
      const isExpired = error instanceof errors.JWTExpired;
      return {
        claims: null,
        problem: isExpired ? "the login has expired: log in again" : "the token is not good here",
      };
    }
  }

  async #secret(keyId: string | undefined): Promise<Uint8Array> {
    for (const goodForMs of [KEYS_GOOD_FOR_MS, NEW_KEYS_GOOD_FOR_MS]) {
      const key = (await this.#keysOf(goodForMs)).find(({ id }) => id === keyId);
      if (key !== undefined) return secretOf(key);
    }
    throw new errors.JWSSignatureVerificationFailed();
  }

  /** The keys as they were read at most so long ago. Whoever asks while they are being read waits for that. */
  async #keysOf(goodForMs: number): Promise<TokenKeys["keys"]> {
    const now = monotonicMs();
    if (now - this.#readAt >= goodForMs) {
      this.#readAt = now;
      this.#reading = this.#read();
    }
    await this.#reading;
    return this.#keys;
  }

  /** While they cannot be read those of before stay good. */
  async #read(): Promise<void> {
    try {
      const { keys } = await this.readKeys();
      if (JSON.stringify(keys) !== JSON.stringify(this.#keys)) this.#claimsByToken.clear();
      this.#keys = keys;
    } catch (error) {
      if (this.#keys.length === 0) throw error;
    }
  }

  /** The operator signs each request by itself, and only for a moment. Null where that is so. */
  async #problemOfOperator(token: string, request: Request): Promise<string | null> {
    if (this.operator === null) return NOT_OPERATOR;
    try {
      const { payload } = await jwtVerify(token, await importJWK(this.operator, "EdDSA"), {
        algorithms: ["EdDSA"],
        audience: OPERATOR,
        requiredClaims: ["exp"],
        clockTolerance: 60,
      });
      const { jti, sub, body } = proofOf(request);
      return payload.jti === jti && payload.sub === sub && payload.body === body ? null : NOT_OPERATOR;
    } catch (error) {
      return error instanceof errors.JWTExpired
        ? "the operator's signature is too old here: compare the clocks of both machines"
        : NOT_OPERATOR;
    }
  }
}

const NOT_OPERATOR = "this is not the operator's key that the server knows, which reads it when it starts";

function claimsOf(payload: JWTPayload): Claims {
  const { sub, name, login } = v.parse(ClaimsSchema, payload);
  return { account: sub, name, login };
}

function secretOf({ secret }: TokenKeys["keys"][number]): Uint8Array {
  return Buffer.from(secret, "base64url");
}
