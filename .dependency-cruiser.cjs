/**
 * The layers of the tree: main -> shell -> core -> protocol -> crdt, and runtime beside them for mains and shells only.
 * Every file of a role is a core unless it is named here as a main or a shell.
 */
const ROLES = ["broker", "server", "client"];
const MAIN = "^src/(main|service|families|storage|(broker|server|client)/main)\\.ts$";
const SHELL = [
  "^src/broker/broker\\.ts$",
  "^src/server/(server|broker-connection|members-file|peer-sockets|credential-checker|passwords)\\.ts$",
  "^src/server/store/(backup|infirmary|inspection|journal-segment|journal-store|numbered-files|open-files|postgres-store|primary|pack-file|packs)\\.ts$",
  "^src/client/(adoption|login|configuration|data-folder|folder-errors|hooked|hooks|workspace|session|synchronizer|translation|watcher|operator|operator-key|local-cluster)\\.ts$",
  "^src/client/cli/",
];
const CORE = { path: "^src/(broker|server|client)/", pathNot: [MAIN, ...SHELL] };
const PURE_BUILTINS = ["^(node:)?crypto$", "^(node:)?path$", "^(node:)?zlib$"];

module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "crdt-stands-alone",
      severity: "error",
      from: { path: "^src/crdt/" },
      to: { pathNot: ["^src/crdt/", "^(node:)?crypto$"] },
    },
    {
      name: "protocol-knows-only-crdt",
      severity: "error",
      from: { path: "^src/protocol/" },
      to: { path: "^src/", pathNot: ["^src/(protocol|crdt)/"] },
    },
    {
      name: "runtime-knows-no-role",
      severity: "error",
      from: { path: "^src/runtime/" },
      to: { path: "^src/", pathNot: ["^src/(runtime|protocol)/"] },
    },
    {
      name: "cores-import-down",
      severity: "error",
      comment: "A core decides; it knows no shell, no main, no clock, no random numbers and no IO.",
      from: CORE,
      to: { path: [MAIN, ...SHELL, "^src/runtime/"] },
    },
    {
      name: "cores-do-no-io",
      severity: "error",
      from: CORE,
      to: { dependencyTypes: ["core"], pathNot: PURE_BUILTINS },
    },
    {
      name: "nobody-imports-main",
      severity: "error",
      from: { pathNot: "^src/(main|families|storage)\\.ts$" },
      to: { path: MAIN },
    },
    ...ROLES.map((role) => ({
      name: `${role}-stands-apart`,
      severity: "error",
      from: { path: `^src/${role}/` },
      to: { path: `^src/(${ROLES.filter((other) => other !== role).join("|")})/` },
    })),
    {
      name: "zeromq-only-in-runtime",
      severity: "error",
      from: { pathNot: "^src/runtime/" },
      to: { path: "node_modules/zeromq" },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
  },
};
