import { spawnSync } from "node:child_process";
import type { Container, PodSpec } from "kubernetes-types/core/v1.js";
import { difference, type Problem } from "./files.js";
import { containersOf, isWorkload, labelsOf, matches, portsOf } from "./kubernetes-kinds.js";
import type { FoundWorkload, Objects } from "./kubernetes-kinds.js";
import { readProcess, type Process } from "./processes.js";

/** A process, and what it runs as. */
export interface Placed {
  readonly workload: FoundWorkload;
  readonly process: Process;
}

/** Every process that will run, with its command line as it will be. */
export async function processesOf(
  objects: Objects,
  namespace: string,
  problems: Problem[],
): Promise<readonly Placed[]> {
  const placed: Placed[] = [];
  for (const workload of objects.filter(isWorkload)) {
    const { where, object } = workload;
    const { name } = object.metadata;
    const set = object.kind === "StatefulSet" ? object.spec : undefined;
    const pods = set === undefined ? [name] : Array.from({ length: set.replicas ?? 1 }, (_, at) => `${name}-${at}`);
    const [container] = object.spec.template.spec.containers;
    for (const pod of container === undefined ? [] : pods) {
      const host = set === undefined ? `${name}.${namespace}.svc` : `${pod}.${set.serviceName}.${namespace}.svc`;
      const words = wordsOf(where, container ?? { name }, { pod, namespace }, problems);
      const process = await readProcess(`${where} (${pod})`, host, words, problems);
      if (process !== null) placed.push({ workload, process });
    }
  }
  return placed;
}

/** The words that the program gets: what the kubelet puts in, and what a shell makes of it where there is one. */
function wordsOf(
  where: string,
  { env = [], command, args = [] }: Container,
  names: { readonly pod: string; readonly namespace: string },
  problems: Problem[],
): readonly string[] {
  const fields: Readonly<Record<string, string>> = {
    "metadata.name": names.pod,
    "metadata.namespace": names.namespace,
  };
  const values = new Map(env.map((one) => [one.name, one.value ?? fields[one.valueFrom?.fieldRef?.fieldPath ?? ""]]));
  const expanded = args.map((word) =>
    word.replace(/\$\((\w+)\)/g, (all, name: string) => {
      const value = values.get(name);
      if (value === undefined) problems.push(`${where}: ${all} in its arguments is no variable of it`);
      return value ?? all;
    }),
  );
  if (command === undefined) return expanded;
  const [shell = "", ...words] = command.map((word) => word.replace("exec node /app/dist/main.js", "printf '%s\\n'"));
  const variables = Object.fromEntries([...values].map(([name, value]) => [name, value ?? ""]));
  const run = spawnSync(shell, [...words, ...expanded], { encoding: "utf8", env: variables, timeout: 5_000 });
  if (run.status !== 0) problems.push(`${where}: its command fails: ${run.stderr.trim()}`);
  return run.stdout.trimEnd().split("\n");
}

/** One workload's pods, looked at by themselves. */
export function checkPod(
  workload: FoundWorkload,
  processes: readonly Placed[],
  secrets: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Problem[] {
  const { where, object } = workload;
  const spec = object.spec.template.spec;
  const { affinity, terminationGracePeriodSeconds } = spec;
  const terms = [
    ...(affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ podAffinityTerm }) => podAffinityTerm,
    ),
  ];
  const isApart = terms.some(({ labelSelector }) => matches(labelSelector?.matchLabels, labelsOf(workload)));
  return [
    ...(matches(object.spec.selector.matchLabels, labelsOf(workload))
      ? []
      : [`${where}: its selector misses its pods`]),
    ...(isApart ? [] : [`${where}: its pods may all be on one node`]),
    ...(terminationGracePeriodSeconds === undefined ? [`${where}: terminationGracePeriodSeconds is missing`] : []),
    ...checkVolumes(workload, secrets),
    ...containersOf(spec).flatMap((container) => checkConfinement(where, spec, container)),
    ...spec.containers.flatMap((container) => checkProbes(workload, container)),
    ...processes.filter((placed) => placed.workload === workload).flatMap(checkPorts),
  ];
}

function checkVolumes(
  { where, object }: FoundWorkload,
  secrets: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Problem[] {
  const spec = object.spec.template.spec;
  const templates = object.kind === "StatefulSet" ? (object.spec.volumeClaimTemplates ?? []) : [];
  const claims = templates.map(({ metadata }) => metadata?.name ?? "");
  const volumes = [...(spec.volumes ?? []).map(({ name }) => name), ...claims];
  const mounted = containersOf(spec).flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
  const kept = (spec.volumes ?? []).flatMap(({ secret }) => {
    if (secret === undefined) return [];
    const { secretName = "", items = [] } = secret;
    const told = secrets.get(secretName);
    if (told === undefined) return [`${where}: docs/deploying.md does not say how to make the Secret ${secretName}`];
    const files = items.map(({ key }) => key);
    return difference(`${where}: Secret ${secretName} in docs/deploying.md`, "file", files, told);
  });
  return [...difference(where, "volume", mounted, volumes), ...kept];
}

function checkConfinement(where: string, { securityContext }: PodSpec, container: Container): readonly Problem[] {
  const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = container.securityContext ?? {};
  const requirements: readonly (readonly [boolean, string])[] = [
    [securityContext?.runAsNonRoot === true, "may run as root"],
    [securityContext?.seccompProfile?.type === "RuntimeDefault", "has no seccomp profile"],
    [allowPrivilegeEscalation === false, "may gain privileges"],
    [readOnlyRootFilesystem === true, "may write to its root file system"],
    [capabilities?.drop?.includes("ALL") === true, "keeps capabilities"],
    [container.resources?.requests !== undefined, "requests no resources"],
    [container.resources?.limits?.memory !== undefined, "has no limit of memory"],
  ];
  return requirements.filter(([holds]) => !holds).map(([, problem]) => `${where}: ${container.name} ${problem}`);
}

const PROBES = [
  ["startupProbe", "/healthz"],
  ["livenessProbe", "/healthz"],
  ["readinessProbe", "/readyz"],
] as const;

function checkProbes(workload: FoundWorkload, container: Container): readonly Problem[] {
  return PROBES.flatMap(([name, path]) => {
    const probe = container[name]?.httpGet;
    const isRight = probe?.path === path && probe.port === "metrics" && portsOf(workload).has("metrics");
    return isRight ? [] : [`${workload.where}: ${name} is to ask for ${path} on the port metrics`];
  });
}

/** What is bound, mounted and named in flags is what the pod says of itself. */
function checkPorts({ workload, process }: Placed): readonly Problem[] {
  const { where, object } = workload;
  const { volumeMounts = [] } = object.spec.template.spec.containers[0] ?? {};
  const mounts = volumeMounts.map(({ mountPath }) => mountPath);
  const folders = [process.keys, ...(process.role === "server" ? [process.data] : [])];
  const bound = Object.entries({ ...process.ports, metrics: process.metricsPort }).map(
    ([name, port]) => `${name} ${port}`,
  );
  const told = [...portsOf(workload)].map(([name, port]) => `${name} ${port}`);
  const scraped = object.spec.template.metadata?.annotations?.["prometheus.io/port"] ?? "";
  return [
    ...difference(where, "port", bound, told),
    ...difference(where, "mounted folder", folders, mounts),
    ...difference(where, "annotation prometheus.io/port", [process.metricsPort], [Number(scraped)]),
  ];
}
