// Bundles the program to dist/, as CommonJS with its code compiled: a command of a shopping list takes a few milliseconds, and
// finding, reading and compiling a hundred modules would take many times that. See docs/decisions/0020-start-up.md.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { freePortBase } from "./free-ports.ts";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Parts of Node that take long to load; each of their functions loads them when it is called. */
const ON_DEMAND = ["node:child_process", "node:crypto", "node:fs/promises", "node:tty", "node:zlib"];

/** What this machine's binaries are made for. */
const HERE = JSON.stringify([process.platform, process.arch, process.versions.modules].join());

/** Which of its binaries zeromq loads on this machine, as a path within it. */
function zeromqAddon() {
  const require = createRequire(import.meta.url);
  require("zeromq");
  const loaded = Object.keys(require.cache).find((path) => /zeromq.*\.node$/.test(path)) ?? "";
  return loaded.slice(loaded.lastIndexOf("/build/") + 1);
}

/**
 * Loads a package's binary: from the folder beside this program's where npm puts it as a rule, since a millisecond goes into
 * looking for it; else wherever the package is, or else whatever `search` finds.
 */
function binary(place, search) {
  const beside = `require("node:path").join(__dirname, "..", "node_modules", ${place})`;
  const found = `try { module.exports = require(${place}); } catch { module.exports = ${search}; }`;
  return `try { process.dlopen(module, ${beside}); } catch { ${found} }`;
}

const onDemand = {
  name: "on-demand",
  resolveId(id, importer) {
    const isOurs = importer?.startsWith(at("src/")) || importer?.includes("node_modules/commander/");
    return isOurs && ON_DEMAND.includes(id) ? `\0${id}` : null;
  },
  async load(id) {
    if (id.startsWith("\0node:")) {
      const name = id.slice(1);
      const functions = Object.entries(await import(name)).filter(([, value]) => typeof value === "function");
      const loaded = `let part;\nconst loaded = () => (part ??= require("${name}"));`;
      const wrapped = functions.map(([key]) => `export const ${key} = (...given) => loaded().${key}(...given);`);
      return [loaded, ...wrapped, `export default { ${functions.map(([key]) => key).join(", ")} };`].join("\n");
    }
    // Their binaries lie at known places; the packages look in all places where one might.
    if (id.endsWith("/fs-native-extensions/binding.js")) {
      const place = "fs-native-extensions/prebuilds/${process.platform}-${process.arch}/fs-native-extensions.node";
      return binary(`\`${place}\``, 'require("require-addon")(".", require.resolve("fs-native-extensions"))');
    }
    if (id.endsWith("/zeromq/lib/load-addon.js")) {
      const isHere = `[process.platform, process.arch, process.versions.modules].join() === ${HERE}`;
      const place = `\`\${${isHere} ? "zeromq" : "elsewhere"}/${zeromqAddon()}\``;
      const search =
        'require("cmake-ts/build/loader").loadAddon(require.resolve("zeromq/package.json").slice(0, -12) + "build")';
      return binary(place, search);
    }
    return null;
  },
};

/** What is always loaded together is one file, since finding and opening each takes a moment: groups of what starts import. */
const GROUPS = [
  ["base", ["src/main.ts"]],
  ["items", ["src/client/cli/items.ts"]],
  ["zeromq", ["src/runtime/request-sockets.ts"]],
  ["sync", ["src/client/session.ts", "src/client/synchronizer.ts"]],
];

const groupOf = new Map();

function group(id, bundle) {
  if (groupOf.size === 0) {
    const visit = (one, name) => {
      if (groupOf.has(one)) return;
      groupOf.set(one, name);
      for (const next of bundle.getModuleInfo(one)?.importedIds ?? []) visit(next, name);
    };
    for (const [name, starts] of GROUPS) for (const start of starts) visit(at(start), name);
  }
  return groupOf.get(id) ?? null;
}

const groups = GROUPS.map(([name], index) => ({
  name: (id, bundle) => (group(id, bundle) === name ? name : null),
  priority: GROUPS.length - index,
}));

const options = {
  platform: "node",
  // They have binaries of their own, or start threads from their own files.
  external: ["pg", "pino", "prom-client", "require-addon", "cmake-ts/build/loader"],
  resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
  transform: { target: "node20" },
  plugins: [onDemand],
  checks: { ineffectiveDynamicImport: false },
};
const output = {
  dir: at("dist"),
  format: "cjs",
  minify: true,
  entryFileNames: "[name].js",
  chunkFileNames: "[name]-[hash].js",
};

rmSync(at("dist"), { recursive: true, force: true });
for (const input of [{ program: at("src/main.ts") }, { main: at("src/start.ts") }]) {
  groupOf.clear();
  const bundle = await rolldown({ ...options, input });
  await bundle.write({ ...output, codeSplitting: { groups } });
}
writeFileSync(at("dist/package.json"), '{ "type": "commonjs" }\n');
// What src/start.ts loads is made as it wants it: functions, and no letters beyond ASCII, for which V8 takes twice the room.
for (const name of readdirSync(at("dist")).filter((name) => name.endsWith(".js") && name !== "main.js")) {
  const text = readFileSync(at(`dist/${name}`), "utf8");
  // The first line may be for the shell, and no part of a function.
  const body = text.replace(/^#!.*\n/, "").replace(/[^\0-\x7f]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  writeFileSync(at(`dist/${name}`), `(function (exports, require, module, __filename, __dirname) { ${body}\n})`);
}

const folder = mkdtempSync(join(tmpdir(), "aisle-build-"));

/** Runs the program that was built, away from what the person who builds has set up; answers what it printed. */
function run(words, env = {}, input = "") {
  const { status, stdout, stderr } = spawnSync(process.execPath, [at("dist/main.js"), ...words], {
    encoding: "utf8",
    input,
    env: { PATH: process.env.PATH, XDG_CONFIG_HOME: folder, AISLE_DATA_DIR: folder, ...env },
  });
  if (status !== 0) throw new Error(`the program that was built does not work: ${stderr}`);
  return stdout;
}

// What these commands use is kept compiled; what another one needs beside it is compiled as usual. The last one is what people
// do most and wait for: of the files that it uses, what it uses is all, since reading more takes it longer. There is a cluster
// for it, so that what reads its answers is used, too.
const portBase = await freePortBase();
const cluster = ["--data", join(folder, "cluster")];
run(["cluster", "up", "--brokers", "1", "--servers", "1", "--port-base", `${portBase}`, ...cluster]);
try {
  const env = { AISLE_BROKERS: `tcp://127.0.0.1:${portBase}`, AISLE_RECORD_CODE: at("dist/program.cache") };
  const lines = ["new Groceries", "add '2kg flour, organic @baking' milk", "got milk 1", "lists", "show"];
  run(["batch"], env, lines.join("\n"));
  run(["add", "milk"], env);
} finally {
  run(["cluster", "down", ...cluster]);
}

writeFileSync(at("dist/aisle.1"), run(["manual"]));
rmSync(folder, { recursive: true });
