/**
 * `make sim SEED=7` replays one run with its trace; `make sim SEEDS=1000 FROM=1` searches, and reports how much virtual time
 * went by in how much real time.
 */
import { simulate } from "./simulation.js";

const [mode, first, second, variant] = process.argv.slice(2);
const HOUR_MS = 3_600_000;

function replay(seed: number): boolean {
  const { problem, traceHash, virtualMs } = simulate(seed, { onTrace: (line) => console.log(line) });
  console.log(
    `seed ${seed}: ${problem ?? "clean"}; ${Math.round(virtualMs / 1_000)} virtual seconds, trace ${traceHash}`,
  );
  return problem === null;
}

function search(from: number, seeds: number): boolean {
  const start = process.hrtime.bigint();
  let [virtualMs, wrong] = [0, 0];
  const report = (done: number): void => {
    const realMs = Number(process.hrtime.bigint() - start) / 1e6;
    const hours = virtualMs / HOUR_MS;
    const perMinute = (hours / realMs) * 60_000;
    console.log(
      `${done} seeds, ${wrong} wrong, ${hours.toFixed(1)} virtual cluster-hours in ${(realMs / 1_000).toFixed(1)} s: ${perMinute.toFixed(1)} hours a minute`,
    );
  };
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = simulate(seed, variant === undefined ? {} : { variant: { [variant]: true } });
    virtualMs += outcome.virtualMs;
    if (outcome.problem !== null) {
      wrong++;
      console.log(`seed ${seed}: ${outcome.problem}`);
    }
    if ((seed - from + 1) % 500 === 0) report(seed - from + 1);
  }
  report(seeds);
  return wrong === 0;
}

const isClean = mode === "replay" ? replay(Number(first)) : search(Number(first), Number(second));
process.exitCode = isClean ? 0 : 1;
