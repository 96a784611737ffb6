/**
 * `system-clients aisle|etcd write|read|found CLIENTS SECONDS ITEMS LISTS ENDPOINT...`: each client makes one request after the other,
 * or brings one list at the same time as all others. Prints requests/s, p50 and p99 in microseconds. Aisle's clients are the real ones, less their files: `LocalList` and `Session`.
 */
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { Shopper } from "./shopper.js";

const WARM_UP_MS = 1_000;
/** What a change of one item comes to, as JSON. */
const VALUE_BYTES = 300;

const [system, what, clients = "", seconds = "", items = "", lists = "", ...endpoints] = process.argv.slice(2);
const [count, measuredMs] = [Number(clients), 1_000 * Number(seconds)];

/** One request, and what has to be so about its answer. */
type Step = () => Promise<void>;

/** Changes a list of so many items, or looks at it, which is a request with nothing to send. */
async function aisle(at: number): Promise<Step> {
  const shopper = new Shopper(endpoints);
  // Where it is on fewer servers than it should be, a device asks again: only then is the change acknowledged.
  const sync = async (): Promise<void> => {
    for (let isStored = false; !isStored;) {
      const { stored, wanted } = await shopper.sync();
      isStored = stored >= wanted;
    }
  };
  for (let item = 0; item < Number(items); item++) shopper.add(`item ${item}`);
  await sync();
  let changes = at;
  return async () => {
    if (what === "write") shopper.add(`item ${changes++ % Math.max(1, Number(items))}`);
    await sync();
  };
}

/** `PutRequest` and `RangeRequest` of etcd's rpc.proto: two byte strings, a key and, when putting, a value. */
function fields(...values: readonly Buffer[]): Buffer {
  const encoded = values.flatMap((value, index) => {
    const length =
      value.byteLength < 128 ? [value.byteLength] : [(value.byteLength & 127) | 128, value.byteLength >> 7];
    return [Buffer.from([((index + 1) << 3) | 2, ...length]), value];
  });
  return Buffer.concat(encoded);
}

function etcd(at: number): Promise<Step> {
  // A connection for each, as for Aisle's.
  const options = { "grpc.use_local_subchannel_pool": 1 };
  const client = new Client(endpoints[at % endpoints.length] ?? "", credentials.createInsecure(), options);
  const value = Buffer.alloc(VALUE_BYTES, "x");
  let changes = 0;
  const call = (method: string, request: Buffer): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (error: ServiceError | null): void => (error === null ? resolve() : reject(error));
      const pass = (bytes: Buffer): Buffer => bytes;
      client.makeUnaryRequest(`/etcdserverpb.KV/${method}`, pass, pass, request, done);
    });
  const key = (): Buffer => Buffer.from(`list ${at} ${changes++ % Math.max(1, Number(lists))}`);
  return Promise.resolve(async () => {
    await (what === "write" ? call("Put", fields(key(), value)) : call("Range", fields(key())));
  });
}

function tell(times: readonly number[], withinMs: number): void {
  const sorted = [...times].sort((a, b) => a - b);
  const percentile = (share: number): string => ((sorted[Math.floor(sorted.length * share)] ?? NaN) * 1_000).toFixed(0);
  console.log(`${((sorted.length / withinMs) * 1_000).toFixed(0)} ${percentile(0.5)} ${percentile(0.99)}`);
  process.exit(0);
}

const start = performance.now();
const founded: number[] = [];
const steps = await Promise.all(
  Array.from({ length: count }, async (_, at) => {
    const step = await (system === "etcd" ? etcd(at) : aisle(at));
    founded.push(performance.now() - start);
    return step;
  }),
);
if (what === "found") tell(founded, performance.now() - start);

const times: number[] = [];
const from = performance.now() + WARM_UP_MS;
const until = from + measuredMs;
await Promise.all(
  steps.map(async (step) => {
    for (let began = performance.now(); began < until; began = performance.now()) {
      await step();
      if (began >= from) times.push(performance.now() - began);
    }
  }),
);
tell(times, measuredMs);
