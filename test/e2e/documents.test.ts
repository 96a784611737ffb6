import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommanderError, type Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { actWith, quietly } from "../../src/client/cli/command.js";
import { EXAMPLES } from "../../src/client/cli/examples.js";
import { buildProgram } from "../../src/client/cli/program.js";
import { shellWords } from "../../src/client/cli/shell-words.js";
import { serviceFamilies } from "../../src/families.js";
import { Cluster, Device, temporaryFolder } from "./harness.js";

const documents = ["README.md", ...["cli", "operations", "replication", "security"].map((name) => `docs/${name}.md`)];
const texts = new Map(documents.map((path) => [path, readFileSync(path, "utf8")]));
const cliText = texts.get("docs/cli.md") ?? "";
const everything = [...texts.values()].join("\n");

const never = (): Promise<void> => Promise.resolve();
const services = serviceFamilies(never);

/** The whole command line; what it is given is parsed, and nothing is carried out. */
async function parser(): Promise<Command> {
  const program = await buildProgram(actWith(never), { scriptPath: "", services });
  return quietly(program, true);
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap((one) => everyCommand(one))];
}

const HIDDEN = new Set(["complete", "help", "manual"]);

describe("the documents and the program", () => {
  it("name the same commands", async () => {
    const program = await parser();
    const names = program.commands.map((one) => one.name()).filter((name) => !HIDDEN.has(name));
    const rows = [...cliText.matchAll(/^\| (`.*?) \|/gm)].map(([, first = ""]) => first);
    const documented = new Set(
      rows.flatMap((row) => [...row.matchAll(/`([a-z][a-z-]+)/g)].map(([, name]) => name ?? "")),
    );
    const others = ["batch", "completion", "cluster", "broker", "server"].filter((name) =>
      everything.includes(`aisle ${name}`),
    );
    expect([...new Set([...documented, ...others])].sort()).toEqual([...names].sort());
  });

  it("name the same flags", async () => {
    const flags = new Set(
      everyCommand(await parser()).flatMap(({ options }) => options.flatMap(({ long }) => long ?? [])),
    );
    const documented = new Set([...everything.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)].map(([flag]) => flag));
    expect([...flags].filter((flag) => !documented.has(flag) && flag !== "--version")).toEqual([]);
    expect([...documented].filter((flag) => !flags.has(flag) && flag !== "--help")).toEqual([]);
  });

  it("give examples for every command, all of which the program understands", async () => {
    const program = await parser();
    const names = program.commands.map((one) => one.name()).filter((name) => !HIDDEN.has(name));
    expect(names.filter((name) => EXAMPLES[name] === undefined && !["broker", "server"].includes(name))).toEqual([]);
    for (const [line] of Object.values(EXAMPLES).flat()) await understands(line);
  });

  const indented = [...texts].flatMap(([path, text]) =>
    [...text.matchAll(/^ {4}((?:npx )?aisle [a-z][^\n]*)$/gm)].map(([, line = ""]) => [path, line] as const),
  );
  it.each(indented)("%s: %s", async (_path, line) => {
    // What is explained stands after two blanks, what may be left out in brackets.
    for (const one of (line.split(/ {2,}/)[0] ?? "").split(" | ")) {
      const whole = one.startsWith("aisle") || one.startsWith("npx") ? one : `aisle cluster ${one}`;
      await understands(whole.replace(/^npx /, "").replaceAll(/[[\]]/g, ""));
    }
  });

  /** The `aisle` commands of a shell line. @throws CommanderError for one that is none */
  async function understands(line: string): Promise<void> {
    for (const part of line.split(/\||&&|<\(|\)| > /)) {
      const words = shellWords(part.replace(/ #.*/, ""));
      if (words[0] !== "aisle") continue;
      const program = await parser();
      program.action(() => {
        throw new Error(`${line}: no such command`);
      });
      await program.parseAsync(words.slice(1), { from: "user" }).catch((error: unknown) => {
        if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error;
      });
    }
  }
});

describe("README", () => {
  const cluster = new Cluster(1, 3);
  const people = new Map<string, Device>();
  const password = join(temporaryFolder(), "password");

  beforeAll(async () => {
    await cluster.up();
    writeFileSync(password, "a password of some length\n");
  });
  afterAll(async () => {
    people.forEach((one) => one.remove());
    await cluster.remove();
  });

  const masked = (text: string): string =>
    text
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID")
      .replaceAll(/inv-[\w-]+/g, "INVITATION")
      .replaceAll(/\b[\w-]{5}(-[\w-]{5}){3,}\b|^ {2}[\w-]{16,}$/gm, "CODE");

  it("shows a session that happens just so", async () => {
    const [, session = ""] = /```console\n([\s\S]*?)```/.exec(texts.get("README.md") ?? "") ?? [];
    const steps = [...session.matchAll(/^(\w+)\$ (.*)\n((?:(?!\w+\$ ).*\n)*)/gm)];
    expect(steps.length).toBeGreaterThan(8);
    let invitation = "";
    for (const [, name = "", line = "", shown = ""] of steps) {
      let person = people.get(name);
      if (person === undefined) people.set(name, (person = new Device(cluster.brokers)));
      let printed = "";
      for (const part of line.replace(/\s+#.*/, "").split(" && ")) {
        const words = shellWords(part.replace(/inv-[\w-]+/, invitation)).slice(1);
        if (words[0] === "register") words.push("--password-file", password);
        printed += await person.ok(...words);
        invitation = /inv-[\w-]+/.exec(printed)?.[0] ?? invitation;
      }
      const expected = masked(shown).trim();
      const got = masked(printed).trim();
      // What is left out of a long answer is a line with an ellipsis.
      const [head = "", ...rest] = expected.split("\n…");
      if (rest.length === 0) expect([line, got]).toEqual([line, expected]);
      else expect(got.startsWith(head)).toBe(true);
    }
  });
});

describe("exit codes", () => {
  const cluster = new Cluster(1, 1);
  const devices: Device[] = [];
  const device = (brokers?: string): Device => {
    const made = new Device(brokers);
    devices.push(made);
    return made;
  };
  afterAll(async () => {
    devices.forEach((one) => one.remove());
    await cluster.remove();
  });

  it("are those of the document, each for what it says", async () => {
    await cluster.up();
    const [one, other] = [device(cluster.brokers), device(cluster.brokers)];
    const id = await one.newList("Groceries");
    await one.ok("sync");
    const away = device();
    await away.newList("Party", "--offline");
    writeFileSync(join(one.folder, "broken.csv"), "name\n\u0000\n");
    const codes = new Map<string, number>([
      ["done", (await one.run("add", "milk")).code],
      ["failed", (await one.run("import", "/nonexistent/file")).code],
      ["wrong usage", (await one.run("add")).code],
      ["no such list or item", (await one.run("got", "caviar")).code],
      ["not allowed", (await other.run("join", id)).code],
      ["the cluster is needed and cannot be reached", (await away.run("sync")).code],
      ["refused because of the state of things", (await one.run("new", "Groceries")).code],
    ]);
    const rows = [...cliText.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(
      ([, code, meaning = ""]) => [meaning, Number(code)] as const,
    );
    // Interrupted is who sits at a terminal: see the tests of that.
    expect(new Map(rows)).toEqual(codes.set("interrupted", 130));
  });
});

describe("JSON", () => {
  /** The members that the document names for a command, those within arrays and objects too. */
  function membersOf(command: string): readonly string[] {
    const found = new RegExp(`\`${command}\`: \`(.*?)\`(?:[.:,;]|$)`, "m").exec(cliText)?.[1] ?? "";
    return [...found.matchAll(/[a-zA-Z]+/g)].map(([name]) => name);
  }

  const keysIn = (value: unknown): string[] =>
    Array.isArray(value)
      ? value.flatMap(keysIn)
      : typeof value === "object" && value !== null
        ? Object.entries(value).flatMap(([key, inner]) => [key, ...keysIn(inner)])
        : [];

  it.each([["show"], ["lists"], ["status"], ["log"], ["suggest"], ["staple"], ["doctor"]])(
    "%s has the members that the document names, and no others",
    async (command) => {
      const one = new Device();
      await one.newList("Groceries");
      await one.ok("add", "milk", "eggs");
      await one.ok("remove", "eggs");
      await one.ok("staple", "milk", "--every", "week");
      const value = JSON.parse((await one.run(command, "--json", "--offline")).stdout) as unknown;
      const [named, got] = [new Set(membersOf(command)), new Set(keysIn(value))];
      expect([command, [...got].filter((key) => !named.has(key))]).toEqual([command, []]);
      // What is empty here has no members to compare.
      const empty = new Set(["endpoint", "reachable", "rejected", "stored"]);
      expect([command, [...named].filter((key) => !got.has(key) && !empty.has(key))]).toEqual([command, []]);
      one.remove();
    },
  );
});
