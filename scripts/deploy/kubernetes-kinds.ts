import type { DeploymentSpec, StatefulSetSpec } from "kubernetes-types/apps/v1.js";
import type { Container, PodSpec, ServiceSpec } from "kubernetes-types/core/v1.js";
import type { LabelSelector } from "kubernetes-types/meta/v1.js";
import type { NetworkPolicySpec } from "kubernetes-types/networking/v1.js";
import type { PodDisruptionBudgetSpec } from "kubernetes-types/policy/v1.js";

/** An object of a kind, in which what its schema wants is there. */
interface Of<Kind extends string, Spec> {
  readonly kind: Kind;
  readonly metadata: { readonly name: string };
  readonly spec: Spec;
}

interface WithPods {
  readonly template: { readonly spec: PodSpec };
}

type Workload = Of<"Deployment", DeploymentSpec & WithPods> | Of<"StatefulSet", StatefulSetSpec & WithPods>;

interface Placed<T> {
  readonly where: string;
  readonly object: T;
}

export type FoundWorkload = Placed<Workload>;
export type FoundService = Placed<Of<"Service", ServiceSpec>>;
type FoundPolicy = Placed<Of<"NetworkPolicy", NetworkPolicySpec>>;
type FoundBudget = Placed<Of<"PodDisruptionBudget", PodDisruptionBudgetSpec>>;

/** The kinds that are looked into; any other is only held against its schema. */
export type Objects = readonly (FoundWorkload | FoundService | FoundPolicy | FoundBudget)[];

type One = Objects[number];
export type Labels = Readonly<Record<string, string>>;

export const isWorkload = (one: One): one is FoundWorkload =>
  one.object.kind === "Deployment" || one.object.kind === "StatefulSet";
export const isService = (one: One): one is FoundService => one.object.kind === "Service";
export const isPolicy = (one: One): one is FoundPolicy => one.object.kind === "NetworkPolicy";
export const isBudget = (one: One): one is FoundBudget => one.object.kind === "PodDisruptionBudget";

export function labelsOf({ object }: FoundWorkload): Labels {
  return object.spec.template.metadata?.labels ?? {};
}

export function matches(wanted: Labels | undefined, labels: Labels): boolean {
  return Object.entries(wanted ?? {}).every(([name, value]) => labels[name] === value);
}

/** The workloads whose pods are chosen. */
export function chosen(selector: LabelSelector | undefined, objects: Objects): readonly FoundWorkload[] {
  return objects.filter(isWorkload).filter((workload) => matches(selector?.matchLabels, labelsOf(workload)));
}

/** The numbers of a pod's ports by their names. */
export function portsOf({ object }: FoundWorkload): ReadonlyMap<string, number> {
  const { containers } = object.spec.template.spec;
  return new Map(containers.flatMap(({ ports = [] }) => ports.map((port) => [port.name ?? "", port.containerPort])));
}

export function containersOf(spec: PodSpec): readonly Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}
