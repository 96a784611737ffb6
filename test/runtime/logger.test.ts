import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

describe("a log", () => {
  const onFull = existsSync("/dev/full") ? it : it.skip;

  onFull(
    "that cannot be written does not end the process, however much there is to say",
    () => {
      const program = `
      import { openLogger } from ${JSON.stringify(at("../../src/runtime/logger.ts"))};
      const logger = openLogger({});
      for (let line = 0; line < 20_000; line++) logger.info({ event: "x".repeat(200) });
      console.log("still here");`;
      const node = ["--disable-warning=ExperimentalWarning", "--import", at("../../scripts/ts-node.mjs")];
      const words = [process.execPath, ...node, "--input-type=module", "-e", program];
      const { stdout } = spawnSync("sh", ["-c", 'exec "$@" 2>/dev/full', "sh", ...words], { encoding: "utf8" });
      expect(stdout).toBe("still here\n");
    },
    60_000,
  );
});
