import { Command, CommanderError } from "commander";
import { brokerConfig } from "../../src/broker/config.js";
import { actWith } from "../../src/client/cli/command.js";
import { buildProgram } from "../../src/client/cli/program.js";
import { serviceFamilies } from "../../src/families.js";
import { requirePrivacy } from "../../src/runtime/service-keys.js";
import { serverConfig } from "../../src/server/config.js";
import { difference, type Problem } from "./files.js";

interface Common {
  /** Where it is described, for people. */
  readonly where: string;
  /** The name under which others reach it. */
  readonly host: string;
  readonly keys: string;
  readonly metricsPort: number;
}

export interface BrokerProcess extends Common {
  readonly role: "broker";
  readonly ports: { readonly frontend: number; readonly backend: number; readonly updates: number };
}

export interface ServerProcess extends Common {
  readonly role: "server";
  readonly id: string;
  readonly data: string;
  readonly brokers: readonly string[];
  readonly peers: readonly string[];
  readonly advertised: string;
  readonly ports: { readonly publish: number };
}

export type Process = BrokerProcess | ServerProcess;

interface Flags {
  readonly [name: string]: unknown;
  readonly metrics?: string;
  readonly keys?: string;
  readonly curve?: boolean;
}

const never = (): Promise<void> => Promise.resolve();

/** The real command line, whose commands do nothing. */
async function program(): Promise<Command> {
  const real = await buildProgram(actWith(never), { scriptPath: "", services: serviceFamilies(never) });
  for (const service of real.commands.filter((command) => ["broker", "server"].includes(command.name()))) {
    // The flag is new: once every service has it, this does nothing.
    if (!service.options.some(({ long }) => long === "--metrics")) service.option("--metrics <address>");
  }
  const soften = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    command.commands.forEach(soften);
  };
  soften(real);
  return real;
}

/** Reads a command line as the program itself would. Null where it would refuse it. */
export async function readCommandLine(
  where: string,
  words: readonly string[],
  problems: Problem[],
): Promise<{ readonly name: string; readonly flags: Flags } | null> {
  const real = await program();
  try {
    await real.parseAsync([...words], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError || error instanceof RangeError)) throw error;
    problems.push(`${where}: ${error.message}`);
    return null;
  }
  const used = real.commands.find((command) => words.includes(command.name()));
  return used === undefined ? null : { name: used.name(), flags: used.opts<Flags>() };
}

/** A broker or a server, as its command line describes it. @param host the name under which others reach it */
export async function readProcess(
  where: string,
  host: string,
  words: readonly string[],
  problems: Problem[],
): Promise<Process | null> {
  const line = await readCommandLine(where, words, problems);
  if (line === null) return null;
  const { name, flags } = line;
  const metricsPort = Number(/^[^:\s]+:([0-9]+)$/.exec(flags.metrics ?? "")?.[1]);
  if (Number.isNaN(metricsPort)) problems.push(`${where}: --metrics is to be HOST:PORT`);
  if (flags.curve !== true) problems.push(`${where}: --curve is missing`);
  if (flags.keys === undefined) problems.push(`${where}: --keys is missing`);
  const common = { where, host, keys: flags.keys ?? "", metricsPort };
  try {
    if (name === "broker") return { ...common, ...readBroker(flags) };
    if (name === "server") return { ...common, ...readServer(flags) };
    problems.push(`${where}: is neither a broker nor a server`);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    problems.push(`${where}: ${error.message}`);
  }
  return null;
}

function readBroker(flags: Flags): Pick<BrokerProcess, "role" | "ports"> {
  const { frontend, backend, updates } = brokerConfig(flags as never);
  requirePrivacy([frontend, backend, updates], flags.curve === true, false);
  return { role: "broker", ports: { frontend: portOf(frontend), backend: portOf(backend), updates: portOf(updates) } };
}

function readServer(flags: Flags): Omit<ServerProcess, keyof Common> {
  const { id, broker, publish, data, advertise, peer, ...rest } = flags as unknown as {
    readonly [name: string]: unknown;
    readonly id: string;
    readonly broker: readonly string[];
    readonly publish: string;
    readonly data: string;
    readonly advertise: string;
    readonly peer?: readonly string[];
  };
  const advertised = `tcp://${advertise}:${portOf(publish)}`;
  const config = serverConfig({
    ...rest,
    id,
    brokers: broker,
    publish,
    advertised,
    peers: peer ?? [],
    dataDir: data,
  });
  requirePrivacy([publish, ...config.brokers, ...config.peers], flags.curve === true, false);
  const { brokers, peers } = config;
  return { role: "server", id, data, brokers, peers, advertised, ports: { publish: portOf(publish) } };
}

function portOf(endpoint: string): number {
  const port = Number(/^tcp:\/\/.+:([0-9]+)$/.exec(endpoint)?.[1]);
  if (Number.isNaN(port)) throw new RangeError(`${endpoint} has no port`);
  return port;
}

/** Whether all of a cluster's processes are told of each other. */
export function checkCluster(processes: readonly Process[]): readonly Problem[] {
  const brokers = processes.filter((process) => process.role === "broker");
  const servers = processes.filter((process) => process.role === "server");
  const backends = brokers.map(({ host, ports }) => `tcp://${host}:${ports.backend}`);
  return servers.flatMap(({ where, id, brokers: told, peers, advertised, host, ports }) => {
    const others = servers.filter((server) => server.id !== id);
    const problems = [
      ...difference(where, "--broker", backends, told),
      ...difference(
        where,
        "--peer",
        others.map((other) => other.advertised),
        peers,
      ),
    ];
    if (others.length !== servers.length - 1) problems.push(`${where}: --id ${id} is another server's too`);
    if (advertised !== `tcp://${host}:${ports.publish}`)
      problems.push(`${where}: others know it as ${host}, and it advertises ${advertised}`);
    return problems;
  });
}
