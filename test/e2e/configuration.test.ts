import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { offlineDevices, program, run, temporaryFolder } from "./harness.js";

const device = offlineDevices();
let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "aisle-config-"));
});
afterEach(() => rmSync(home, { recursive: true }));

const environment = (): Record<string, string> => ({ XDG_CONFIG_HOME: home });

function configure(value: unknown): void {
  mkdirSync(join(home, "aisle"), { recursive: true });
  writeFileSync(join(home, "aisle", "config.json"), typeof value === "string" ? value : JSON.stringify(value));
}

function hook(name: string, lines: string): void {
  const folder = join(home, "aisle", "hooks");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), `#!/bin/sh\n${lines}\n`);
  chmodSync(join(folder, name), 0o755);
}

function has(command: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
}

describe("the configuration", () => {
  it("has the last word after flags and environment, and is one line's error where it cannot be read", async () => {
    const one = device(environment());
    await one.newList("Groceries");
    configure({ accessible: true });
    await one.ok("add", "milk");
    expect(await one.ok("show")).toContain("to get: milk");
    for (const wrong of ["{", '{"accessible":1}', '{"colour":true}']) {
      configure(wrong);
      const { code, stderr } = await one.run("show");
      expect([code, stderr.split("\n").length]).toEqual([2, 2]);
    }
  });
});

describe("a hook", () => {
  it("on-add may change what is added, as one JSON value a line", async () => {
    const one = device(environment());
    await one.newList("Groceries");
    hook("on-add-dairy", `sed 's/"aisle":null/"aisle":"dairy"/'`);
    await one.ok("add", "milk", "2 eggs");
    expect((await one.show()).items.map(({ name, aisle }) => [name, aisle])).toEqual([
      ["eggs", "dairy"],
      ["milk", "dairy"],
    ]);
  });

  it("on-change may refuse a change with a reason, and nothing is changed then", async () => {
    const one = device(environment());
    await one.newList("Groceries");
    await one.ok("add", "milk");
    hook("on-change", `grep -q '"after":null' && { echo "milk stays" >&2; exit 1; }; exit 0`);
    const { code, stderr } = await one.run("remove", "milk");
    expect([code, stderr]).toEqual([6, expect.stringMatching(/^aisle: milk stays; [^\n]*on-change[^\n]*\n$/)]);
    await one.ok("got", "milk");
    expect(await one.amounts()).toEqual({ milk: "1/1" });
  });

  it("that answers something else is an error that names it, and nothing is changed", async () => {
    const one = device(environment());
    await one.newList("Groceries");
    hook("on-add", "echo no JSON");
    const { code, stderr } = await one.run("add", "milk");
    expect([code, stderr]).toEqual([1, expect.stringContaining("on-add")]);
    expect((await one.show()).items).toEqual([]);
  });
});

describe("completion", () => {
  it("offers commands, lists, items and choices, by what was typed so far", async () => {
    const one = device();
    await one.newList("My list");
    await one.ok("add", "milk", "brown bread", "mint");
    await one.ok("remove", "mint");
    const at = async (...words: string[]): Promise<string[]> =>
      (await one.ok("complete", "--", ...words)).trim().split("\n");
    expect(await at("exp")).toEqual(["explain", "export"]);
    expect(await at("show", "")).toEqual(["My list"]);
    expect(await at("got", "b")).toEqual(["brown bread"]);
    expect(await at("restore", "")).toEqual(["mint"]);
    expect(await at("add", "mi")).toEqual(["milk", "mint"]);
    expect(await at("export", "--format", "")).toEqual(["md", "txt", "todo", "csv", "json"]);
    expect(await at("cluster", "re")).toEqual(["repair", "remove", "restore"]);
    expect(await at("--list", "My")).toEqual(["My list"]);
  });

  const scripts: readonly (readonly [string, string, string])[] = [
    [
      "bash",
      `source <(aisle completion bash); COMP_WORDS=(aisle got b); COMP_CWORD=2; _aisle; echo "\${COMPREPLY[0]}"`,
      "brown\\ bread",
    ],
    ["fish", `aisle completion fish | source; complete -C "aisle got b"`, "brown bread"],
    [
      "zsh",
      `compadd() { shift 3; print -r -- $1; }; source <(aisle completion zsh); words=(aisle got b); CURRENT=3; _aisle`,
      "brown bread",
    ],
  ];
  for (const [shell, script, expected] of scripts) {
    (has(shell) ? it : it.skip)(`works in ${shell}, also for names with blanks`, async () => {
      const one = device();
      await one.newList("Groceries");
      await one.ok("add", "brown bread");
      const aisle = `aisle() { "${process.execPath}" "${program}" "$@"; }`;
      const asFunction = shell === "fish" ? `function aisle; "${process.execPath}" "${program}" $argv; end` : aisle;
      const env = { ...process.env, AISLE_DATA_DIR: one.folder };
      const { stdout } = spawnSync(shell, ["-c", `${asFunction}; ${script}`], { env, encoding: "utf8" });
      expect(stdout.trim()).toBe(expected);
    });
  }
});

(has("bash") ? describe : describe.skip)("completion in bash", () => {
  it("puts nothing between quotes that a shell would carry out, whoever named it", async () => {
    const one = device();
    await one.newList("Groceries");
    await one.ok("add", "--literal", "oat milk", "oat $(exit)", "oat `exit`", "oat !!", "oat's", 'oat "x"');
    const offered = (typed: string): string[] => {
      const script = `aisle() { "$NODE" "$AISLE" "$@"; }; source <(aisle completion bash)
        COMP_WORDS=(aisle got "$TYPED"); COMP_CWORD=2; _aisle; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const env = { ...process.env, AISLE_DATA_DIR: one.folder, TYPED: typed, NODE: process.execPath, AISLE: program };
      return spawnSync("bash", ["-c", script], { env, encoding: "utf8" }).stdout.trim().split("\n");
    };
    expect(offered('"oat')).toEqual(["oat milk", "oat's"]);
    expect(offered("'oat")).toEqual(["oat !!", 'oat "x"', "oat $(exit)", "oat `exit`", "oat milk"]);
    expect(offered("oat")).toContain("oat\\ \\$\\(exit\\)");
  });
});

describe("the manual page", () => {
  (has("man") ? it : it.skip)("is one that man reads, with every command and its examples", () => {
    const page = join(program, "..", "aisle.1");
    const { stdout, stderr, status } = spawnSync("man", ["-l", "--warnings", page], {
      encoding: "utf8",
      env: { ...process.env, MANPAGER: "cat", MANWIDTH: "100", LC_ALL: "C.UTF-8" },
    });
    expect([status, stderr]).toEqual([0, ""]);
    for (const text of ["SYNOPSIS", "explain", "--sync-budget", "aisle add milk eggs x6"])
      expect(stdout).toContain(text);
  });
});

describe("doctor", () => {
  it("finds a damaged list, a loose folder and a cluster that is away, and says what to do", async () => {
    const one = device();
    const id = await one.newList("Groceries");
    const looked = async (): Promise<{ check: string; state: string; advice: string | null }[]> =>
      JSON.parse((await one.run("doctor", "--json")).stdout) as {
        check: string;
        state: string;
        advice: string | null;
      }[];
    expect((await looked()).filter(({ state }) => state !== "ok").map(({ check }) => check)).toEqual([
      "broker",
      "brokers",
    ]);
    chmodSync(one.folder, 0o755);
    writeFileSync(join(one.folder, "lists", `${id}.json`), "{");
    const findings = await looked();
    for (const check of ["folder", "lists"]) {
      expect(findings).toContainEqual(
        expect.objectContaining({ check, advice: expect.stringMatching(/./) as unknown }),
      );
    }
    expect((await one.run("doctor")).code).toBe(1);
  });

  it("finds a hook that nobody may execute", async () => {
    const one = device();
    const hooks = join(temporaryFolder(), "aisle", "hooks");
    mkdirSync(hooks, { recursive: true });
    writeFileSync(join(hooks, "on-add"), "#!/bin/sh\n");
    const { stdout } = await run(["doctor", "--json"], { ...one.env, XDG_CONFIG_HOME: join(hooks, "..", "..") });
    expect(JSON.parse(stdout)).toContainEqual(
      expect.objectContaining({ check: "config", advice: expect.stringContaining("chmod +x") as unknown }),
    );
  });
});
