import { Command } from "commander";

interface Flags {
  readonly frontend: string;
  readonly backend: string;
  readonly updates: string;
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
    .action(async ({ frontend, backend, updates }: Flags) => {
      const [{ brokerConfig }, { startBroker }, { openLogger }] = await Promise.all([
        import("./config.js"),
        import("./broker.js"),
        import("../runtime/logger.js"),
      ]);
      await untilStopped(
        async () => await startBroker(brokerConfig({ frontend, backend, updates }), openLogger({ role: "broker" })),
      );
    });
}
