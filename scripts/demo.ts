/**
 * Two shoppers on one machine, each with a folder of their own, on a cluster that is started for them and stopped after.
 * Exits 0 when both see the same list in the end.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePortBase } from "./free-ports.ts";

const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "aisle-demo-"));

interface Shopper {
  (...words: string[]): string;
  /** The same with a secret piped in. */
  with(secret: string, ...words: string[]): string;
}

/** Runs commands as one of the shoppers, showing each and what it says. */
function shopper(name: string, brokers: string): Shopper {
  const env = {
    ...process.env,
    AISLE_BROKERS: brokers,
    AISLE_DATA_DIR: join(folder, name),
    XDG_CONFIG_HOME: folder,
    NO_COLOR: "1",
  };
  const run = (input: string, words: readonly string[]): string => {
    const shown = words.map((word) => (/^[\w./:-]+$/.test(word) ? word : `"${word}"`)).join(" ");
    console.log(`\n${name}$ aisle ${shown}`);
    const output = execFileSync(process.execPath, [program, ...words], { env, encoding: "utf8", input });
    process.stdout.write(output);
    return output;
  };
  return Object.assign((...words: string[]) => run("", words), {
    with: (secret: string, ...words: string[]) => run(secret, words),
  });
}

async function play(): Promise<void> {
  const base = await freePortBase();
  const brokers = `tcp://127.0.0.1:${base}`;
  const [ann, ben] = [shopper("ann", brokers), shopper("ben", brokers)];
  const cluster = join(folder, "cluster");
  try {
    ann("cluster", "up", "--brokers", "1", "--servers", "2", "--port-base", `${base}`, "--data", cluster);
    ann("new", "Groceries");
    ann("add", "2 Milk", "6 Eggs", "500g flour, organic @baking");
    console.log("\n--- Ann shares her list: it becomes her account's, and Ben comes in by an invitation.");
    ann.with("a long password\n", "register", "ann", "--password-stdin");
    ben.with("another password\n", "register", "ben", "--password-stdin");
    const invitation = ann("share", "Groceries").trim();
    ben("join", invitation);
    ann("members", "Groceries");

    console.log("\n--- Both go offline and keep shopping.");
    ann("got", "flour", "--offline");
    ben("add", "Bread", "12 Eggs", "--offline");
    ben("got", "eggs", "6", "--offline");

    console.log("\n--- Back online, nothing is lost and nothing counted twice.");
    for (const one of [ann, ben, ann]) one("sync");
    const same = ann("show") === ben("show") && ann("show", "--digest") === ben("show", "--digest");
    const { items } = JSON.parse(ann("show", "--json")) as {
      items: { name: string; needed: number; acquired: number }[];
    };
    const eggs = items.find(({ name }) => name === "Eggs");
    if (!same || eggs?.needed !== 18 || eggs.acquired !== 6) throw new Error("the two lists differ");
    console.log("\nBoth devices show the same list: 18 eggs wanted, 6 in the basket.");
  } finally {
    ann("cluster", "down", "--data", cluster);
    rmSync(folder, { recursive: true, force: true });
  }
}

await play();
