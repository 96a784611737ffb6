import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseAllDocuments } from "yaml";

/** What a deployment is described by: each file's text by its path in the repository. */
export interface Deployment {
  readonly files: ReadonlyMap<string, string>;
  /** What there is in the repository's own folder, to be copied into an image. */
  readonly names: ReadonlySet<string>;
}

/** One sentence about what is wrong, beginning with where. */
export type Problem = string;

const FILES = [".dockerignore", "package.json", "docs/deploying.md"];

export function readDeployment(root: string): Deployment {
  const entries = readdirSync(join(root, "deploy"), { recursive: true, withFileTypes: true });
  const described = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const paths = [...FILES, ...described.map((path) => relative(root, path)).sort()];
  return {
    files: new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")])),
    names: new Set(readdirSync(root)),
  };
}

export function textOf({ files }: Deployment, path: string): string {
  return files.get(path) ?? "";
}

/** The documents of a YAML file; what is none, or has a key twice, is a problem. */
export function readYaml(deployment: Deployment, path: string, problems: Problem[]): readonly unknown[] {
  if (!deployment.files.has(path)) problems.push(`${path}: is not there`);
  const documents = parseAllDocuments(textOf(deployment, path), { merge: true });
  return [...documents].flatMap((document) => {
    for (const { message } of [...document.errors, ...document.warnings]) problems.push(`${path}: ${message}`);
    return document.errors.length > 0 ? [] : [document.toJS() as unknown];
  });
}

/** What is in one of the two and not in the other, as problems. */
export function difference(
  where: string,
  what: string,
  wanted: Iterable<string | number>,
  found: Iterable<string | number>,
): readonly Problem[] {
  const [all, there] = [new Set(wanted), new Set(found)];
  return [
    ...[...all].filter((one) => !there.has(one)).map((one) => `${where}: ${what} ${one} is missing`),
    ...[...there].filter((one) => !all.has(one)).map((one) => `${where}: ${what} ${one} has no business there`),
  ];
}
