import { importJWK, SignJWT } from "jose";
import { KeyFileError, readOperatorKey } from "../runtime/key-files.js";
import { proofOf } from "../protocol/identity.js";
import { AisleError, EXIT } from "./errors.js";
import type { Unsigned } from "./session.js";
import { t } from "./messages.js";

/** The key of whoever runs the cluster. */
export class OperatorKey {
  private constructor(readonly key: Awaited<ReturnType<typeof importJWK>>) {}

  /** @throws AisleError where the file is missing, damaged, or open to others */
  static async read(path: string): Promise<OperatorKey> {
    try {
      return new OperatorKey(await importJWK(await readOperatorKey(path), "EdDSA"));
    } catch (error) {
      const message = error instanceof KeyFileError ? error.message : t`${path} is no operator's key`;
      throw new AisleError(EXIT.failed, "bad-key", message, t("`aisle cluster up --curve` makes one"));
    }
  }

  /** Proof for one request, good for a minute. */
  async prove(request: Unsigned): Promise<string> {
    const { jti, sub, body } = proofOf(request);
    const proof = new SignJWT({ body }).setProtectedHeader({ alg: "EdDSA" }).setAudience("operator");
    return await proof.setJti(jti).setSubject(sub).setExpirationTime("1m").sign(this.key);
  }
}
