import { parse } from "yaml";
import * as v from "valibot";
import { difference, readYaml, textOf, type Deployment, type Problem } from "./files.js";
import { checkObjects } from "./kubernetes-objects.js";
import { checkPod, processesOf } from "./kubernetes-pods.js";
import { asObject, checkSchemas, type Found } from "./kubernetes-schema.js";
import { checkCluster } from "./processes.js";
import { isWorkload, type Objects } from "./kubernetes-kinds.js";

const FOLDER = "deploy/kubernetes";
const KUSTOMIZATION = `${FOLDER}/kustomization.yaml`;

const KustomizationSchema = v.strictObject({
  apiVersion: v.literal("kustomize.config.k8s.io/v1beta1"),
  kind: v.literal("Kustomization"),
  namespace: v.string(),
  resources: v.array(v.string()),
  images: v.array(v.strictObject({ name: v.string(), newName: v.string(), newTag: v.string() })),
});

type Kustomization = v.InferOutput<typeof KustomizationSchema>;

export async function checkKubernetes(deployment: Deployment): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const kustomization = readKustomization(deployment, problems);
  const found = [...deployment.files.keys()]
    .filter((path) => path.startsWith(`${FOLDER}/`) && path !== KUSTOMIZATION)
    .flatMap((path) => readYaml(deployment, path, problems).map((value) => asObject(path, value, problems)))
    .filter((one) => one !== null);
  problems.push(...(await checkSchemas(found)));
  // What is not even an object of its kind cannot be compared with others.
  if (problems.length > 0 || kustomization === null) return problems;
  const objects = found as readonly Found[] as unknown as Objects;
  const processes = await processesOf(objects, kustomization.namespace, problems);
  return [
    ...problems,
    ...checkNames(found),
    ...checkImages(deployment, kustomization, objects),
    ...checkTwins(deployment),
    ...objects.filter(isWorkload).flatMap((workload) => checkPod(workload, processes, secretsOf(deployment))),
    ...checkObjects(objects, processes, kustomization.namespace),
    ...checkCluster(processes.map(({ process }) => process)),
  ];
}

function readKustomization(deployment: Deployment, problems: Problem[]): Kustomization | null {
  const [value] = readYaml(deployment, KUSTOMIZATION, problems);
  const result = v.safeParse(KustomizationSchema, value);
  if (!result.success) {
    problems.push(...result.issues.map((issue) => `${KUSTOMIZATION}: ${v.getDotPath(issue) ?? ""}: ${issue.message}`));
    return null;
  }
  const there = [...deployment.files.keys()].filter((path) => path.startsWith(`${FOLDER}/`) && path !== KUSTOMIZATION);
  const named = result.output.resources.map((name) => `${FOLDER}/${name}`);
  problems.push(...difference(KUSTOMIZATION, "resource", there, named));
  return result.output;
}

function checkNames(found: readonly Found[]): readonly Problem[] {
  const names = found.map(({ object }) => `${object.kind} ${object.metadata.name}`);
  return names
    .filter((name, at) => names.indexOf(name) !== at)
    .map((name) => `${FOLDER}: there are two of ${name}, one of which would replace the other`);
}

function checkImages(deployment: Deployment, { images }: Kustomization, objects: Objects): readonly Problem[] {
  const { version } = parse(textOf(deployment, "package.json")) as { readonly version: string };
  const used = objects.filter(isWorkload).flatMap(({ object }) => {
    const { containers, initContainers = [] } = object.spec.template.spec;
    return [...containers, ...initContainers].map(({ image = "" }) => image);
  });
  const named = images.map(({ name }) => name);
  const tags = images.map(({ newTag }) => newTag);
  return [...difference(KUSTOMIZATION, "image", used, named), ...difference(KUSTOMIZATION, "tag", [version], tags)];
}

/** The brokers are the same in all but the number. */
function checkTwins(deployment: Deployment): readonly Problem[] {
  const [first, second] = [1, 2].map((number) => textOf(deployment, `${FOLDER}/broker-${number}.yaml`));
  const isTwin = second === first?.replaceAll("broker-1", "broker-2").replaceAll("aisle-1", "aisle-2");
  return isTwin ? [] : [`${FOLDER}/broker-2.yaml: differs from broker-1.yaml in more than the number`];
}

/** The Secrets that the documentation has people make, with their keys. */
function secretsOf(deployment: Deployment): ReadonlyMap<string, ReadonlySet<string>> {
  const text = textOf(deployment, "docs/deploying.md").replaceAll("\\\n", " ");
  const commands = [...text.matchAll(/kubectl .*create secret generic (\S+)(.*)/g)];
  return new Map(
    commands.map(([, name = "", flags = ""]) => {
      const files = [...flags.matchAll(/--from-file[= ](?:\S*\/)?(\S+)/g)].map(([, file = ""]) => file);
      return [name, new Set(files)];
    }),
  );
}
