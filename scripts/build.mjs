// Bundles the program to dist/, as CommonJS with its code compiled: a command of a shopping list takes a few milliseconds, and
// finding, reading and compiling a hundred modules would take many times that. See docs/decisions/0020-start-up.md.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

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

/** Loads a file of a package, or else whatever `search` finds. */
function orElse(place, search) {
  return `try { module.exports = require(${place}); } catch { module.exports = ${search}; }`;
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
      const wrapped = functions.map(
        ([key]) => `export const ${key} = (...given) => require("${name}").${key}(...given);`,
      );
      return [...wrapped, `export default { ${functions.map(([key]) => key).join(", ")} };`].join("\n");
    }
    // Their binaries lie at known places; the packages look in all places where one might.
    if (id.endsWith("/fs-native-extensions/binding.js")) {
      const place = "fs-native-extensions/prebuilds/${process.platform}-${process.arch}/fs-native-extensions.node";
      return orElse(`\`${place}\``, 'require("require-addon")(".", require.resolve("fs-native-extensions"))');
    }
    if (id.endsWith("/zeromq/lib/load-addon.js")) {
      const isHere = `[process.platform, process.arch, process.versions.modules].join() === ${HERE}`;
      const place = `\`\${${isHere} ? "zeromq" : "elsewhere"}/${zeromqAddon()}\``;
      const search =
        'require("cmake-ts/build/loader").loadAddon(require.resolve("zeromq/package.json").slice(0, -12) + "build")';
      return orElse(place, search);
    }
    return null;
  },
};

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
  const bundle = await rolldown({ ...options, input });
  await bundle.write(output);
}
writeFileSync(at("dist/package.json"), '{ "type": "commonjs" }\n');
const program = at("dist/program.js");
// The first line is for the shell, and no part of a function.
writeFileSync(program, readFileSync(program, "utf8").replace(/^#!.*\n/, ""));

// What these commands use is kept compiled; what another one needs beside it is compiled as usual. The last one is what people
// do most and wait for: of the files that it uses, what it uses is all, since reading more takes it longer.
const folder = mkdtempSync(join(tmpdir(), "aisle-build-"));
const lines = ["new Groceries", "add '2kg flour, organic @baking' milk", "got milk 1", "lists", "show"].join("\n");
for (const [words, input] of [
  [["batch"], lines],
  [["add", "milk"], ""],
]) {
  const { status, stderr } = spawnSync(process.execPath, [at("dist/main.js"), ...words, "--data-dir", folder], {
    encoding: "utf8",
    input,
    // There is no cluster to push to, but what would push is loaded. What the person who builds has set up is left out of it.
    env: {
      PATH: process.env.PATH,
      XDG_CONFIG_HOME: folder,
      AISLE_BROKERS: "tcp://127.0.0.1:9",
      AISLE_RECORD_CODE: at("dist/program.cache"),
    },
  });
  if (status !== 0) throw new Error(`the program that was built does not work: ${stderr}`);
  // A cluster that was away a moment ago is not tried again so soon.
  rmSync(join(folder, "sync.json"), { force: true });
}

const manual = spawnSync(process.execPath, [at("dist/main.js"), "manual", "--data-dir", folder], {
  encoding: "utf8",
  env: { PATH: process.env.PATH, XDG_CONFIG_HOME: folder },
});
if (manual.status !== 0) throw new Error(`there is no manual page: ${manual.stderr}`);
writeFileSync(at("dist/aisle.1"), manual.stdout);
rmSync(folder, { recursive: true });
