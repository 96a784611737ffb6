/** `bundle.ts FILE`: the driver as one file, so that hundreds of runs of it start quickly. */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { rolldown } from "rolldown";

const require = createRequire(resolve("package.json"));
const bundle = await rolldown({
  input: resolve("test/crash/driver.ts"),
  platform: "node",
  resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
  plugins: [
    {
      name: "binaries-stay-where-they-are",
      resolveId: (id) => (id === "fs-native-extensions" ? { id: require.resolve(id), external: true } : null),
    },
  ],
});
await bundle.write({ file: resolve(process.argv[2] ?? ""), format: "cjs" });
