import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** Calls that change what is on the disk, or see to it that it stays. */
const CALLS = [
  ...["write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "fsync", "fdatasync", "sync_file_range"],
  ...["rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "link", "linkat", "symlink", "symlinkat"],
  ...["mkdir", "mkdirat", "open", "openat", "creat", "truncate", "ftruncate", "fallocate"],
];

export const FAULTS = ["kill", "EIO", "ENOSPC"] as const;
export type Fault = (typeof FAULTS)[number];

/** The nth call of this name, in one thread, on one of these paths in the folder. */
export interface Point {
  readonly call: string;
  /** What kind of file, its name without what differs from one to the next. */
  readonly kind: string;
  readonly paths: readonly string[];
  readonly nth: number;
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Traced extends Ran {
  readonly log: string;
}

/** A program, its arguments, and what it is to have around it. */
export interface Program {
  readonly words: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** A bound for hangs. */
const PATIENCE_MS = 60_000;

/** Why no calls can be traced here, or null where they can. */
export function tracingProblem(): string | null {
  const { error, status, stderr } = spawnSync("strace", ["-f", "-o", "/dev/null", "true"], { encoding: "utf8" });
  if (error !== undefined) return "strace is not installed";
  return status === 0 ? null : `strace may not trace: ${stderr.trim()}`;
}

/** One thread does the work on files, and not io_uring: calls come in an order that the next run keeps, by and large. */
const ORDERLY = { UV_THREADPOOL_SIZE: "1", UV_USE_IO_URING: "0" };

async function traced(flags: readonly string[], log: string, program: Program): Promise<Traced> {
  const run = await ran(program, ["strace", "-f", "-qq", "-y", "-s", "0", "-o", log, ...flags]);
  return { ...run, log: readFileSync(log, "utf8") };
}

/** Runs a program of Node's to its end, with a wrapper around it. */
export async function ran({ words, env }: Program, wrapper: readonly string[] = []): Promise<Ran> {
  const [command = "", ...line] = [...wrapper, process.execPath, ...words];
  const child = spawn(command, line, {
    env: { PATH: process.env.PATH, HOME: "/nonexistent", ...ORDERLY, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: PATIENCE_MS,
    killSignal: "SIGKILL",
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

/** Runs the program to its end and answers every point that it went through. */
export async function pointsOf(
  program: Program,
  folder: string,
  log: string,
): Promise<{ readonly points: readonly Point[]; readonly run: Traced }> {
  const run = await traced(["--seccomp-bpf", "-e", `trace=${CALLS.join(",")}`], log, program);
  const calls = run.log.split("\n").flatMap((line) => callOn(line, folder));
  const pathsByKind = new Map<string, Set<string>>();
  for (const { call, kind, path } of calls) {
    const paths = pathsByKind.get(`${call} ${kind}`) ?? new Set<string>();
    pathsByKind.set(`${call} ${kind}`, paths.add(path));
  }
  const counts = new Map<string, number>();
  const points = calls.flatMap(({ thread, call, kind, isChange }) => {
    const nth = (counts.get(`${thread} ${call} ${kind}`) ?? 0) + 1;
    counts.set(`${thread} ${call} ${kind}`, nth);
    return isChange ? [{ call, kind, paths: [...(pathsByKind.get(`${call} ${kind}`) ?? [])], nth }] : [];
  });
  return { points, run };
}

/** Runs the program with one fault. `isHit` tells whether it came to that call at all. */
export async function faulted(
  program: Program,
  folder: string,
  log: string,
  { call, paths, nth }: Point,
  fault: Fault,
): Promise<Traced & { readonly isHit: boolean }> {
  const what = fault === "kill" ? "signal=KILL" : `error=${fault}`;
  const flags = ["-e", `trace=${call}`, "-e", `inject=${call}:${what}:when=${nth}`];
  for (const path of paths) flags.push("-P", join(folder, path));
  // With its filter in the kernel strace is quicker, but delivers no signals.
  if (fault !== "kill") flags.push("--seccomp-bpf");
  const run = await traced(flags, log, program);
  return { ...run, isHit: run.log.includes(fault === "kill" ? "killed by SIGKILL" : "(INJECTED)") };
}

interface Call {
  readonly thread: string;
  readonly call: string;
  readonly kind: string;
  readonly path: string;
  /** Opening a file that has to be there already changes nothing. */
  readonly isChange: boolean;
}

/** What a line of a trace tells of the folder: paths are told in full, also of open files. */
function callOn(line: string, folder: string): readonly Call[] {
  const [, thread = "", call = "", given = ""] = /^([0-9]+) +([a-z0-9_]+)\((.*)$/.exec(line) ?? [];
  if (call === "") return [];
  const named = [...given.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, name = ""]) => name).filter((name) => name !== "");
  const opened = /^[0-9]+<([^>]*)>/.exec(given)?.[1];
  const isInside = (path: string): boolean => path === folder || path.startsWith(`${folder}/`);
  // The file that is made or replaced says what kind of call it is; strace goes by the one that is there before.
  const kind = opened ?? (/^(rename|link)/.test(call) ? named.at(-1) : named[0]) ?? "";
  const path = opened ?? named[0] ?? "";
  if (!isInside(kind) || !isInside(path)) return [];
  const isChange = !/^open(at)?$/.test(call) || given.includes("O_CREAT");
  return [{ thread, call, kind: kindOf(relative(folder, kind)), path: relative(folder, path), isChange }];
}

function kindOf(path: string): string {
  if (path === "") return "(the folder)";
  return path
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID")
    .replace(/\/[0-9a-f]{2}(?=\/|$)/g, "/PP")
    .replace(/\b[0-9]{2,}\b/g, "N");
}
