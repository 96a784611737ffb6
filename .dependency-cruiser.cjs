/**
 * The layers of the tree: main -> shell -> core -> protocol -> crdt, with runtime beside them for mains and shells only.
 * A core is every file of a role that is not named below as a main or a shell.
 */
const role = "^src/(broker|server|client)/";
const MAIN = "^src/(main|(broker|server|client)/main)\\.ts$";
const SHELL =
  "^src/(broker/(broker|frontend)|server/(server|broker-connection|store/[^/]+)|client/(cluster-process|session|local-store|device|durable-file|lock|watcher|workspace|cli/.+))\\.ts$";
module.exports = { forbidden: [] };
