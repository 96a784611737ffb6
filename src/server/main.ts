import { Command, Option } from "commander";

interface Flags {
  readonly id: string;
  readonly broker: readonly string[];
  readonly publish: string;
  readonly data: string;
  readonly advertise?: string;
}

/** The endpoint as others should know it. */
function advertised(endpoint: string, host: string | undefined): string {
  return host === undefined ? endpoint : endpoint.replace(/^tcp:\/\/.*:/, `tcp://${host}:`);
}

/** `aisle server`: runs until SIGTERM or SIGINT. */
export function serverCommand(
  untilStopped: (service: () => Promise<{ stop(): Promise<void> }>) => Promise<void>,
): Command {
  return new Command("server")
    .description("run a server in the foreground")
    .requiredOption("--id <id>", "the server's name, the same at every start")
    .requiredOption("--broker <endpoint...>", "the backend endpoints of all brokers")
    .requiredOption("--publish <endpoint>", "where other servers will subscribe to this one's changes")
    .requiredOption("--data <folder>", "the folder that keeps this server's lists")
    .addOption(new Option("--store <kind>", "how it keeps them").choices(["json"]).default("json"))
    .option("--advertise <host>", "the host under which others reach this server, where it is not the one in --publish")
    .action(async ({ id, broker, publish, data, advertise }: Flags) => {
      const [{ serverConfig }, { startServer }, { openLogger }] = await Promise.all([
        import("./config.js"),
        import("./server.js"),
        import("../runtime/logger.js"),
      ]);
      await untilStopped(async () => {
        const config = serverConfig({ id, brokers: broker, publish: advertised(publish, advertise), dataDir: data });
        return await startServer(config, openLogger({ role: "server", id }));
      });
    });
}
