import { readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import type { Replication } from "../protocol/cluster-messages.js";

interface Flags {
  readonly id: string;
  readonly broker: readonly string[];
  readonly publish: string;
  readonly data: string;
  readonly advertise?: string;
  readonly peer?: readonly string[];
  readonly replicas: number;
  readonly writeQuorum: number;
  readonly readQuorum: number;
  readonly residentLists: number;
  readonly keys?: string;
  readonly curve?: boolean;
  readonly insecure?: boolean;
  readonly metrics?: string;
  readonly store: string;
  readonly storeUrlFile?: string;
}

/** The URL holds a password, so it stands in a file that others cannot read. @throws RangeError */
async function readStoreUrl(path: string | undefined): Promise<string> {
  if (path === undefined) throw new RangeError("name the database with --store-url-file FILE");
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) throw new RangeError(`${path} can be read by others: make it private with chmod 600`);
  return (await readFile(path, "utf8")).trim();
}

/** The endpoint as others should know it. */
function advertised(endpoint: string, host: string | undefined): string {
  return host === undefined ? endpoint : endpoint.replace(/^tcp:\/\/.*:/, `tcp://${host}:`);
}

function pick({
  replicas,
  writeQuorum,
  readQuorum,
}: Pick<Flags, "replicas" | "writeQuorum" | "readQuorum">): Replication {
  return { replicas, writeQuorum, readQuorum };
}

/** `aisle server`: runs until SIGTERM or SIGINT. */
export function serverCommand(
  untilStopped: (service: () => Promise<{ stop(): Promise<void> }>) => Promise<void>,
): Command {
  return new Command("server")
    .description("run a server in the foreground")
    .requiredOption("--id <id>", "the server's name, the same at every start")
    .requiredOption("--broker <endpoint...>", "the backend endpoints of all brokers")
    .requiredOption("--publish <endpoint>", "where other servers subscribe to this one's changes")
    .option("--peer <endpoint...>", "where other servers publish, so that they are found while no broker is up")
    .requiredOption("--data <folder>", "the folder that keeps this server's lists")
    .addOption(new Option("--store <kind>", "how it keeps them").choices(["json", "postgres"]).default("json"))
    .option("--store-url-file <file>", "postgres: a file with the database's URL, which only its owner can read")
    .option("--advertise <host>", "the host under which others reach this server, where it is not the one in --publish")
    .addOption(new Option("--replicas <n>", "on how many servers each list is kept").default(3).argParser(Number))
    .addOption(new Option("--write-quorum <w>", "how many make a change acknowledged").default(2).argParser(Number))
    .addOption(new Option("--read-quorum <r>", "how many a read compares").default(2).argParser(Number))
    .addOption(
      new Option("--resident-lists <n>", "how many lists stay in memory while nobody uses them")
        .default(1_000)
        .argParser(Number),
    )
    .option("--curve", "encrypt everything, and let only the cluster's own processes in")
    .option("--keys <folder>", "the cluster's keys (default: aisle/keys in the XDG configuration folder)")
    .option("--insecure", "talk in clear text on a network all the same")
    .option("--metrics <address>", "tell Prometheus how it is, over HTTP, e.g. 127.0.0.1:9464")
    .action(async (flags: Flags) => await runServer(flags, untilStopped));
}

async function runServer(
  {
    id,
    broker,
    publish,
    data,
    advertise,
    peer,
    keys,
    curve,
    insecure,
    metrics,
    store,
    storeUrlFile,
    residentLists,
    ...replication
  }: Flags,
  untilStopped: Parameters<typeof serverCommand>[0],
): Promise<void> {
  const [{ serverConfig }, { startServer }, { openLogger }, { openKeys, requirePrivacy, startDoorkeeper }] =
    await Promise.all([
      import("./config.js"),
      import("./server.js"),
      import("../runtime/logger.js"),
      import("../runtime/service-keys.js"),
    ]);
  await untilStopped(async () => {
    requirePrivacy([publish, ...broker, ...(peer ?? [])], curve === true, insecure === true);
    const folder = await openKeys(keys, process.env, data);
    const operator = await folder.operatorPublicKey();
    const database = store === "postgres" ? await readStoreUrl(storeUrlFile) : null;
    const config = serverConfig({
      id,
      brokers: broker,
      publish,
      advertised: advertised(publish, advertise),
      peers: peer ?? [],
      dataDir: data,
      hasOperator: operator !== null,
      isShared: database !== null,
      // What others have written to a database meanwhile is not in this server's memory.
      residentLists: database === null ? residentLists : 0,
      // A database that all share keeps the copies itself.
      ...(database === null ? pick(replication) : { replicas: 1, writeQuorum: 1, readQuorum: 1 }),
    });
    const doorkeeper = curve === true ? await startDoorkeeper(folder) : null;
    const back = curve === true ? await folder.curveKeys("back") : null;
    const logger = openLogger({ role: "server", id });
    // What is wrong with the keys shows now, and not at the first request.
    await folder.tokenKeys();
    const migrations = fileURLToPath(new URL("../migrations", import.meta.url));
    const serverKeys = { readToken: () => folder.tokenKeys(), operator, curve: back, database, migrations };
    const server = await startServer(config, serverKeys, logger);
    const { startMetrics } = await import("../runtime/metrics.js");
    const told = await startMetrics(metrics, "server", "appendSeconds", () => server.vitals());
    if (told !== null) server.onAppended = (seconds) => told.observe(seconds);
    const stop = async (): Promise<void> => {
      told?.close();
      await server.stop();
      doorkeeper?.stop();
    };
    return { stop, failed: server.failed, left: server.left };
  });
}
