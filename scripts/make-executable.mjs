// `npx aisle` in this folder finds the program where npm puts those of dependencies; without the link it would look further
// afield, and remember what it found before the first build.
import { chmodSync, mkdirSync, rmSync, symlinkSync } from "node:fs";

const at = (path) => new URL(`../${path}`, import.meta.url);
chmodSync(at("dist/main.js"), 0o755);
mkdirSync(at("node_modules/.bin/"), { recursive: true });
rmSync(at("node_modules/.bin/aisle"), { force: true });
symlinkSync("../../dist/main.js", at("node_modules/.bin/aisle"));
