#!/usr/bin/env node
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { constants, Script } from "node:vm";

/**
 * Starts the program from what V8 made of it when it was built: `program.cache` holds its compiled code, which is half of
 * what a short command would take. V8 refuses code of another version, or of a text of
 * another length, and compiles as usual; the build writes text and code together.
 */
const CACHE = "program.cache";

/** Where in the cache each file's code is: [name, bytes], in order. */
type Index = readonly (readonly [string, number])[];

interface Module {
  readonly exports: unknown;
}

type Body = (
  exports: unknown,
  require: (id: string) => unknown,
  module: Module,
  filename: string,
  folder: string,
) => void;

/** This file is built as CommonJS, where it is at hand; making one takes a module more. */
const requireOutside: (id: string) => unknown = require;
const folder = dirname(__filename);
const modules = new Map<string, Module>();
const recorded: [string, Script][] = [];
const recording = process.env.AISLE_RECORD_CODE;
const codeByName = recording === undefined ? readCache(join(folder, CACHE)) : new Map<string, Buffer>();

function readCache(path: string): ReadonlyMap<string, Buffer> {
  const code = new Map<string, Buffer>();
  try {
    const cache = readFileSync(path);
    let at = 4 + cache.readUInt32LE(0);
    for (const [name, bytes] of JSON.parse(cache.toString("latin1", 4, at)) as Index)
      code.set(name, cache.subarray(at, (at += bytes)));
  } catch {
    // Without it everything works, and starts later.
  }
  return code;
}

/** What `require` does for the program's own files, less what it does for everyone else's. */
function load(name: string): unknown {
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const filename = join(folder, name);
  const cachedData = codeByName.get(name);
  // The build has made each file a function, in ASCII alone.
  const script = new Script(readFileSync(filename, "latin1"), {
    filename,
    ...(cachedData === undefined ? {} : { cachedData }),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  if (recording !== undefined) recorded.push([name, script]);
  const module: Module = { exports: {} };
  modules.set(name, module);
  const body = script.runInThisContext() as Body;
  const inside = (id: string): unknown => (id.startsWith("./") ? load(id.slice(2)) : requireOutside(id));
  body.call(module.exports, module.exports, inside, module, filename, folder);
  return module.exports;
}

if (recording !== undefined) {
  process.once("exit", () => {
    // What was recorded before of files that this run did not need stays.
    const code = new Map(readCache(recording));
    for (const [name, script] of recorded) code.set(name, script.createCachedData());
    const index = Buffer.from(JSON.stringify([...code].map(([name, data]) => [name, data.byteLength])), "latin1");
    const length = Buffer.alloc(4);
    length.writeUInt32LE(index.byteLength);
    writeFileSync(recording, Buffer.concat([length, index, ...code.values()]));
  });
}

load("program.js");
