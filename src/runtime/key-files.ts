import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { curveKeyPair } from "zeromq";
import * as v from "valibot";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { createFile, makeFolder, replaceFile } from "./durable-file.js";
import { isErrno } from "./errno.js";

type Schema = v.GenericSchema;

/** A key file is missing, unreadable to its user, readable to others, or not what it should be. */
export class KeyFileError extends Error {
  override readonly name = "KeyFileError";
}

const z85 = v.pipe(v.string(), v.length(40));
const base64url = v.pipe(v.string(), v.regex(/^[0-9A-Za-z_-]{1,64}$/));

const CurveKeysSchema = v.strictObject({ publicKey: z85, secretKey: z85 });
const TokenKeysSchema = v.strictObject({
  keys: v.pipe(v.array(v.strictObject({ id: base64url, secret: base64url })), v.minLength(1)),
});
const okp = { kty: v.literal("OKP"), crv: v.literal("Ed25519"), x: base64url };
const OperatorSecretSchema = v.strictObject({ ...okp, d: base64url });
const OperatorPublicSchema = v.strictObject(okp);

/** A pair for CURVE, each in Z85. */
export type CurveKeys = Readonly<v.InferOutput<typeof CurveKeysSchema>>;

/** Secrets that sign tokens: the first signs, all of them are believed. Each is 256 bits in base64url under a name. */
export type TokenKeys = Readonly<v.InferOutput<typeof TokenKeysSchema>>;

export type KeyName = "token" | "front" | "back" | "operator";

/** How many earlier secrets stay good after a change. */
const TOKEN_KEYS_KEPT = 2;

/**
 * A folder of keys, made on first use and readable by its user alone: `token.key` signs tokens, `back.key` is the cluster's
 * among its own processes, `front.key` is the one that people connect to, `operator.key` proves who runs the cluster, and
 * `operator.pub` is all that the servers need of it.
 */
export class KeyFolder {
  constructor(readonly path: string) {}

  async tokenKeys(): Promise<TokenKeys> {
    return await this.#read("token.key", TokenKeysSchema, () => ({ keys: [freshTokenKey()] }));
  }

  async curveKeys(which: "front" | "back"): Promise<CurveKeys> {
    return await this.#read(`${which}.key`, CurveKeysSchema, () => curveKeyPair());
  }

  /** The operator's public key, or null where there is no operator. */
  async operatorPublicKey(): Promise<JWK | null> {
    return await readJson(join(this.path, "operator.pub"), OperatorPublicSchema, false);
  }

  /** Makes the operator's keys where there are none. Returns the path of the secret one. */
  async makeOperator(): Promise<string> {
    const path = join(this.path, "operator.key");
    if ((await readJson(path, OperatorSecretSchema)) === null) await this.rotate("operator");
    return path;
  }

  /**
   * Takes fresh keys; what runs goes on with those it has until it reads them again.
   * @param forget whether tokens signed with earlier secrets stop being good; the last few stay good otherwise
   */
  async rotate(which: KeyName, forget = false): Promise<void> {
    const earlier = which === "token" && !forget ? (await this.tokenKeys()).keys.slice(0, TOKEN_KEYS_KEPT) : [];
    await makeFolder(this.path);
    if (which === "token") await this.#write("token.key", { keys: [freshTokenKey(), ...earlier] });
    else if (which !== "operator") await this.#write(`${which}.key`, curveKeyPair());
    else {
      const { publicKey, privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
      await this.#write("operator.pub", await exportJWK(publicKey));
      await this.#write("operator.key", await exportJWK(privateKey));
    }
  }

  async #write(name: string, keys: unknown): Promise<void> {
    await replaceFile(join(this.path, name), `${JSON.stringify(keys)}\n`);
  }

  async #read<S extends Schema>(name: string, schema: S, make: () => v.InferOutput<S>): Promise<v.InferOutput<S>> {
    const path = join(this.path, name);
    const known = await readJson(path, schema);
    if (known !== null) return known;
    await makeFolder(this.path);
    await createFile(path, `${JSON.stringify(make())}\n`);
    const made = await readJson(path, schema);
    if (made === null) throw new KeyFileError(`${path} cannot be made`);
    return made;
  }
}

/** The operator's secret key, from its file. @throws KeyFileError */
export async function readOperatorKey(path: string): Promise<JWK> {
  const key = await readJson(path, OperatorSecretSchema);
  if (key === null) throw new KeyFileError(`there is no key file ${path}`);
  return key;
}

function freshTokenKey(): TokenKeys["keys"][number] {
  return { id: randomBytes(6).toString("base64url"), secret: randomBytes(32).toString("base64url") };
}

/** @param isSecret whether others must not be able to read it; that they cannot write it holds for all */
async function readJson<S extends Schema>(path: string, schema: S, isSecret = true): Promise<v.InferOutput<S> | null> {
  try {
    const { mode } = await stat(path);
    if (isSecret && (mode & 0o077) !== 0)
      throw new KeyFileError(`${path} can be read by others: make it private with chmod 600, and the keys anew`);
    if ((mode & 0o022) !== 0) throw new KeyFileError(`${path} can be written by others: make it yours with chmod 644`);
    return v.parse(schema, JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return null;
    if (error instanceof KeyFileError) throw error;
    // What the parser says would show what is in it.
    if (error instanceof SyntaxError || error instanceof v.ValiError)
      throw new KeyFileError(`${path} cannot be used: it is another kind of key, or damaged`);
    throw new KeyFileError(`${path} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}
