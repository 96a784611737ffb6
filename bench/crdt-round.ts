/**
 * `crdt-round NAME`: the steps of `crdt.ts` with one library, a few times to make its code warm and then once more; prints what the last
 * time took as JSON. In a process of its own, so that no library pays for what another one, or its own earlier rounds, left behind.
 */
import { generator } from "../test/households.js";
import { LIBRARIES, mergeAll, type Copy, type Library } from "./libraries.js";
import { median, timed } from "./table.js";

const REPLICAS = 3;
const ITEMS = 1_000;
const OPERATIONS = 10_000;
const MERGE_EVERY = 500;
const DIVERGED = 1_000;
const LOADS = 7;
/** V8 compiles what it sees often; with more of them Loro would be slower again. */
const WARMING = 3;
/** Made before the clock runs, as is what somebody typed. */
const NAMES = Array.from({ length: ITEMS }, (_, item) => `item ${item}`);

export interface Outcome {
  readonly operations: number;
  readonly bytes: number;
  readonly loadMs: number;
  readonly mergeMs: number;
}

/** The same steps for every library; all replicas have to end equal. */
function run(library: Library): Outcome {
  const random = generator(11);
  const below = (bound: number): number => Math.floor(random() * bound);
  const copies = Array.from({ length: REPLICAS }, (_, replica) => library.make(replica));
  for (const name of NAMES) copies[0]?.add(name);
  mergeAll(copies);
  const operate = (copy: Copy): void => {
    const name = NAMES[below(ITEMS)] ?? "";
    const kind = random();
    if (kind < 0.6) copy.change(name, 1);
    else if (kind < 0.85) copy.add(name);
    else copy.remove(name);
  };
  const began = performance.now();
  for (let at = 1; at <= OPERATIONS; at++) {
    operate(copies[below(REPLICAS)] ?? library.make(9));
    if (at % MERGE_EVERY === 0) mergeAll(copies);
  }
  const operations = OPERATIONS / ((performance.now() - began) / 1_000);
  requireEqual(library, copies);
  const [first, second] = copies;
  if (first === undefined || second === undefined) throw new Error("there should be three");
  const saved = first.save();
  const loadMs = median(Array.from({ length: LOADS }, () => timed(() => library.load(saved, 7).names())));
  for (let at = 0; at < DIVERGED; at++) for (const copy of [first, second]) operate(copy);
  const mergeMs = timed(() => {
    first.pull(second);
  });
  return { operations, bytes: saved.byteLength, loadMs, mergeMs };
}

function requireEqual({ name }: Library, copies: readonly Copy[]): void {
  const told = copies.map((copy) => JSON.stringify([...copy.names()].sort().map((one) => [one, copy.amountOf(one)])));
  if (new Set(told).size !== 1) throw new Error(`the replicas of ${name} differ`);
}

const library = LIBRARIES.find(({ name }) => name === process.argv[2]);
if (library === undefined) throw new Error("no such library");
for (let round = 0; round < WARMING; round++) run(library);
console.log(JSON.stringify(run(library)));
