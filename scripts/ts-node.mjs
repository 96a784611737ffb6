// Registers ts-node for `node --import`, so that scripts in this folder run without a build.
import { register } from "node:module";

register("ts-node/esm", import.meta.url);
