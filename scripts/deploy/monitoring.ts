import { parser } from "@prometheus-io/lezer-promql";
import * as v from "valibot";
import { readYaml, textOf, type Deployment, type Problem } from "./files.js";
import { knownMetrics } from "./metrics.js";

const RULES = "deploy/prometheus/aisle.rules.yaml";
const DASHBOARD = "deploy/grafana/aisle.json";
const ROWS = ["Brokers", "Servers", "Storage", "Process"];

const duration = v.pipe(v.string(), v.regex(/^[0-9]+[smhd]$/));
const AlertSchema = v.strictObject({
  alert: v.pipe(v.string(), v.regex(/^Aisle[A-Za-z]+$/)),
  expr: v.string(),
  for: v.optional(duration),
  labels: v.strictObject({ severity: v.picklist(["critical", "warning"]) }),
  annotations: v.strictObject({ summary: v.string(), runbook: v.string() }),
});
const RulesSchema = v.strictObject({
  groups: v.array(v.strictObject({ name: v.string(), rules: v.array(AlertSchema) })),
});

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const PanelSchema = v.looseObject({
  id: count,
  type: v.picklist(["row", "timeseries"]),
  title: v.string(),
  gridPos: v.strictObject({ h: count, w: count, x: count, y: count }),
  targets: v.optional(v.array(v.looseObject({ refId: v.string(), expr: v.string(), legendFormat: v.string() }))),
});
const DashboardSchema = v.looseObject({
  uid: v.string(),
  title: v.string(),
  schemaVersion: count,
  templating: v.looseObject({ list: v.array(v.looseObject({ name: v.literal("datasource") })) }),
  panels: v.array(PanelSchema),
});

type Panel = v.InferOutput<typeof PanelSchema>;

export function checkMonitoring(deployment: Deployment): readonly Problem[] {
  const problems: Problem[] = [];
  const known = knownMetrics();
  const rules = parsed(RULES, RulesSchema, readYaml(deployment, RULES, problems)[0], problems);
  const alerts = rules?.groups.flatMap((group) => group.rules) ?? [];
  for (const { alert, expr } of alerts) problems.push(...checkExpression(`${RULES}: ${alert}`, expr, known));
  const names = alerts.map(({ alert }) => alert);
  for (const name of names.filter((one, at) => names.indexOf(one) !== at))
    problems.push(`${RULES}: ${name} is there twice`);
  const dashboard = parsed(DASHBOARD, DashboardSchema, readJson(deployment, problems), problems);
  for (const panel of dashboard?.panels ?? []) {
    const where = `${DASHBOARD}: ${panel.title}`;
    if (panel.type !== "row" && (panel.targets ?? []).length === 0) problems.push(`${where}: shows nothing`);
    for (const { expr } of panel.targets ?? []) problems.push(...checkExpression(where, expr, known));
  }
  return [...problems, ...checkLayout(dashboard?.panels ?? [])];
}

function parsed<S extends v.GenericSchema>(
  path: string,
  schema: S,
  value: unknown,
  problems: Problem[],
): v.InferOutput<S> | null {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  for (const issue of result.issues) problems.push(`${path}: ${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
  return null;
}

function readJson(deployment: Deployment, problems: Problem[]): unknown {
  try {
    return JSON.parse(textOf(deployment, DASHBOARD)) as unknown;
  } catch (error) {
    problems.push(`${DASHBOARD}: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

/** Whether it is PromQL, about metrics that there are and jobs that are scraped. */
function checkExpression(where: string, expression: string, known: ReadonlySet<string>): readonly Problem[] {
  const problems: Problem[] = [];
  const text = expression.replaceAll("$__rate_interval", "5m");
  parser.parse(text).iterate({
    enter: ({ name, type, from, to }) => {
      const part = text.slice(from, to);
      if (type.isError) problems.push(`${where}: "${text}" is no PromQL at ${from}`);
      if (name === "VectorSelector" && !known.has(/^[\w:]*/.exec(part)?.[0] ?? ""))
        problems.push(`${where}: there is no metric ${part}`);
      if (name === "UnquotedLabelMatcher" && !/^job\s*=~?\s*"aisle-(broker|server|\.\*)"$/.test(part))
        problems.push(`${where}: nothing is labelled ${part}`);
    },
  });
  return problems;
}

function checkLayout(panels: readonly Panel[]): readonly Problem[] {
  const taken = new Map<string, string>();
  const problems: Problem[] = [];
  const ids = new Set(panels.map(({ id }) => id));
  if (ids.size < panels.length) problems.push(`${DASHBOARD}: two panels have one id`);
  for (const { title, gridPos } of panels) {
    const { h, w, x, y } = gridPos;
    if (x + w > 24) problems.push(`${DASHBOARD}: ${title} is too far to the right`);
    for (let at = 0; at < h * w; at++) {
      const place = `${x + (at % w)},${y + Math.floor(at / w)}`;
      const other = taken.get(place);
      if (other !== undefined) return [...problems, `${DASHBOARD}: ${title} covers ${other}`];
      taken.set(place, title);
    }
  }
  const rows = panels.filter(({ type }) => type === "row").map(({ title }) => title);
  if (rows.join() !== ROWS.join()) problems.push(`${DASHBOARD}: its rows are to be ${ROWS.join(", ")}`);
  return problems;
}
