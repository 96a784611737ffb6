import { homedir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";

const FALLBACKS = { XDG_DATA_HOME: [".local", "share"], XDG_CONFIG_HOME: [".config"] } as const;

/** Aisle's own folder in one of the XDG base directories; a relative one does not count (XDG Base Directory Specification). */
export function xdgFolder(environment: NodeJS.ProcessEnv, variable: keyof typeof FALLBACKS): string {
  const named = environment[variable] ?? "";
  return join(isAbsolute(named) ? named : join(home(), ...FALLBACKS[variable]), "aisle");
}

/** Where the user is at home; the root where nobody knows, as in a container whose user has no entry in `passwd`. */
export function home(): string {
  try {
    return [homedir(), userInfo().homedir].find((path) => isAbsolute(path)) ?? "/";
  } catch {
    return "/";
  }
}
