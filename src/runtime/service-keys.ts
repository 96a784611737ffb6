import { dirname, join } from "node:path";
import { isOnNetwork } from "../protocol/address.js";
import { Doorkeeper } from "./curve.js";
import { monotonicMs } from "./clock.js";
import { makeFolder } from "./durable-file.js";
import { isErrno } from "./errno.js";
import { KeyFolder } from "./key-files.js";
import { xdgFolder } from "./xdg-folder.js";

/** @throws RangeError where something would be readable on a network, and nobody said that it may be */
export function requirePrivacy(endpoints: readonly string[], isPrivate: boolean, isInsecure: boolean): void {
  const open = endpoints.find(isOnNetwork);
  if (open === undefined || isPrivate || isInsecure) return;
  throw new RangeError(
    `${open} would be clear text on a network: add --curve, or --insecure where the network itself is private`,
  );
}

/** Every service of one user on one machine finds the same. */
function defaultKeysFolder(environment: NodeJS.ProcessEnv): string {
  return join(xdgFolder(environment, "XDG_CONFIG_HOME"), "keys");
}

/**
 * The folder that was named, else the user's, else, where the user has no place for it, one beside the data.
 * @param beside a folder of the service
 */
export async function openKeys(
  named: string | undefined,
  environment: NodeJS.ProcessEnv,
  beside: string,
): Promise<KeyFolder> {
  if (named !== undefined) return new KeyFolder(named);
  const usual = defaultKeysFolder(environment);
  try {
    await makeFolder(usual);
    return new KeyFolder(usual);
  } catch (error) {
    if (!["EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR"].some((code) => isErrno(error, code))) throw error;
    return new KeyFolder(join(dirname(beside), "aisle-keys"));
  }
}

/** The doorkeeper of this process, which has to be there before a socket asks for it. */
export async function startDoorkeeper(keys: KeyFolder): Promise<Doorkeeper> {
  return await Doorkeeper.start(await keys.curveKeys("back"), monotonicMs);
}
