/**
 * `make bench`: all benchmarks, one after the other; `make bench-NAME` for one. What a whole run finds is written as JSON beside this file
 * and put at the head of the history in docs/benchmarks.md, with the commit and what it ran on. Nothing else should be running.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { verdictOn, type Table } from "./table.js";

const QUESTIONS = ["start-up", "sync", "crdt", "broker", "system", "recovery", "journal", "edits", "many-lists"];
const HISTORY_BEGINS = "<!-- The newest run comes next. -->\n";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const [chosen] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "aisle-bench-"));
const record = join(folder, "tables.jsonl");

function tables(): readonly Table[] {
  const lines = existsSync(record) ? readFileSync(record, "utf8").trimEnd().split("\n") : [];
  return lines.map((line) => JSON.parse(line) as Table);
}

function said(command: string, ...words: readonly string[]): string {
  return spawnSync(command, words, { encoding: "utf8", cwd: at("..") }).stdout.trim();
}

function conditions(): { readonly commit: string; readonly date: string; readonly machine: string } {
  const commit = said("git", "describe", "--always", "--dirty");
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  const processors = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}`;
  const disk = said("stat", "-f", "-c", "%T", ".");
  const machine = `${processors}, ${memory}, ${disk}, Linux ${release()}, Node ${process.version}`;
  return { commit, date: new Date().toISOString().slice(0, 10), machine };
}

function markdown({ title, rows }: Table): string {
  const lines = rows.map((row) => `| ${row.name} | ${row.figure} | ${row.ratio?.toFixed(2) ?? ""} ${verdictOn(row)} |`);
  return [`| ${title} | | ratio |`, "|---|---:|---|", ...lines, ""].join("\n");
}

function keep(found: readonly Table[]): void {
  const { commit, date, machine } = conditions();
  writeFileSync(at("results.json"), JSON.stringify({ commit, date, machine, tables: found }, null, 2));
  const path = at("../docs/benchmarks.md");
  const run = [`## ${date}, ${commit}`, "", machine, "", ...found.map(markdown)].join("\n");
  writeFileSync(path, readFileSync(path, "utf8").replace(HISTORY_BEGINS, `${HISTORY_BEGINS}\n${run}`));
}

if (chosen !== undefined && !QUESTIONS.includes(chosen)) {
  console.error(`there is no such benchmark; there are ${QUESTIONS.join(", ")}`);
  process.exit(2);
}
let hasFailed = false;
try {
  for (const question of chosen === undefined ? QUESTIONS : [chosen]) {
    console.log(`== ${question}\n`);
    const node = ["--disable-warning=ExperimentalWarning", "--import", at("../scripts/ts-node.mjs")];
    const env = { ...process.env, AISLE_BENCH_RECORD: record };
    const { status } = spawnSync(process.execPath, [...node, at(`${question}.ts`)], { env, stdio: "inherit" });
    if (status !== 0) console.error(`${question} failed`);
    hasFailed ||= status !== 0;
  }
  if (chosen === undefined) keep(tables());
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = hasFailed ? 1 : 0;
