import { link, open, readFile, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { randomBytes } from "node:crypto";
import { curveKeyPair } from "zeromq";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { isErrno, makeFolder, replaceFile, syncFolder } from "./durable-file.js";

/** A key file is missing, unreadable to its user, readable to others, or not what it should be. */
export class KeyFileError extends Error {
  override readonly name = "KeyFileError";
}

/** A pair for CURVE, each in Z85. */
export interface CurveKeys {
  readonly publicKey: string;
  readonly secretKey: string;
}

/** Secrets that sign tokens: the first signs, all of them are believed. Each is 256 bits in base64url under a name. */
export interface TokenKeys {
  readonly keys: readonly { readonly id: string; readonly secret: string }[];
}

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
    return await this.#read<TokenKeys>("token.key", () => ({ keys: [freshTokenKey()] }));
  }

  async curveKeys(which: "front" | "back"): Promise<CurveKeys> {
    return await this.#read<CurveKeys>(`${which}.key`, () => curveKeyPair());
  }

  /** The operator's public key, or null where there is no operator. */
  async operatorPublicKey(): Promise<JWK | null> {
    return await readJson<JWK>(join(this.path, "operator.pub"), false);
  }

  /** Makes the operator's keys where there are none. Returns the path of the secret one. */
  async makeOperator(): Promise<string> {
    const path = join(this.path, "operator.key");
    if ((await readJson(path, true)) === null) {
      const { publicKey, privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
      await makeFolder(this.path);
      await replaceFile(join(this.path, "operator.pub"), `${JSON.stringify(await exportJWK(publicKey))}\n`);
      await replaceFile(path, `${JSON.stringify(await exportJWK(privateKey))}\n`);
    }
    return path;
  }

  /** Takes fresh keys. Tokens signed with the secret before stay good; what is told to others by a key has to be told anew. */
  async rotate(which: "token" | "front" | "back"): Promise<void> {
    const fresh =
      which === "token"
        ? { keys: [freshTokenKey(), ...(await this.tokenKeys()).keys].slice(0, 1 + TOKEN_KEYS_KEPT) }
        : curveKeyPair();
    await makeFolder(this.path);
    await replaceFile(join(this.path, `${which}.key`), `${JSON.stringify(fresh)}\n`);
  }

  async #read<T>(name: string, make: () => T): Promise<T> {
    const path = join(this.path, name);
    const known = await readJson<T>(path, true);
    if (known !== null) return known;
    await makeFolder(this.path);
    await createOnce(path, `${JSON.stringify(make())}\n`);
    const made = await readJson<T>(path, true);
    if (made === null) throw new KeyFileError(`${path} cannot be made`);
    return made;
  }
}

/** The operator's secret key, from its file. @throws KeyFileError */
export async function readOperatorKey(path: string): Promise<JWK> {
  const key = await readJson<JWK>(path, true);
  if (key === null) throw new KeyFileError(`there is no key file ${path}`);
  return key;
}

function freshTokenKey(): TokenKeys["keys"][number] {
  return { id: randomBytes(6).toString("base64url"), secret: randomBytes(32).toString("base64url") };
}

/** @param isSecret whether others must not be able to read it */
async function readJson<T>(path: string, isSecret: boolean): Promise<T | null> {
  try {
    const { mode } = await stat(path);
    if (isSecret && (mode & 0o077) !== 0) {
      throw new KeyFileError(`${path} can be read by others: make it private with chmod 600, and the keys anew`);
    }
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return null;
    if (error instanceof KeyFileError) throw error;
    // What the parser says would show what is in it.
    if (error instanceof SyntaxError) throw new KeyFileError(`${path} cannot be used: it is damaged`);
    throw new KeyFileError(`${path} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Several processes may start at once: the first one's file stays, whole from the moment it is there. */
async function createOnce(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await link(temporary, path).catch((error: unknown) => {
    if (!isErrno(error, "EEXIST")) throw error;
  });
  await unlink(temporary);
  await syncFolder(dirname(path));
}
