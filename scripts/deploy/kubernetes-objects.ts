import type { NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec } from "kubernetes-types/networking/v1.js";
import type { Problem } from "./files.js";
import type { Placed } from "./kubernetes-pods.js";
import { chosen, isBudget, isPolicy, isService, isWorkload, labelsOf, matches, portsOf } from "./kubernetes-kinds.js";
import type { FoundService, FoundWorkload, Objects } from "./kubernetes-kinds.js";

/** What objects say of each other: selectors, ports and names. */
export function checkObjects(objects: Objects, processes: readonly Placed[], namespace: string): readonly Problem[] {
  const workloads = objects.filter(isWorkload);
  return [
    ...workloads.flatMap((workload) => [
      ...checkGoverning(workload, objects),
      ...checkBudget(workload, objects),
      ...checkCover(workload, objects),
    ]),
    ...objects.filter(isService).flatMap((service) => checkService(service, workloads)),
    ...processes.flatMap((placed) => checkName(placed, objects, namespace)),
    ...objects.filter(isPolicy).flatMap(({ where, object }) => checkPolicy(where, object.spec, objects)),
    ...objects
      .filter(isBudget)
      .filter(({ object }) => chosen(object.spec.selector, objects).length === 0)
      .map(({ where }) => `${where}: its selector chooses nothing`),
  ];
}

/** A StatefulSet's pods have names only through a Service without an address. */
function checkGoverning({ where, object }: FoundWorkload, objects: Objects): readonly Problem[] {
  if (object.kind !== "StatefulSet") return [];
  const name = object.spec.serviceName;
  const service = objects.filter(isService).find((one) => one.object.metadata.name === name);
  if (service === undefined) return [`${where}: there is no Service ${name}`];
  const { clusterIP, publishNotReadyAddresses } = service.object.spec;
  const isGoverning = clusterIP === "None" && publishNotReadyAddresses === true;
  return isGoverning ? [] : [`${service.where}: servers have to find each other by it before they are ready`];
}

function checkBudget(workload: FoundWorkload, objects: Objects): readonly Problem[] {
  const budgets = objects
    .filter(isBudget)
    .filter(({ object }) => matches(object.spec.selector?.matchLabels, labelsOf(workload)));
  const isRight = budgets.length === 1 && budgets[0]?.object.spec.maxUnavailable === 1;
  return isRight ? [] : [`${workload.where}: wants one PodDisruptionBudget with maxUnavailable: 1`];
}

/** Every port of a pod is let in by some policy. */
function checkCover(workload: FoundWorkload, objects: Objects): readonly Problem[] {
  const open = objects
    .filter(isPolicy)
    .filter(({ object }) => matches(object.spec.podSelector.matchLabels, labelsOf(workload)))
    .flatMap(({ object }) => (object.spec.ingress ?? []).flatMap(({ ports = [] }) => ports.map(({ port }) => port)));
  return [...portsOf(workload).keys()]
    .filter((port) => !open.includes(port))
    .map((port) => `${workload.where}: no NetworkPolicy lets anybody reach ${port}`);
}

function checkService({ where, object }: FoundService, workloads: readonly FoundWorkload[]): readonly Problem[] {
  const { selector, ports = [] } = object.spec;
  const behind = workloads.filter((workload) => matches(selector, labelsOf(workload)));
  if (selector === undefined || behind.length !== 1) return [`${where}: its selector has to choose one workload`];
  return ports.flatMap(({ name, port, targetPort }) => {
    const known = behind[0] === undefined ? new Map<string, number>() : portsOf(behind[0]);
    // Clients and peers are told ports as they are bound.
    return known.get(String(targetPort)) === port && name === targetPort
      ? []
      : [`${where}: port ${name ?? ""} ${port} is not what its pods call ${String(targetPort)}`];
  });
}

/** The name under which a process is told of to others leads to it, even before it is ready. */
function checkName({ workload, process }: Placed, objects: Objects, namespace: string): readonly Problem[] {
  const name = process.host.slice(0, -`.${namespace}.svc`.length).split(".").at(-1);
  const service = objects.filter(isService).find(({ object }) => object.metadata.name === name);
  if (service === undefined) return [`${workload.where}: there is no Service ${name ?? ""}`];
  const { selector, ports = [], publishNotReadyAddresses } = service.object.spec;
  const wanted = process.role === "broker" ? "backend" : "publish";
  return [
    ...(matches(selector, labelsOf(workload)) ? [] : [`${service.where}: leads elsewhere than to ${workload.where}`]),
    ...(ports.some((port) => port.name === wanted) ? [] : [`${service.where}: has no port ${wanted}`]),
    ...(publishNotReadyAddresses === true ? [] : [`${service.where}: leads nowhere until a server is connected`]),
  ];
}

function checkPolicy(
  where: string,
  { podSelector, ingress = [], egress = [] }: NetworkPolicySpec,
  objects: Objects,
): readonly Problem[] {
  const own = chosen(podSelector, objects);
  if (own.length === 0) return [`${where}: its selector chooses nothing`];
  const incoming = ingress.flatMap(({ from = [], ports = [] }) => [
    ...checkPeers(where, from, objects),
    ...checkPolicyPorts(where, ports, own),
  ]);
  const outgoing = egress.flatMap(({ to = [], ports = [] }) => {
    const targets = to.filter(isOurs).flatMap((peer) => chosen(peer.podSelector, objects));
    return [...checkPeers(where, to, objects), ...(targets.length > 0 ? checkPolicyPorts(where, ports, targets) : [])];
  });
  return [...incoming, ...outgoing];
}

/** Pods elsewhere are not known here. */
const isOurs = (peer: NetworkPolicyPeer): boolean =>
  peer.namespaceSelector === undefined && peer.podSelector !== undefined;

function checkPeers(where: string, peers: readonly NetworkPolicyPeer[], objects: Objects): readonly Problem[] {
  return peers
    .filter((peer) => isOurs(peer) && chosen(peer.podSelector, objects).length === 0)
    .map(() => `${where}: a selector of its peers chooses nothing`);
}

function checkPolicyPorts(
  where: string,
  ports: readonly NetworkPolicyPort[],
  workloads: readonly FoundWorkload[],
): readonly Problem[] {
  return ports
    .filter(({ port }) => !workloads.some((workload) => [...portsOf(workload)].flat().includes(port ?? "")))
    .map(({ port }) => `${where}: no pod that it is about has a port ${String(port)}`);
}
