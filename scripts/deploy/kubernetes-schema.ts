import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import * as v from "valibot";
import type { Problem } from "./files.js";

const ObjectSchema = v.looseObject({
  apiVersion: v.string(),
  kind: v.pipe(v.string(), v.regex(/^[A-Za-z]+$/)),
  metadata: v.looseObject({ name: v.string() }),
});

/** Any object of Kubernetes. */
export type KubernetesObject = v.InferOutput<typeof ObjectSchema>;

export interface Found {
  readonly where: string;
  readonly object: KubernetesObject;
}

/** What is said of an object by those who know only that it is one. */
export function asObject(path: string, value: unknown, problems: Problem[]): Found | null {
  const { success, output } = v.safeParse(ObjectSchema, value);
  if (!success) problems.push(`${path}: has something that is no object of Kubernetes`);
  return success ? { where: `${path}: ${output.kind} ${output.metadata.name}`, object: output } : null;
}

/** Two opinions: the API's own schemas know formats and bounds, and the types know all fields that there are. */
export async function checkSchemas(found: readonly Found[]): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  for (const one of found) problems.push(...(await checkModel(one)));
  return [...problems, ...checkTypes(found)];
}

interface Model {
  validate(): void;
}

async function checkModel({ where, object }: Found): Promise<readonly Problem[]> {
  const { apiVersion, kind } = object;
  const models = await (
    import(`kubernetes-models/${apiVersion}`) as Promise<Readonly<Record<string, new (data: unknown) => Model>>>
  ).catch(() => null);
  const Model = models?.[kind];
  if (Model === undefined) return [`${where}: there is no ${apiVersion} ${kind}`];
  try {
    new Model(object).validate();
    return [];
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return [`${where}: ${error.message}`];
  }
}

const HERE = fileURLToPath(new URL(".", import.meta.url));
/** No file on disk; a place from which the packages are found. */
const LITERALS = join(HERE, "literals.ts");
const OPTIONS: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
};

/** Files of packages, which stay as they are. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/** Has the objects written out as literals of their types, in which no unknown field gets past the compiler. */
function checkTypes(found: readonly Found[]): readonly Problem[] {
  const lines = found.map(({ object }, at) => {
    const group = object.apiVersion.includes("/") ? object.apiVersion.replace(/\.k8s\.io\//, "/") : "core/v1";
    return `export const o${at}: import("kubernetes-types/${group}").${object.kind} = ${JSON.stringify(object)};`;
  });
  const text = lines.join("\n");
  const host = ts.createCompilerHost(OPTIONS);
  const program = ts.createProgram([LITERALS], OPTIONS, {
    ...host,
    fileExists: (path) => path === LITERALS || host.fileExists(path),
    readFile: (path) => (path === LITERALS ? text : host.readFile(path)),
    getSourceFile: (path, version) => {
      if (path === LITERALS) return ts.createSourceFile(path, text, version);
      if (!parsed.has(path)) parsed.set(path, host.getSourceFile(path, version));
      return parsed.get(path);
    },
  });
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file?.fileName === LITERALS ? file.getLineAndCharacterOfPosition(start ?? 0).line : -1;
    const message = ts.flattenDiagnosticMessageText(messageText, " ").replace(/\s+/g, " ");
    return `${found[line]?.where ?? "kubernetes-types"}: ${message}`;
  });
}
