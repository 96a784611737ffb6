// npm links the bin file as it is, so the build itself must leave it executable.
import { chmodSync } from "node:fs";

chmodSync(new URL("../dist/main.js", import.meta.url), 0o755);
