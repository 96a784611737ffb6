/**
 * What it takes to bring a device level: bytes and round trips for a list of 1,000 items that three devices share, after one change,
 * after a hundred, and from nothing; and how long it takes from `add` on one device until another one that watches shows it,
 * beside a bare PUB/SUB hop and a request.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Publisher, Subscriber } from "zeromq";
import { freePortBase } from "../scripts/free-ports.js";
import { DataFolder } from "../src/client/data-folder.js";
import { LocalList } from "../src/client/local-list.js";
import { Session } from "../src/client/session.js";
import { Synchronizer } from "../src/client/synchronizer.js";
import { Watcher } from "../src/client/watcher.js";
import type { Address } from "../src/protocol/address.js";
import type { Frame } from "../src/protocol/frames.js";
import { deviceOf, listIdOf, writeCredentials } from "../src/protocol/identity.js";
import type { ListId } from "../src/protocol/ids.js";
import { randomId, randomSecret } from "../src/runtime/rng.js";
import { RequestSockets } from "../src/runtime/request-sockets.js";
import { median, report } from "./table.js";

const ITEMS = 1_000;
const MANY = 100;
const [WATCHED, WARM_UP] = [200, 50];
const BUDGET_MS = 20_000;

const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "aisle-bench-"));
const base = await freePortBase();
const broker = `tcp://127.0.0.1:${base}`;

/** Counts what goes through, as ZeroMQ frames it: a length before each frame. */
class CountedSockets extends RequestSockets {
  bytes = 0;
  trips = 0;

  override async ask(address: Address, frames: readonly Frame[], timeoutMs: number): Promise<readonly Frame[] | null> {
    const reply = await super.ask(address, frames, timeoutMs);
    this.trips++;
    for (const { byteLength } of [...frames, ...(reply ?? [])]) this.bytes += byteLength + (byteLength < 256 ? 2 : 9);
    return reply;
  }
}

/** A device with a data folder of its own, as a command would open it. */
class Device {
  readonly secret = randomSecret();
  readonly sockets = new CountedSockets();
  readonly data: DataFolder;
  readonly session: Session;
  readonly synchronizer: Synchronizer;

  constructor(name: string) {
    this.data = DataFolder.open(join(folder, name));
    const credentials = writeCredentials({ device: this.secret, account: null, operator: null });
    this.session = new Session([broker], () => credentials, null, this.sockets);
    this.synchronizer = new Synchronizer(this.data, this.session);
  }

  /** Makes changes and keeps them durably, as one command would. */
  change(id: ListId, names: readonly string[]): void {
    const list = this.data.readList(id);
    if (list === null) throw new Error("the list is not here");
    for (const name of names)
      list.perform(
        { type: "add", name, unit: null, amount: 1_000, note: null, aisle: null },
        { id: randomId(), at: Date.now() },
      );
    this.data.writeList(list);
  }

  join(id: ListId): void {
    this.data.writeList(LocalList.create(id, this.secret, randomId()));
  }

  async synced(id: ListId): Promise<{ readonly bytes: number; readonly trips: number }> {
    const [bytes, trips] = [this.sockets.bytes, this.sockets.trips];
    const { pending } = await this.synchronizer.synchronize(id, BUDGET_MS, true);
    if (pending > 0) throw new Error("not everything was stored");
    return { bytes: this.sockets.bytes - bytes, trips: this.sockets.trips - trips };
  }
}

const names = (count: number, from = 0): string[] => Array.from({ length: count }, (_, at) => `item ${from + at}`);

async function shared(): Promise<{ readonly id: ListId; readonly devices: readonly [Device, Device, Device] }> {
  const devices = [new Device("one"), new Device("two"), new Device("three")] as const;
  const [first, ...others] = devices;
  const nonce = randomSecret();
  const id = listIdOf(deviceOf(first.secret), nonce);
  first.data.writeList(LocalList.create(id, first.secret, randomId(), { nonce, by: "device", open: true }));
  first.change(id, names(ITEMS));
  await first.synced(id);
  for (const device of others) {
    device.join(id);
    await device.synced(id);
    device.change(id, names(10));
    await device.synced(id);
  }
  for (const device of devices) await device.synced(id);
  return { id, devices };
}

async function traffic(): Promise<void> {
  const { id, devices } = await shared();
  const [first, second] = devices;
  first.change(id, names(1));
  const [sent, fetched] = [await first.synced(id), await second.synced(id)];
  first.change(id, names(MANY, 100));
  const [manySent, manyFetched] = [await first.synced(id), await second.synced(id)];
  const fresh = new Device("fresh");
  fresh.join(id);
  const whole = await fresh.synced(id);
  const row = (name: string, { bytes, trips }: { bytes: number; trips: number }, mostBytes?: number) => ({
    name,
    figure: `${bytes.toLocaleString("en")} bytes, ${trips} round trip${trips === 1 ? "" : "s"}`,
    ratio: bytes / 1_000,
    ...(mostBytes === undefined ? {} : { atMost: mostBytes / 1_000 }),
  });
  report(`sync of a list of ${ITEMS.toLocaleString("en")} items that three devices share (ratios to 1 kB)`, [
    row("one change, sent", sent, 1_000),
    row("one change, fetched", fetched, 1_000),
    row(`${MANY} changes, sent`, manySent),
    row(`${MANY} changes, fetched`, manyFetched),
    row("from nothing", whole),
  ]);
}

/** Milliseconds from one process's PUB to its SUB. */
async function hop(): Promise<number> {
  const [publisher, subscriber] = [new Publisher(), new Subscriber()];
  await publisher.bind(`tcp://127.0.0.1:${base + 1}`);
  subscriber.subscribe("");
  subscriber.connect(`tcp://127.0.0.1:${base + 1}`);
  const times: number[] = [];
  const received = (async () => {
    for await (const [sentAt] of subscriber) {
      times.push(performance.now() - Number(sentAt?.toString()));
      if (times.length >= WATCHED + WARM_UP) return;
    }
  })();
  const sending = setInterval(() => void publisher.send(`${performance.now()}`).catch(() => undefined), 2);
  await received;
  clearInterval(sending);
  publisher.close();
  subscriber.close();
  return median(times.slice(WARM_UP));
}

async function watched(): Promise<void> {
  const { id, devices } = await shared();
  const [author, watching] = devices;
  let onSeen: () => void = () => undefined;
  let wanted = 0;
  const watcher = new Watcher(id, watching.synchronizer, watching.session, {
    onList: (list) => {
      if ((list.shown.item("item 0")?.needed ?? 0) >= wanted) onSeen();
    },
    onReachable: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  const seen = (): Promise<void> => new Promise((resolve) => (onSeen = resolve));
  const isThere = seen();
  watcher.start();
  await isThere;
  const [times, requests]: [number[], number[]] = [[], []];
  for (let change = 0; change < WATCHED + WARM_UP; change++) {
    wanted = (author.data.readList(id)?.shown.item("item 0")?.needed ?? 0) + 1_000;
    const isSeen = seen();
    const began = performance.now();
    author.change(id, names(1));
    await author.synced(id);
    requests.push(performance.now() - began);
    await isSeen;
    times.push(performance.now() - began);
  }
  watcher.stop();
  const [request, hopMs, seenAfter] = [median(requests.slice(WARM_UP)), await hop(), median(times.slice(WARM_UP))];
  const ms = (value: number): string => `${value.toFixed(2)} ms`;
  report("from `add` on one device to what another one shows that watches (ratios to a hop and a request)", [
    { name: "a bare PUB/SUB hop", figure: ms(hopMs), ratio: hopMs / (hopMs + request) },
    { name: "`add` and its request, on two disks", figure: ms(request), ratio: request / (hopMs + request) },
    { name: "seen by the watcher", figure: ms(seenAfter), ratio: seenAfter / (hopMs + request), atMost: 3 },
  ]);
}

try {
  const up = ["cluster", "up", "--brokers", "1", "--port-base", `${base}`, "--data", join(folder, "cluster")];
  const { status, stderr } = spawnSync(process.execPath, [program, ...up], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  await traffic();
  await watched();
} finally {
  spawnSync(process.execPath, [program, "cluster", "down", "--data", join(folder, "cluster")]);
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
