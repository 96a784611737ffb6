import { Command } from "commander";

interface Flags {
  readonly frontend: string;
  readonly backend: string;
  readonly updates: string;
  readonly keys?: string;
  readonly curve?: boolean;
  readonly insecure?: boolean;
}

/** `aisle broker`: runs until SIGTERM or SIGINT. */
export function brokerCommand(
  untilStopped: (service: () => Promise<{ stop(): Promise<void> }>) => Promise<void>,
): Command {
  return new Command("broker")
    .description("run a broker in the foreground")
    .requiredOption("--frontend <endpoint>", "where clients send their requests, e.g. tcp://127.0.0.1:5555")
    .requiredOption("--backend <endpoint>", "where servers connect")
    .requiredOption("--updates <endpoint>", "where watchers subscribe")
    .option("--curve", "encrypt everything, and let only the cluster's own processes in at the back")
    .option("--keys <folder>", "the cluster's keys (default: aisle/keys in the XDG configuration folder)")
    .option("--insecure", "talk in clear text on a network all the same")
    .action(async ({ frontend, backend, updates, keys, curve, insecure }: Flags) => {
      const [{ brokerConfig }, { startBroker }, { openLogger }, { openKeys, requirePrivacy, startDoorkeeper }] =
        await Promise.all([
          import("./config.js"),
          import("./broker.js"),
          import("../runtime/logger.js"),
          import("../runtime/service-keys.js"),
        ]);
      await untilStopped(async () => {
        const config = brokerConfig({ frontend, backend, updates });
        requirePrivacy([frontend, backend, updates], curve === true, insecure === true);
        const logger = openLogger({ role: "broker" });
        if (curve !== true) return await startBroker(config, null, logger);
        const folder = await openKeys(keys, process.env, process.cwd());
        await startDoorkeeper(folder);
        const pairs = { front: await folder.curveKeys("front"), back: await folder.curveKeys("back") };
        return await startBroker(config, pairs, logger);
      });
    });
}
