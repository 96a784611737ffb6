import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { checkDeployment } from "../../scripts/check-deploy.js";
import { readDeployment } from "../../scripts/deploy/files.js";

const real = readDeployment(fileURLToPath(new URL("../..", import.meta.url)));

const BROKER = "deploy/kubernetes/broker-1.yaml";
const SERVERS = "deploy/kubernetes/servers.yaml";
const NETWORK = "deploy/kubernetes/network.yaml";
const BUDGETS = "deploy/kubernetes/disruption.yaml";
const COMPOSE = "deploy/compose.yaml";
const RULES = "deploy/prometheus/aisle.rules.yaml";
const DASHBOARD = "deploy/grafana/aisle.json";
const CONTAINERFILE = "deploy/container/Containerfile";

/** A mistake: in which file, what becomes what, and what is said of it. */
type Mistake = readonly [what: string, path: string, from: string | RegExp, to: string, said: RegExp];

const FIELDS: readonly Mistake[] = [
  ["a misspelt field", SERVERS, "replicas: 3", "replicsa: 3", /"replicsa"' does not exist/],
  ["a misspelt field deep inside", SERVERS, "runAsNonRoot", "runAsNonRot", /"runAsNonRot"' does not exist/],
  ["a misspelt field in an unknown place", NETWORK, "podSelector: {}", "podSelektor: {}", /podSelector/],
  ["a port that is a text", SERVERS, "containerPort: 5615", 'containerPort: "5615"', /must be integer/],
  ["a number that is a word", SERVERS, "replicas: 3", "replicas: three", /must be integer/],
  ["a missing selector", SERVERS, /^ {2}selector:\n( {4}.*\n)+?(?= {2}template)/m, "", /selector/],
  ["a kind that is none", BUDGETS, "kind: PodDisruptionBudget", "kind: PodDisruptionBudge", /there is no policy\/v1/],
  ["an API version that is none", BUDGETS, "policy/v1\n", "policy/v3\n", /there is no policy\/v3/],
  ["a key that is there twice", SERVERS, "  replicas: 3", "  replicas: 3\n  replicas: 3", /unique/],
  ["what is no YAML", SERVERS, "spec:", "spec: [", /servers\.yaml/],
];

const NAMES: readonly Mistake[] = [
  ["a flag that the program does not have", SERVERS, "- --curve\n", "- --curved\n", /unknown option '--curved/],
  ["a flag that the program needs", BROKER, /.*--updates=.*\n/, "", /required option '--updates/],
  ["a variable that is none", SERVERS, "--id=$(POD_NAME)", "--id=$(POD)", /is no variable/],
  ["an id that is none", SERVERS, "--id=$(POD_NAME)", "--id=$(POD_NAME)_", /a server's id/],
  ["a quorum that cannot be", SERVERS, "- --curve", "- --curve\n            - --write-quorum=1", /R \+ W/],
  ["clear text on a network", BROKER, "            - --curve\n", "", /--curve/],
  ["another port than is bound", BROKER, "containerPort: 5575", "containerPort: 5576", /port backend 5575 is missing/],
  ["a Service's port that is another", BROKER, "port: 5595", "port: 5596", /is not what its pods call updates/],
  [
    "a Service that leads nowhere",
    SERVERS,
    "clusterIP: None",
    "clusterIP: 10.0.0.1",
    /servers have to find each other/,
  ],
  [
    "a Service that waits",
    BROKER,
    "publishNotReadyAddresses: true",
    "publishNotReadyAddresses: false",
    /leads nowhere/,
  ],
  ["a Service of another name", SERVERS, "serviceName: servers", "serviceName: server", /there is no Service server/],
  [
    "a broker that is not told of",
    SERVERS,
    /.*--broker=tcp:\/\/broker-2.*\n/,
    "",
    /--broker tcp:\/\/broker-2.* missing/,
  ],
  [
    "a peer that is not told of",
    SERVERS,
    "server-0 server-1 server-2",
    "server-0 server-1",
    /--peer .*server-2.* missing/,
  ],
  ["a peer that there is not", SERVERS, "server-1 server-2", "server-1 server-2 server-3", /server-3.* no business/],
  ["a server that has itself for a peer", SERVERS, '= "$POD_NAME"', '= ""', /--peer .* has no business there/],
  ["a selector that misses", SERVERS, "server\n  template", "broker\n  template", /its selector misses its pods/],
  ["a policy about nothing", NETWORK, "component: broker", "component: broke", /its selector chooses nothing/],
  ["a policy for no port", NETWORK, "port: publish", "port: publisher", /has a port publisher/],
  ["a policy for another number", NETWORK, "port: 5615", "port: 5616", /has a port 5616/],
  ["a port that nobody reaches", NETWORK, "        - port: updates\n", "", /lets anybody reach updates/],
  ["a budget for all at once", BUDGETS, "maxUnavailable: 1", "maxUnavailable: 3", /maxUnavailable: 1/],
  ["a Secret that nobody makes", SERVERS, "secretName: server-keys", "secretName: server-key", /does not say how/],
  ["a key that is not in its Secret", SERVERS, /.*- key: operator.pub\n.*\n/, "", /file operator\.pub has no business/],
  ["a volume that is none", SERVERS, "- name: lists\n", "- name: list\n", /volume list/],
  ["a folder that is not mounted", SERVERS, "--data=/data/lists", "--data=/data/list", /mounted folder/],
  ["a probe of the wrong kind", SERVERS, "path: /readyz", "path: /healthz", /readinessProbe/],
  ["a container that may write", BROKER, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", /may write/],
  ["brokers that differ", BROKER, "memory: 128Mi", "memory: 256Mi", /differs from broker-1/],
  [
    "a file that is not applied",
    "deploy/kubernetes/kustomization.yaml",
    "  - network.yaml\n",
    "",
    /network\.yaml is missing/,
  ],
  ["an image of another version", "deploy/kubernetes/kustomization.yaml", /newTag.*/, "newTag: 0.0.9", /tag 0\.0\.9/],
];

const OTHERS: readonly Mistake[] = [
  ["a field that Compose lacks", COMPOSE, "stop_grace_period: 15s", "stop_grace: 15s", /stop_grace/],
  ["a flag in a composition", COMPOSE, "--advertise server-2", "--advertize server-2", /--advertize/],
  ["a command in a script", COMPOSE, "cluster up --curve", "cluster up --curved", /--curved/],
  ["a broker's port in a composition", COMPOSE, "tcp://0.0.0.0:5576", "tcp://0.0.0.0:5575", /--broker/],
  ["a peer in a composition", COMPOSE, "tcp://server-3:5615", "tcp://server-4:5615", /server-4/],
  ["a port that is mapped", COMPOSE, '"5596:5596"', '"5597:5596"', /published port 5597/],
  ["a volume that is not declared", COMPOSE, "\n  server-3:\n  prom", "\n  prom", /volume server-3/],
  ["a volume for nobody", COMPOSE, "keys:/data/keys:ro", "keys:/data/key:ro", /mounted folder/],
  ["a health check elsewhere", COMPOSE, "127.0.0.1:9464/readyz", "127.0.0.1:9465/readyz", /health check/],
  ["a dependency on nobody", COMPOSE, "keys: { condition", "key: { condition", /waits for key/],
  [
    "a target that is not scraped",
    "deploy/prometheus/prometheus.yml",
    ', "server-3:9464"',
    "",
    /server-3:9464 is missing/,
  ],
  ["a counter that there is not", RULES, "aisle_broker_refusals_total", "aisle_broker_refused_total", /no metric/],
  ["a histogram without its part", RULES, "append_seconds_bucket", "append_seconds", /no metric/],
  ["what is no PromQL", RULES, "max(aisle_broker_servers) < 2", "max(aisle_broker_servers < 2", /no PromQL/],
  ["a job that nobody has", RULES, 'up{job="aisle-server"}', 'up{job="aisle-servers"}', /nothing is labelled/],
  ["an alert that says not what to do", RULES, "runbook:", "runbok:", /runb/],
  ["a panel's metric", DASHBOARD, '"aisle_server_hints"', '"aisle_server_hint"', /no metric/],
  ["panels on top of each other", DASHBOARD, '"x": 8', '"x": 7', /covers/],
  ["a unit's flag", "deploy/systemd/aisle-server@.service", "--publish", "--publishes", /--publish <endpoint>/],
  ["a unit's variable", "deploy/systemd/broker-1.env", "FRONTEND=", "FRONT=", /FRONTEND/],
  [
    "a unit's folder",
    "deploy/systemd/aisle-server@.service",
    "StateDirectory=aisle/",
    "StateDirectory=lists/",
    /StateDir/,
  ],
  ["a unit that is not confined", "deploy/systemd/aisle-broker@.service", "=strict", "=no", /ProtectSystem/],
  ["an example's port", "deploy/systemd/server-1.env", "broker-2.example:5575", "broker-2.example:5576", /BROKERS/],
  ["a source that is not there", CONTAINERFILE, "COPY src src", "COPY source src", /no source/],
  ["a source that is ignored", ".dockerignore", "!src\n", "", /exception src is missing/],
  ["a part that is not in the image", CONTAINERFILE, /COPY --from.*messages.*messages\n/, "", /messages is missing/],
  ["an image that runs as root", CONTAINERFILE, "USER 10001:10001", "USER 0:0", /USER/],
  ["a setting of malloc", CONTAINERFILE, "MALLOC_ARENA_MAX=1", "MALLOC_ARENA_MAX=2", /MALLOC_ARENA_MAX/],
];

describe("what is deployed", () => {
  it("is as it should be", async () => {
    expect(await checkDeployment(real)).toEqual([]);
  });

  it.each([...FIELDS, ...NAMES, ...OTHERS])("would not have %s", async (_what, path, from, to, said) => {
    const before = real.files.get(path) ?? "";
    const after = before.replace(from, () => to);
    expect(after).not.toBe(before);
    const problems = await checkDeployment({ ...real, files: new Map([...real.files, [path, after]]) });
    expect(problems.join("\n")).toMatch(said);
  });
});
