import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** How a process is at the moment. */
export interface Vitals {
  /** What has happened since it started, by name in camelCase. */
  readonly counters: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
  /** Whether it does what it is there for. */
  readonly isReady: boolean;
}

/** Upper bounds in seconds: from a write that a fast disk has taken at once to what nobody waits for any more. */
const BUCKETS = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Nobody who asks has anything to send. */
const HTTP_LIMITS = { maxHeaderSize: 8_192, requestTimeout: 5_000, headersTimeout: 5_000 } as const;

/**
 * Tells Prometheus, and whoever supervises the process, how it is: `/metrics`, `/healthz` (it works) and `/readyz` (it does what
 * it is there for, or 503).
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #durations: Histogram;
  readonly #server: Server;

  private constructor(
    readonly role: "broker" | "server",
    duration: string,
    readonly look: () => Vitals,
  ) {
    collectDefaultMetrics({ register: this.#registry });
    const registers = [this.#registry];
    const { counters, gauges } = look();
    for (const key of Object.keys(counters)) {
      new Counter({
        name: `${this.#nameOf(key)}_total`,
        help: `${wordsOf(key)} since the ${role} started`,
        registers,
        collect() {
          this.reset();
          this.inc(look().counters[key] ?? 0);
        },
      });
    }
    for (const key of Object.keys(gauges)) {
      const name = this.#nameOf(key);
      new Gauge({
        name,
        help: `${wordsOf(key)} now`,
        registers,
        collect() {
          this.set(look().gauges[key] ?? 0);
        },
      });
    }
    this.#durations = new Histogram({
      name: this.#nameOf(duration),
      help: wordsOf(duration),
      buckets: BUCKETS,
      registers,
    });
    this.#server = createServer(HTTP_LIMITS, (request, response) => void this.#answer(request, response));
  }

  /**
   * @param address `HOST:PORT`
   * @param duration the name of what `observe` is told, in camelCase and in seconds
   * @throws RangeError for what is no address, and where it cannot be listened on
   */
  static async listen(
    address: string,
    role: "broker" | "server",
    duration: string,
    look: () => Vitals,
  ): Promise<Metrics> {
    const [, host = "", port = ""] =
      /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:]+)):([0-9]{1,5})$/.exec(address)?.filter(isGiven) ?? [];
    if (port === "" || Number(port) > 65_535)
      throw new RangeError("metrics are told at an address such as 127.0.0.1:9464");
    const metrics = new Metrics(role, duration, look);
    await new Promise<void>((resolve, reject) => {
      metrics.#server.once("error", reject).listen(Number(port), host, resolve);
    });
    return metrics;
  }

  observe(seconds: number): void {
    this.#durations.observe(seconds);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer({ method, url = "" }: IncomingMessage, response: ServerResponse): Promise<void> {
    const tell = (status: number, text: string, type = "text/plain"): void => {
      response.writeHead(status, { "content-type": type, connection: "close" }).end(text);
    };
    if (method !== "GET") tell(405, "only GET\n");
    else if (url === "/healthz") tell(200, "works\n");
    else if (url === "/readyz") tell(this.look().isReady ? 200 : 503, this.look().isReady ? "ready\n" : "not ready\n");
    else if (url === "/metrics") tell(200, await this.#registry.metrics(), this.#registry.contentType);
    else tell(404, "there is /metrics, /healthz and /readyz\n");
  }

  #nameOf(key: string): string {
    return `aisle_${this.role}_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
  }
}

/** Where no address is given, nobody is told anything. */
export async function startMetrics(
  address: string | undefined,
  role: "broker" | "server",
  duration: string,
  look: () => Vitals,
): Promise<Metrics | null> {
  return address === undefined ? null : await Metrics.listen(address, role, duration, look);
}

function isGiven(part: string | undefined): part is string {
  return part !== undefined;
}

function wordsOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
