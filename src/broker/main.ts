import { Command } from "commander";

interface Flags {
  readonly frontend: string;
  readonly backend: string;
  readonly updates: string;
  readonly keys?: string;
  readonly curve?: boolean;
  readonly insecure?: boolean;
  readonly pidFile?: string;
  readonly metrics?: string;
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
    .option("--pid-file <file>", "where the process's number is kept: with it, the broker can start itself again")
    .option("--metrics <address>", "tell Prometheus how it is, over HTTP, e.g. 127.0.0.1:9464")
    .action(async ({ frontend, backend, updates, keys, curve, insecure, pidFile, metrics }: Flags) => {
      const [{ brokerConfig }, { HopelessError, startBroker }, { openLogger }, { handOverTo }, serviceKeys] =
        await Promise.all([
          import("./config.js"),
          import("./broker.js"),
          import("../runtime/logger.js"),
          import("../runtime/successor.js"),
          import("../runtime/service-keys.js"),
        ]);
      const { openKeys, requirePrivacy, startDoorkeeper } = serviceKeys;
      await untilStopped(async () => {
        const config = brokerConfig({ frontend, backend, updates });
        requirePrivacy([frontend, backend, updates], curve === true, insecure === true);
        const logger = openLogger({ role: "broker" });
        const folder = curve === true ? await openKeys(keys, process.env, process.cwd()) : null;
        const doorkeeper = folder === null ? null : await startDoorkeeper(folder);
        const pairs =
          folder === null ? null : { front: await folder.curveKeys("front"), back: await folder.curveKeys("back") };
        const broker = await startBroker(config, pairs, logger);
        const { startMetrics } = await import("../runtime/metrics.js");
        const telling = startMetrics(metrics, "broker", "requestSeconds", () => broker.vitals());
        const stop = async (): Promise<void> => {
          (await telling.catch(() => null))?.close();
          await broker.stop();
          doorkeeper?.stop();
        };
        const failed = broker.failed.catch(async (error: unknown) => {
          if (error instanceof HopelessError && pidFile !== undefined) {
            // Ports that this process still holds are not free for the next one.
            await stop();
            await handOverTo(pidFile);
          }
          throw error;
        });
        const told = await telling;
        if (told !== null) broker.onAnswered = (seconds) => told.observe(seconds);
        return { stop, failed };
      });
    });
}
