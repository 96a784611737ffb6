/**
 * `make sim SEED=7` replays one run with its trace; `make sim SEEDS=1000 FROM=1` searches, and reports how much virtual time
 * went by in how much real time. `VARIANT=ignoresGaps` does the same to a cluster that is wrong on purpose (variants.ts).
 */
import { simulate, type Options } from "./simulation.js";

const [mode, ...rest] = process.argv.slice(2);
const HOUR_MS = 3_600_000;

function variantOf(name: string | undefined): Options {
  return name === undefined ? {} : { variant: { [name]: true } };
}

function replay([seed, variant]: readonly string[]): boolean {
  const options = { ...variantOf(variant), onTrace: (line: string) => console.log(line) };
  const { problem, traceHash, virtualMs } = simulate(Number(seed), options);
  console.log(
    `seed ${seed}: ${problem ?? "clean"}; ${Math.round(virtualMs / 1_000)} virtual seconds, trace ${traceHash}`,
  );
  return problem === null;
}

function search([first, count, variant]: readonly string[]): boolean {
  const [from, seeds] = [Number(first), Number(count)];
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
    const outcome = simulate(seed, variantOf(variant));
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

const isClean = mode === "replay" ? replay(rest) : search(rest);
process.exitCode = isClean ? 0 : 1;
