import { basename } from "node:path";
import * as v from "valibot";
import { difference, readYaml, textOf, type Deployment, type Problem } from "./files.js";
import { checkCluster, readCommandLine, readProcess, type Process } from "./processes.js";

const COMPOSE = "deploy/compose.yaml";
const PROMETHEUS = "deploy/prometheus/prometheus.yml";

const duration = v.pipe(v.string(), v.regex(/^[0-9]+(ms|s|m|h)$/));
const text = v.string();

const ServiceSchema = v.strictObject({
  image: v.pipe(text, v.regex(/^[a-z0-9/-]+:v?[0-9.]+$/)),
  restart: v.picklist(["no", "always", "on-failure", "unless-stopped"]),
  read_only: v.literal(true),
  cap_drop: v.tuple([v.literal("ALL")]),
  security_opt: v.tuple([v.literal("no-new-privileges:true")]),
  depends_on: v.optional(
    v.record(
      text,
      v.strictObject({
        condition: v.picklist(["service_started", "service_healthy", "service_completed_successfully"]),
      }),
    ),
  ),
  healthcheck: v.optional(
    v.strictObject({
      test: v.array(text),
      interval: duration,
      timeout: duration,
      retries: v.pipe(v.number(), v.integer()),
      start_period: duration,
    }),
  ),
  stop_grace_period: v.optional(duration),
  mem_limit: v.optional(v.pipe(text, v.regex(/^[0-9]+[kmg]$/))),
  network_mode: v.optional(v.literal("none")),
  tmpfs: v.optional(v.array(text)),
  profiles: v.optional(v.array(text)),
  entrypoint: v.optional(v.array(text)),
  command: v.optional(v.union([text, v.array(text)])),
  ports: v.optional(v.array(v.pipe(text, v.regex(/^([0-9.]+:)?[0-9]+:[0-9]+$/)))),
  volumes: v.optional(v.array(v.pipe(text, v.regex(/^[a-z0-9./-]+:\/[a-z/]+(:ro)?$/)))),
});

const ComposeSchema = v.strictObject({
  name: text,
  "x-service": v.unknown(),
  "x-health": v.unknown(),
  "x-broker": v.unknown(),
  "x-server": v.unknown(),
  services: v.record(text, ServiceSchema),
  volumes: v.record(text, v.null()),
});

const ScrapeSchema = v.looseObject({
  rule_files: v.array(text),
  scrape_configs: v.array(
    v.strictObject({ job_name: text, static_configs: v.tuple([v.strictObject({ targets: v.array(text) })]) }),
  ),
});

type Service = v.InferOutput<typeof ServiceSchema>;

export async function checkCompose(deployment: Deployment): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const compose = read(deployment, COMPOSE, ComposeSchema, problems);
  const scrape = read(deployment, PROMETHEUS, ScrapeSchema, problems);
  if (compose === null || scrape === null) return problems;
  const services = Object.entries(compose.services);
  const named = services.flatMap(([, { volumes = [] }]) => volumes.map((mount) => mount.split(":")[0] ?? ""));
  problems.push(
    ...difference(
      COMPOSE,
      "volume",
      named.filter((name) => !name.startsWith(".")),
      Object.keys(compose.volumes),
    ),
    ...services.flatMap(([name, service]) => checkDependencies(name, service, compose.services)),
  );
  const { version } = JSON.parse(textOf(deployment, "package.json")) as { readonly version: string };
  const processes: Process[] = [];
  for (const [name, service] of services) {
    const [image = "", tag = ""] = service.image.split(":");
    if (image !== "aisle") continue;
    if (tag !== version) problems.push(`${COMPOSE}: ${name} runs ${tag}, and this is ${version}`);
    if (service.entrypoint !== undefined) problems.push(...(await checkScript(name, service)));
    else processes.push(...(await checkService(name, service, problems)));
  }
  const jobs = scrape.scrape_configs.flatMap(({ job_name, static_configs: [{ targets }] }) =>
    targets.map((target) => `${job_name} ${target}`),
  );
  const wanted = processes.map(({ role, host, metricsPort }) => `aisle-${role} ${host}:${metricsPort}`);
  const rules = scrape.rule_files.filter((file) => !deployment.files.has(`deploy/prometheus/${basename(file)}`));
  return [
    ...problems,
    ...checkCluster(processes),
    ...difference(PROMETHEUS, "target", wanted, jobs),
    ...rules.map((file) => `${PROMETHEUS}: there is no ${file}`),
  ];
}

function read<S extends v.GenericSchema>(
  deployment: Deployment,
  path: string,
  schema: S,
  problems: Problem[],
): v.InferOutput<S> | null {
  const [value] = readYaml(deployment, path, problems);
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  for (const issue of result.issues) problems.push(`${path}: ${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
  return null;
}

function checkDependencies(
  name: string,
  { depends_on = {} }: Service,
  services: Readonly<Record<string, Service>>,
): readonly Problem[] {
  return Object.keys(depends_on)
    .filter((other) => !Object.hasOwn(services, other))
    .map((other) => `${COMPOSE}: ${name} waits for ${other}, which is not there`);
}

/** Whatever a script has the program do is something that it can do. */
async function checkScript(name: string, { command = [] }: Service): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const script = [command].flat().join("\n");
  for (const [, words = ""] of script.matchAll(/node \/app\/dist\/main\.js (.*)/g))
    await readCommandLine(`${COMPOSE}: ${name}`, words.split(" "), problems);
  return problems;
}

async function checkService(name: string, service: Service, problems: Problem[]): Promise<readonly Process[]> {
  const where = `${COMPOSE}: ${name}`;
  const words = [service.command ?? []].flat().join(" ").split(/\s+/);
  const process = await readProcess(where, name, words, problems);
  if (process === null) return [];
  const mounts = (service.volumes ?? []).map((volume) => volume.split(":")[1] ?? "");
  const folders = [process.keys, ...(process.role === "server" ? [process.data] : [])];
  const open = process.role === "broker" ? [process.ports.frontend, process.ports.updates] : [];
  problems.push(
    ...difference(where, "mounted folder", folders, mounts),
    ...difference(
      where,
      "published port",
      open.map((port) => `${port}:${port}`),
      service.ports ?? [],
    ),
  );
  const asked = service.healthcheck?.test.join(" ") ?? "";
  if (!asked.includes(`http://127.0.0.1:${process.metricsPort}/readyz`))
    problems.push(`${where}: its health check does not ask for /readyz where its metrics are`);
  if (service.stop_grace_period === undefined) problems.push(`${where}: stop_grace_period is missing`);
  return [process];
}
