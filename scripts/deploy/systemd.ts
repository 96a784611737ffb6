import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { MALLOC_SETTINGS } from "../../src/runtime/memory-guard.js";
import { difference, textOf, type Deployment, type Problem } from "./files.js";
import { readProcess, type Process } from "./processes.js";

const FOLDER = "deploy/systemd";

/** Each unit, with an instance of it whose environment is in a file beside it. */
const INSTANCES = [
  { unit: "aisle-broker@.service", instance: "1", environment: "broker-1.env" },
  { unit: "aisle-server@.service", instance: "server-1", environment: "server-1.env" },
] as const;

/** What keeps a service from doing harm, in every unit. */
const HARDENING = {
  User: "aisle",
  NoNewPrivileges: "yes",
  CapabilityBoundingSet: "",
  ProtectSystem: "strict",
  ProtectHome: "yes",
  PrivateTmp: "yes",
  PrivateDevices: "yes",
  SystemCallFilter: "@system-service",
  UMask: "0077",
} as const;

export async function checkSystemd(deployment: Deployment): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const processes: Process[] = [];
  for (const { unit, instance, environment } of INSTANCES) {
    const path = `${FOLDER}/${unit}`;
    const settings = settingsOf(textOf(deployment, path), instance);
    const process = await readUnit(deployment, path, settings, `${FOLDER}/${environment}`, problems);
    if (process !== null) processes.push(process);
    for (const [name, value] of Object.entries(HARDENING))
      if (settings.get(name) !== value) problems.push(`${path}: ${name}= is to be ${value}`);
    problems.push(...checkPlaces(path, settings, process, `/etc/aisle/${environment}`));
  }
  return [...problems, ...checkPorts(processes), ...verify(deployment)];
}

/** The last value of each setting, with the instance's name in it. */
function settingsOf(text: string, instance: string): ReadonlyMap<string, string> {
  const lines = [...text.matchAll(/^([A-Za-z]+)=(.*)$/gm)];
  return new Map(lines.map(([, name = "", value = ""]) => [name, value.replaceAll("%i", instance)]));
}

async function readUnit(
  deployment: Deployment,
  path: string,
  settings: ReadonlyMap<string, string>,
  environment: string,
  problems: Problem[],
): Promise<Process | null> {
  const variables = new Map(
    [...textOf(deployment, environment).matchAll(/^([A-Z]+)=(.*)$/gm)].map(([, name = "", value = ""]) => [
      name,
      value,
    ]),
  );
  const [program, ...words] = (settings.get("ExecStart") ?? "").split(" ");
  if (program !== "aisle") problems.push(`${path}: starts ${program ?? "nothing"}`);
  const used = words.flatMap((word) => /^\$\{?([A-Z]+)\}?$/.exec(word)?.[1] ?? []);
  problems.push(...difference(environment, "variable", used, variables.keys()));
  // As systemd has it: ${NAME} is one word, $NAME as many as there are in it.
  const expanded = words.flatMap((word) => {
    const [, braced, bare] = /^\$(?:\{([A-Z]+)\}|([A-Z]+))$/.exec(word) ?? [];
    if (bare !== undefined) return (variables.get(bare) ?? "").split(" ");
    return [braced === undefined ? word : (variables.get(braced) ?? "")];
  });
  const host = variables.get("ADVERTISE") ?? "";
  return await readProcess(path, host, expanded, problems);
}

/** What flags name is what the unit makes, may read and sets up. */
function checkPlaces(
  path: string,
  settings: ReadonlyMap<string, string>,
  process: Process | null,
  environment: string,
): readonly Problem[] {
  const state = settings.get("StateDirectory");
  const data = process?.role === "server" ? [process.data] : [];
  const malloc = Object.entries(MALLOC_SETTINGS).map(([name, value]) => `${name}=${value}`);
  return [
    ...difference(path, "StateDirectory", data, state === undefined ? [] : [`/var/lib/${state}`]),
    ...difference(path, "EnvironmentFile", [environment], [settings.get("EnvironmentFile") ?? ""]),
    ...difference(path, "setting in Environment", malloc, (settings.get("Environment") ?? "").split(" ")),
    ...difference(path, "--keys", ["/etc/aisle/keys"], process === null ? ["/etc/aisle/keys"] : [process.keys]),
  ];
}

/** The examples are of one cluster, whatever its machines are called. */
function checkPorts(processes: readonly Process[]): readonly Problem[] {
  const [broker] = processes.filter((process) => process.role === "broker");
  const [server] = processes.filter((process) => process.role === "server");
  if (broker === undefined || server === undefined) return [];
  const portsOf = (endpoints: readonly string[]): readonly string[] =>
    endpoints.map((endpoint) => endpoint.slice(endpoint.lastIndexOf(":") + 1));
  const where = `${FOLDER}/server-1.env`;
  return [
    ...difference(where, "port in BROKERS", [String(broker.ports.backend)], portsOf(server.brokers)),
    ...difference(where, "port in PEERS", [String(server.ports.publish)], portsOf(server.peers)),
  ];
}

/** systemd's own opinion, of units that start a program that is there. */
function verify({ files }: Deployment): readonly Problem[] {
  const folder = mkdtempSync(join(tmpdir(), "aisle-units-"));
  try {
    const units = [...files].filter(([path]) => path.startsWith(FOLDER) && path.endsWith(".service"));
    const paths = units.map(([path, text]) => {
      const copy = join(folder, basename(path));
      writeFileSync(copy, text.replace(/^ExecStart=aisle /m, `ExecStart=${process.execPath} `));
      return copy;
    });
    const { error, status, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", ...paths], {
      encoding: "utf8",
      timeout: 30_000,
    });
    if (error !== undefined && "code" in error && error.code === "ENOENT") {
      console.error("note: there is no systemd-analyze here, so systemd did not look at the units");
      return [];
    }
    const said = stderr.split("\n").filter((line) => line.includes(folder) || line.includes("aisle-"));
    if (said.length > 0 || status === 0) return said.map((line) => line.replaceAll(`${folder}/`, `${FOLDER}/`));
    return [`${FOLDER}: systemd-analyze verify fails: ${stderr.trim()}`];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
