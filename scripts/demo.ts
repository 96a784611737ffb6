/**
 * Two shoppers on one machine, each with a folder of their own, on a cluster that is started for them and stopped after:
 * the worked example of docs/crdt.md, for real. Exits 0 when both see the same list in the end.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "aisle-demo-"));

/** The first of a hundred ports of which the ones a small cluster uses are free. */
async function freePortBase(): Promise<number> {
  for (let base = 21_000; base < 60_000; base += 100) {
    const offsets = [0, 20, 40, 60, 61];
    const free = await Promise.all(offsets.map(async (offset) => await isFree(base + offset)));
    if (!free.includes(false)) return base;
  }
  throw new Error("no free ports");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function aisle(brokers: string, shopper: string, ...words: string[]): string {
  const shown = words.map((word) => (/^[\w./:-]+$/.test(word) ? word : `"${word}"`)).join(" ");
  const env = { ...process.env, AISLE_BROKERS: brokers, AISLE_DATA_DIR: join(folder, shopper), NO_COLOR: "1" };
  console.log(`\n${shopper}$ aisle ${shown}`);
  const output = execFileSync(process.execPath, [program, ...words], { env, encoding: "utf8" });
  process.stdout.write(output);
  return output;
}

async function play(): Promise<void> {
  const base = await freePortBase();
  const brokers = `tcp://127.0.0.1:${base}`;
  const cluster = join(folder, "cluster");
  try {
    aisle(
      brokers,
      "ann",
      "cluster",
      "up",
      "--brokers",
      "1",
      "--servers",
      "2",
      "--port-base",
      `${base}`,
      "--data",
      cluster,
    );
    aisle(brokers, "ann", "new", "Groceries");
    aisle(brokers, "ann", "sync");
    const [list] = JSON.parse(aisle(brokers, "ann", "lists", "--json")) as { id: string }[];
    aisle(brokers, "ben", "join", list?.id ?? "");

    console.log("\n--- Both go offline and keep shopping.");
    aisle(brokers, "ann", "add", "2 Milk", "6 Eggs", "--offline");
    aisle(brokers, "ben", "add", "Bread", "12 Eggs", "--offline");
    aisle(brokers, "ben", "got", "Eggs", "6", "--offline");

    console.log("\n--- Back online, nothing is lost and nothing counted twice.");
    for (const shopper of ["ann", "ben", "ann"]) aisle(brokers, shopper, "sync");
    const [ann, ben] = [aisle(brokers, "ann", "show", "--json"), aisle(brokers, "ben", "show", "--json")];
    aisle(brokers, "ann", "show");
    const eggs = (JSON.parse(ann) as { items: { name: string; needed: number; acquired: number }[] }).items.find(
      ({ name }) => name === "Eggs",
    );
    if (ann !== ben || eggs?.needed !== 18 || eggs.acquired !== 6) throw new Error("the two lists differ");
    console.log("\nBoth devices show the same list: 18 eggs wanted, 6 in the basket.");
  } finally {
    aisle(brokers, "ann", "cluster", "down", "--data", cluster);
    rmSync(folder, { recursive: true, force: true });
  }
}

await play();
