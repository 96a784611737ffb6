// Collects every text that a person may be told into messages/en.json, the catalogue that translators start from:
// `npm run messages`. The format is i18next's JSON, version 4, as translators' tools know it.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Command } from "commander";
import ts from "typescript";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
export const CATALOGUE = join(ROOT, "messages/en.json");

/** @param program the whole command line, whose descriptions are texts, too */
export function collectMessages(program: Command, examples: Iterable<string>): Readonly<Record<string, string>> {
  const found = new Map<string, string>();
  for (const text of [...helpTexts(program), ...examples]) found.set(text, text);
  for (const entry of readdirSync(join(ROOT, "src"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const file = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);
    visit(file, found);
  }
  found.delete("");
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function visit(node: ts.Node, found: Map<string, string>): void {
  if (ts.isTaggedTemplateExpression(node) && node.tag.getText() === "t") {
    const key = keyOf(node.template);
    found.set(key, key);
  } else if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
    const [first, second, third] = node.arguments;
    const name = node.expression.text;
    if (name === "t") for (const text of literals(first)) found.set(text, text);
    if (name === "counted") {
      const [one = "", several = ""] = [...literals(second), ...literals(third)];
      found.set(`${several}_one`, one).set(`${several}_other`, several);
    }
  } else if (ts.isNewExpression(node) && node.expression.getText() === "ProtocolError") {
    // What a server refuses with is told in the words of who reads it.
    for (const text of literals(node.arguments?.[1])) found.set(text, text);
  }
  ts.forEachChild(node, (child) => {
    visit(child, found);
  });
}

/** The texts that an argument may be, as far as they stand in the source. */
function literals(node: ts.Expression | undefined): readonly string[] {
  if (node === undefined) return [];
  if (ts.isStringLiteralLike(node)) return [node.text];
  return ts.isConditionalExpression(node) ? [...literals(node.whenTrue), ...literals(node.whenFalse)] : [];
}

function keyOf(template: ts.TemplateLiteral): string {
  if (ts.isNoSubstitutionTemplateLiteral(template)) return template.text;
  const spans = template.templateSpans.map(({ literal }, at) => `{{${at}}}${literal.text}`);
  return [template.head.text, ...spans].join("");
}

/** Those of the library that makes help. */
const HEADINGS = ["Usage:", "Options:", "Arguments:", "Commands:"];

function helpTexts(command: Command): readonly string[] {
  return [
    ...HEADINGS,
    command.description(),
    ...command.options.map(({ description }) => description),
    ...command.registeredArguments.map(({ description }) => description),
    ...command.commands.flatMap((one) => [one.helpGroup(), ...helpTexts(one)]),
  ];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { actWith } = await import("../src/client/cli/command.js");
  const { exampleTexts } = await import("../src/client/cli/examples.js");
  const { buildProgram } = await import("../src/client/cli/program.js");
  const { serviceFamilies } = await import("../src/families.js");
  const never = (): Promise<void> => Promise.resolve();
  const program = await buildProgram(actWith(never), { scriptPath: "", services: serviceFamilies(never) });
  writeFileSync(CATALOGUE, `${JSON.stringify(collectMessages(program, exampleTexts()), null, 2)}\n`);
}
