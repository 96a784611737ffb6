import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { DataFolder } from "../../src/client/data-folder.js";
import type { DriverOptions } from "./driver.js";
import { checkFolder, Ledger, type Verdict } from "./ledger.js";
import { Mount, type FileSystem } from "./mounts.js";
import { ran } from "./strace.js";
import { randomFrom } from "./workload.js";

const WRITERS = 32;
const SEGMENT_BYTES = 100_000;
/** The power goes after at most so many acknowledged writes of a store. */
const MOST_WRITES = 2_000;
const MOST_COMMANDS = 8;
/** And within so many milliseconds more. */
const MOST_DELAY_MS = 40;

/** What all rounds on one file system came to. */
export interface Losses {
  readonly what: string;
  readonly fileSystem: FileSystem;
  rounds: number;
  acknowledged: number;
  lost: number;
  /** Rounds after which a line was set aside that the loss had cut off. */
  torn: number;
  readonly problems: string[];
}

/** Why no power can be lost here, or null where it can. */
export async function powerProblem(fileSystem: FileSystem): Promise<string | null> {
  try {
    const mount = Mount.image(fileSystem);
    await mount
      .powerSwitch()()
      .finally(() => mount.remove());
    return null;
  } catch (error) {
    return String(error).split("\n")[0] ?? "";
  }
}

/** A file system that is being shut down says of a write now and then that it is on disk, though it will never be. */
class Power {
  /** When it began to go, in nanoseconds of the monotonic clock, or null while it is there. */
  goneAt: bigint | null = null;

  constructor(readonly turnOff: () => Promise<void>) {}

  async lose(): Promise<void> {
    this.goneAt = process.hrtime.bigint();
    await this.turnOff();
  }
}

type Round = (folder: string, random: () => number, power: Power) => Promise<() => Promise<Verdict>>;

/** Each round works in a folder of its own until the power is lost, and looks at the folder once it is back. */
async function rounds(what: string, fileSystem: FileSystem, count: number, round: Round): Promise<Losses> {
  const losses: Losses = { what, fileSystem, rounds: 0, acknowledged: 0, lost: 0, torn: 0, problems: [] };
  const mount = Mount.image(fileSystem);
  try {
    for (let number = 1; number <= count; number++) {
      const folder = join(mount.path, `round-${number}`);
      const check = await round(folder, randomFrom(number), new Power(mount.powerSwitch()));
      await mount.unmount();
      mount.mount();
      const { acknowledged, lost, problems, damage } = await check();
      losses.rounds++;
      losses.acknowledged += acknowledged;
      losses.lost += lost;
      if (damage.length > 0) losses.torn++;
      for (const problem of problems) losses.problems.push(`round ${number}: ${problem}`);
      rmSync(folder, { recursive: true });
    }
  } finally {
    mount.remove();
  }
  return losses;
}

/** Many writers to a store, and the power is lost under them. */
export async function storeLosses(fileSystem: FileSystem, count: number, driver: string): Promise<Losses> {
  return await rounds("store", fileSystem, count, async (folder, random, power) => {
    const seed = Math.floor(random() * 2 ** 31);
    const options: DriverOptions = {
      folder,
      seed,
      writers: [0, WRITERS],
      steps: null,
      segmentBytes: SEGMENT_BYTES,
      dies: false,
    };
    const child = spawn(process.execPath, [driver, JSON.stringify(options)], { stdio: ["ignore", "pipe", "inherit"] });
    const said = await saidUntil(child, Math.floor(random() * MOST_WRITES), async () => {
      await pause(random() * MOST_DELAY_MS);
      await power.lose();
      child.kill("SIGKILL");
    });
    return async () => await checkFolder(folder, new Ledger(seed, said.split("\n"), power.goneAt), SEGMENT_BYTES);
  });
}

/** All that the process says until it is gone; `then` is called once it has said so many lines. */
async function saidUntil(child: ChildProcess, lines: number, then: () => Promise<void>): Promise<string> {
  let [said, seen] = ["", 0];
  const ending: Promise<void>[] = [];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    seen += text.split("\n").length - 1;
    if (seen > lines && ending.length === 0) ending.push(then());
  });
  await new Promise((resolve) => child.once("close", resolve));
  await Promise.all(ending);
  // What was cut off in the middle says nothing.
  return said.slice(0, said.lastIndexOf("\n") + 1);
}

/** Commands one after the other on a device, and the power is lost under one of them. */
export async function clientLosses(fileSystem: FileSystem, count: number): Promise<Losses> {
  const scratch = mkdtempSync(join(tmpdir(), "aisle-power-"));
  const script = join(scratch, "script");
  const batch = async (folder: string, lines: readonly string[]): Promise<boolean> => {
    writeFileSync(script, `${lines.join("\n")}\n`);
    const env = { AISLE_DATA_DIR: folder, XDG_CONFIG_HOME: scratch };
    return (await ran({ words: [resolve("dist/main.js"), "batch", script, "--offline"], env })).code === 0;
  };
  try {
    return await rounds("client", fileSystem, count, async (folder, random, power) => {
      const doomed = Math.floor(random() * MOST_COMMANDS);
      let acknowledged = 0;
      for (let number = 0; number <= doomed; number++) {
        const delayMs = random() * 2 * MOST_DELAY_MS;
        const loss = number === doomed ? pause(delayMs).then(async () => await power.lose()) : null;
        const isDone = await batch(folder, number === 0 ? ["new Groceries", ...added(0)] : added(number));
        if (isDone && power.goneAt === null) acknowledged++;
        else if (loss === null) throw new Error("a command failed with the power on");
        await loss;
      }
      return async () =>
        await checkDevice(folder, acknowledged, async () => await batch(folder, ["new Next", "add next"]));
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function added(number: number): readonly string[] {
  return [`add left-${number}`, `add right-${number}`, `got left-${number}`];
}

async function checkDevice(folder: string, acknowledged: number, next: () => Promise<boolean>): Promise<Verdict> {
  const problems: string[] = [];
  if (!(await next())) problems.push("the next command fails");
  const device = DataFolder.open(folder);
  const items = device.listIds().flatMap((id) => [...(device.readList(id)?.shown.visibleItems() ?? [])]);
  const gotten = new Map(items.map(({ name, acquired }) => [name, acquired > 0]));
  let lost = 0;
  for (let number = 0; number < MOST_COMMANDS; number++) {
    const [left, right] = [gotten.get(`left-${number}`), gotten.get(`right-${number}`)];
    const isWhole = left === true && right === false;
    if (number < acknowledged && !isWhole) lost++;
    else if (!isWhole && (left ?? right) !== undefined) problems.push(`command ${number} is there in part`);
  }
  if (lost > 0) problems.push(`${lost} of ${acknowledged} commands are lost`);
  return { acknowledged, lost, problems, damage: [] };
}

export function lineOf({ what, fileSystem, rounds, acknowledged, lost, torn }: Losses): string {
  return `${what} on ${fileSystem}: ${rounds} rounds, ${acknowledged} acknowledged, ${lost} lost, ${torn} with a line cut off`;
}
