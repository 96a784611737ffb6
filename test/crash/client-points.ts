import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { join, resolve } from "node:path";
import { DataFolder } from "../../src/client/data-folder.js";
import { EXIT } from "../../src/client/errors.js";
import { fixedRandom, fixingPreload } from "./fixed.js";
import type { Verdict } from "./ledger.js";
import { faulted, pointsOf, ran, type Fault, type Point, type Program, type Ran } from "./strace.js";
import { trialsOf, type Trial } from "./table.js";

/** One command after the other in one folder; what stands after BATCH is a script. */
const BATCH = "batch";
const COMMANDS: readonly (readonly string[])[] = [
  ["new", "Groceries"],
  ["add", "2kg flour @baking", "milk", "eggs"],
  ["got", "milk"],
  ["remove", "eggs"],
  ["rename", "Groceries", "Market"],
  [BATCH, "new Party\nadd wine beer\ngot wine\nadd bread --list Market\nnote bread ripe --list Market\n"],
  ["add", "cheese", "--list", "Market"],
  ["undo", "--list", "Market"],
  ["delete", "Party", "--local", "-y"],
];

/** What a person sees of a folder. */
interface State {
  readonly current: string | null;
  readonly lists: Readonly<Record<string, unknown>>;
}

interface Setting {
  readonly number: number;
  /** The folder as it is before the command. */
  readonly template: string;
  readonly before: State;
  readonly after: State;
}

const codes = new Set<number | null>(Object.values(EXIT));

/** Faults in a device's folder, while commands work on it offline. */
export class ClientPoints {
  readonly #preload: string;

  constructor(readonly scratch: string) {
    this.#preload = fixingPreload(scratch);
  }

  async trials(): Promise<readonly Trial[]> {
    let template = join(this.scratch, "template");
    mkdirSync(template, { mode: 0o700 });
    const trials: Trial[] = [];
    for (const [number, [name = ""]] of COMMANDS.entries()) {
      const { folder, log, program } = this.#place(number, template);
      const { points, run } = await pointsOf(program, folder, log);
      if (run.code !== 0) throw new Error(`aisle ${name} failed by itself: ${run.stderr}`);
      const setting = { number, template, before: stateOf(template), after: stateOf(folder) };
      const at = async (point: Point, fault: Fault): Promise<Verdict | null> => await this.#run(setting, point, fault);
      trials.push(...trialsOf("aisle", points, at));
      template = folder;
    }
    return trials;
  }

  #place(number: number, template: string): { folder: string; log: string; program: Program } {
    const place = mkdtempSync(join(this.scratch, "run-"));
    const folder = join(place, "device");
    cpSync(template, folder, { recursive: true });
    const [name = "", ...words] = COMMANDS[number] ?? [];
    const script = join(place, "script");
    if (name === BATCH) writeFileSync(script, words.join("\n"));
    const line = [name, ...(name === BATCH ? [script] : words), "--offline", "--no-input"];
    const env = {
      AISLE_DATA_DIR: folder,
      XDG_CONFIG_HOME: this.scratch,
      CRASH_RANDOM: fixedRandom(this.scratch, `${number}`),
    };
    const program = { words: ["--require", this.#preload, resolve("dist/main.js"), ...line], env };
    return { folder, log: join(place, "trace"), program };
  }

  async #run(setting: Setting, point: Point, fault: Fault): Promise<Verdict | null> {
    const { folder, log, program } = this.#place(setting.number, setting.template);
    const run = await faulted(program, folder, log, point, fault);
    const problems = run.isHit ? [...endOf(run, fault), ...(await this.#check(folder, setting, run.code === 0))] : [];
    rmSync(join(folder, ".."), { recursive: true });
    // Every command before this one exited 0.
    const acknowledged = setting.number + (run.code === 0 ? 1 : 0);
    const lost = problems.some((problem) => problem.startsWith("lost")) ? 1 : 0;
    return run.isHit ? { acknowledged, lost, problems, damage: [] } : null;
  }

  /** Each file is what it was before the command or after it, after it where it exited 0, and the next command works. */
  async #check(folder: string, { before, after }: Setting, isDone: boolean): Promise<readonly string[]> {
    const problems: string[] = [];
    const next = join(folder, "..", "next");
    writeFileSync(next, "new Next\nadd next\n");
    const env = { AISLE_DATA_DIR: folder, XDG_CONFIG_HOME: this.scratch };
    const { code, stderr } = await ran({ words: [resolve("dist/main.js"), BATCH, next, "--offline"], env });
    if (code !== 0 || stderr !== "") problems.push(`the next command exits ${code}: ${stderr}`);
    const { lists } = stateOf(folder);
    for (const id of new Set([...Object.keys(before.lists), ...Object.keys(after.lists)])) {
      if (isDeepStrictEqual(lists[id], after.lists[id])) continue;
      if (isDone) problems.push(`lost: ${id} is not what the command made it`);
      else if (!isDeepStrictEqual(lists[id], before.lists[id])) problems.push(`lost: ${id} is neither old nor new`);
    }
    return problems;
  }
}

function stateOf(path: string): State {
  const folder = DataFolder.open(path);
  const lists = folder.listIds().map((id) => {
    const list = folder.readList(id);
    if (list === null) throw new Error("a list that is there can be read");
    const items = [...list.shown.visibleItems()].map(({ name, needed, acquired, note }) => [
      name,
      needed,
      acquired,
      note,
    ]);
    return [id, { name: list.shown.name.get(), items, glance: folder.readGlance(id)?.items.map(({ name }) => name) }];
  });
  return { current: folder.settings().current, lists: Object.fromEntries(lists) as State["lists"] };
}

/** After an error a command says one line and exits with a code that is documented. */
function endOf({ code, stderr }: Ran, fault: Fault): readonly string[] {
  if (fault === "kill") return [];
  if (!codes.has(code)) return [`exit ${code ?? "by a signal"}: ${stderr.slice(0, 300)}`];
  if (code === 0) return [];
  return /^aisle: [^\n]+\n$/.test(stderr) ? [] : [`exit ${code} with: ${stderr.slice(0, 300)}`];
}
