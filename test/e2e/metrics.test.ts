import { afterEach, describe, expect, it } from "@jest/globals";
import { freePortBase } from "../../scripts/free-ports.js";
import { knownMetrics } from "../../scripts/deploy/metrics.js";
import { Device, type Running } from "./harness.js";

describe("metrics", () => {
  const running: Running[] = [];
  const devices: Device[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.stop()));
    devices.splice(0).forEach((one) => one.remove());
  });

  it("tell how a broker and a server are, and when they are ready", async () => {
    const base = await freePortBase();
    const [frontend, backend, updates, publish] = [0, 1, 2, 3].map((at) => `tcp://127.0.0.1:${base + at}`);
    const [ofBroker, ofServer] = [base + 4, base + 5].map((port) => `127.0.0.1:${port}`);
    const device = new Device(frontend);
    devices.push(device);
    const start = (...words: (string | undefined)[]): void => {
      running.push(device.start(...words.map((word) => word ?? "")));
    };
    start("broker", "--frontend", frontend, "--backend", backend, "--updates", updates, "--metrics", ofBroker);
    await until(async () => (await ask(ofBroker, "/healthz")).status === 200);
    expect((await ask(ofBroker, "/readyz")).status).toBe(503);

    const alone = ["--replicas", "1", "--write-quorum", "1", "--read-quorum", "1"];
    const place = ["--publish", publish, "--data", `${device.folder}/server`, "--metrics", ofServer];
    start("server", "--id", "server-1", "--broker", backend, ...place, ...alone);
    await until(async () => (await ask(ofServer, "/readyz")).status === 200);
    await until(async () => (await ask(ofBroker, "/readyz")).status === 200);
    await device.newList("Groceries");
    await device.ok("sync");

    const told = new Map([...(await metrics(ofBroker)), ...(await metrics(ofServer))]);
    expect(told.get("aisle_server_lists")).toBe(1);
    expect(told.get("aisle_broker_servers")).toBe(1);
    expect(told.get("aisle_server_append_seconds_count")).toBeGreaterThan(0);
    expect(told.get("aisle_broker_request_seconds_count")).toBeGreaterThan(0);
    expect(told.get("aisle_broker_requests_total")).toBeGreaterThan(0);
    // What alerts and the dashboard go by.
    const ours = [...knownMetrics()].filter((name) => name.startsWith("aisle_"));
    expect([...told.keys()].filter((name) => name.startsWith("aisle_")).sort()).toEqual(ours.sort());
    expect((await ask(ofServer, "/elsewhere")).status).toBe(404);
  });

  it("are told at an address, or the service does not start", async () => {
    const device = new Device();
    devices.push(device);
    const places = [
      "--frontend",
      "tcp://127.0.0.1:1",
      "--backend",
      "tcp://127.0.0.1:2",
      "--updates",
      "tcp://127.0.0.1:3",
    ];
    const { code, stderr } = await device.run("broker", ...places, "--metrics", "nowhere");
    expect(code).toBe(2);
    expect(stderr).toMatch(/^aisle: metrics are told at an address such as/m);
  });
});

async function ask(address: string | undefined, path: string): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(`http://${address ?? ""}${path}`);
    return { status: response.status, text: await response.text() };
  } catch {
    return { status: 0, text: "" };
  }
}

/** Values by name; a histogram's buckets count as one. */
async function metrics(address: string | undefined): Promise<Map<string, number>> {
  const { text } = await ask(address, "/metrics");
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [/^\w+/.exec(line)?.[0] ?? "", Number(line.split(" ").at(-1))]));
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error("it never came to be so");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
