import { MALLOC_SETTINGS } from "../../src/runtime/memory-guard.js";
import { difference, textOf, type Deployment, type Problem } from "./files.js";

const CONTAINERFILE = "deploy/container/Containerfile";

/** What people read, and the program does not. */
const PROSE = ["README.md", "LICENSE"];

/** No image is built here; but what it is built from is there, and what the program needs gets into it. */
export function checkContainer(deployment: Deployment): readonly Problem[] {
  const steps = stepsOf(textOf(deployment, CONTAINERFILE));
  const last = steps.findLastIndex(([name]) => name === "FROM");
  const [build, image] = [steps.slice(0, last), steps.slice(last)];
  const sent = textOf(deployment, ".dockerignore").match(/(?<=^!).+$/gm) ?? [];
  const sources = build.filter(([name]) => name === "COPY").flatMap(([, words]) => words.slice(0, -1));
  const copied = image.filter(([name]) => name === "COPY").flatMap(([, words]) => words.slice(1, -1));
  const { files } = JSON.parse(textOf(deployment, "package.json")) as Manifest;
  const needed = ["package.json", "node_modules", ...files.filter((file) => !PROSE.includes(file))];
  const environment = image.filter(([name]) => name === "ENV").flatMap(([, words]) => words);
  const settings = Object.entries(MALLOC_SETTINGS).map(([name, value]) => `${name}=${value}`);
  const user = image.findLast(([name]) => name === "USER")?.[1].join(" ") ?? "root";
  return [
    ...sources.filter((source) => !deployment.names.has(source)).map((source) => `${CONTAINERFILE}: no ${source}`),
    ...difference(".dockerignore", "exception", sources, sent),
    ...difference(
      CONTAINERFILE,
      "copied",
      needed.map((path) => `/app/${path}`),
      copied,
    ),
    ...settings.filter((one) => !environment.includes(one)).map((one) => `${CONTAINERFILE}: ENV lacks ${one}`),
    ...(/^[1-9][0-9]*:[1-9][0-9]*$/.test(user) ? [] : [`${CONTAINERFILE}: USER is not a number other than root's`]),
    ...checkImages(steps),
  ];
}

interface Manifest {
  readonly files: readonly string[];
}

type Step = readonly [name: string, words: readonly string[]];

function stepsOf(text: string): readonly Step[] {
  const lines = text
    .replace(/^#.*\n/gm, "")
    .replaceAll(/\\\n/g, " ")
    .split("\n");
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([name]) => name !== "")
    .map(([name = "", ...words]) => [name, words]);
}

/** Compiled code is good for the very Node that made it. */
function checkImages(steps: readonly Step[]): readonly Problem[] {
  const images = new Set(steps.filter(([name]) => name === "FROM").map(([, [image]]) => image));
  return images.size === 1 ? [] : [`${CONTAINERFILE}: builds with another image than it runs on`];
}
