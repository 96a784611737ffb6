import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { CATALOGUE, collectMessages } from "../../scripts/messages.js";
import { actWith } from "../../src/client/cli/command.js";
import { exampleTexts } from "../../src/client/cli/examples.js";
import { buildProgram } from "../../src/client/cli/program.js";
import { languagesOf } from "../../src/client/translation.js";
import { serviceFamilies } from "../../src/families.js";
import { offlineDevices, temporaryFolder } from "./harness.js";

const never = (): Promise<void> => Promise.resolve();
const english = JSON.parse(readFileSync(CATALOGUE, "utf8")) as Readonly<Record<string, string>>;

/** Every letter in another script, all that is not text left alone: what stays in this one was never translated. */
const pseudo = (text: string): string =>
  text.replace(/\{\{\w+\}\}|`[^`]*`|[A-Z]{2,}|--\w+|([A-Za-z])/g, (all, letter?: string) =>
    letter === undefined ? all : String.fromCodePoint((letter.toLowerCase().codePointAt(0) ?? 0) - 97 + 0x430),
  );

function speaking(catalogue: Readonly<Record<string, string>> | string): Record<string, string> {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "aisle/messages"), { recursive: true });
  const text = typeof catalogue === "string" ? catalogue : JSON.stringify(catalogue);
  writeFileSync(join(folder, "aisle/messages/ru.json"), text);
  return { XDG_CONFIG_HOME: folder, LC_ALL: "ru_RU.UTF-8" };
}

const everything = Object.fromEntries(Object.entries(english).map(([key, text]) => [key, pseudo(text)]));

describe("what people are told", () => {
  const device = offlineDevices();

  it("is in the catalogue that translators start from", async () => {
    const program = await buildProgram(actWith(never), { scriptPath: "", services: serviceFamilies(never) });
    expect(collectMessages(program, exampleTexts())).toEqual(english);
  });

  it("is translated with all that belongs into it", () => {
    const folder = join(CATALOGUE, "..");
    const placeholders = (text: string): string[] => [...text.matchAll(/\{\{\w+\}\}/g)].map(([all]) => all).sort();
    for (const name of readdirSync(folder)) {
      const texts = JSON.parse(readFileSync(join(folder, name), "utf8")) as Readonly<Record<string, string>>;
      for (const [key, text] of Object.entries(texts)) {
        const base = key.replace(/_(zero|one|two|few|many|other)$/, "");
        const known = english[key] ?? english[`${base}_other`];
        if (known === undefined) throw new Error(`${name} translates what is not said any more: ${key}`);
        if (key.endsWith("_one")) continue;
        expect([name, key, placeholders(text)]).toEqual([name, key, placeholders(known)]);
      }
    }
  });

  it("is read in the language that the environment names", () => {
    expect(languagesOf({ LC_ALL: "de_AT.UTF-8", LANG: "fr_FR" })).toEqual(["de-AT", "de"]);
    expect(languagesOf({ LC_MESSAGES: "pt_BR" })).toEqual(["pt-BR", "pt"]);
    expect(languagesOf({ LANG: "sr@latin" })).toEqual(["sr"]);
    for (const LANG of ["", "C", "C.UTF-8", "POSIX", "en_GB.UTF-8", "../../etc/x", "x"])
      expect(languagesOf({ LANG })).toEqual([]);
  });

  it("is no English any more where everything is translated", async () => {
    const theirs = device(speaking(everything));
    await theirs.ok("new", "1");
    const lines: readonly (readonly string[])[] = [
      ["show"],
      ["lists"],
      ["add", "2 3", "4"],
      ["need", "9", "1"],
      ["got", "4", "7"],
      ["got", "4", "1"],
      ["got", "4", "1"],
      ["remove", "4"],
      ["undo"],
      ["undo", "9"],
      ["staple", "4", "--every", "2"],
      ["aisles"],
      ["suggest"],
      ["clear"],
      ["note", "9", "1"],
      ["use", "9"],
      ["add", "-", "--qty", "1,2,3"],
      ["sync", "--offline"],
      ["whoami"],
      ["members"],
      ["share", "1", "--offline"],
      ["join", "9"],
      ["revoke", "1", "1", "--offline"],
      ["status", "--offline"],
      ["members", "1", "2", "3"],
      ["show", "--what"],
      ["connect", "9"],
      ["export", "--format", "txt"],
      ["login", "1", "--no-input"],
      ["delete", "1", "--dry-run", "--yes"],
    ];
    const left: string[] = [];
    for (const words of lines) {
      const { stdout, stderr } = await theirs.run(...words);
      const told = `${stdout}${stderr}`
        .replaceAll("aisle: ", "")
        .replaceAll(theirs.folder, "")
        .replace(/`[^`]*`|'[^']*'|--[\w-]+|tcp:\S+|[A-Z]{2,}|[0-9a-f-]{36}/g, "");
      left.push(...(told.match(/.*[a-z]{3,}.*/g) ?? []).map((line) => `${words.join(" ")}: ${line}`));
    }
    expect(left).toEqual([]);
  });

  it("keeps to English, and works, with a catalogue that is none", async () => {
    const { code, stdout, stderr } = await device(speaking("[1]")).run("new", "Groceries");
    expect([code, stdout.slice(0, 14)]).toEqual([0, "made Groceries"]);
    expect(stderr).toMatch(/^aisle: .*ru\.json cannot be used: /);
  });

  it("takes what people wrote as it is", async () => {
    const theirs = device(speaking(everything));
    const name = "$t(show) {{0}} {{count}} <b>";
    await theirs.ok("new", name);
    expect(await theirs.ok("show", name)).toContain(name);
    expect((await theirs.run("use", "{{0}} $t(x)")).stderr).toContain('"{{0}} $t(x)"');
  });

  it("leaves what programs read as it is", async () => {
    const theirs = device(speaking(everything));
    await theirs.ok("new", "1");
    expect(await theirs.json("add", "milk")).toEqual([
      { name: "milk", needed: 1, acquired: 0, unit: null, note: null, aisle: null },
    ]);
    expect(await theirs.json("staple", "milk", "--every", "2 weeks")).toMatchObject([{ every: "every 2 weeks" }]);
  });
});
