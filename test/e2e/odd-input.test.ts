import { chmodSync, existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Device, offlineDevices, run } from "./harness.js";

const device = offlineDevices();

const listFile = (one: Device): string => {
  const [name = ""] = readdirSync(join(one.folder, "lists"));
  return join(one.folder, "lists", name);
};

describe("odd input", () => {
  it.each(["__proto__", "constructor", "🥑", "👨‍👩‍👧 cake", "لبن زبادي", "x".repeat(200)])(
    "%s is an ordinary item",
    async (name) => {
      const one = device();
      await one.newList("Groceries");
      await one.ok("add", name);
      await one.ok("got", name);
      expect((await one.show()).items).toMatchObject([{ name, needed: 1, acquired: 1 }]);
    },
  );

  it.each([
    ["a control character", ["add", "mi\u0007lk"]],
    ["a quantity of 1e999", ["add", "milk", "--qty", "1e999"]],
    ["a quantity of -5", ["add", "milk", "--qty", "-5"]],
    ["a quantity of -5 in the words", ["add", "--", "-5 milk"]],
    ["an empty name", ["add", ""]],
    ["no argument", ["add"]],
    ["an unknown command", ["frobnicate"]],
    ["an unknown flag", ["add", "milk", "--frobnicate"]],
    ["a broker that is none", ["connect", "http://example"]],
    ["an id that is none", ["join", "../../etc/passwd"]],
  ])("%s gets one line and exit 2, and nothing is lost", async (_what, words) => {
    const one = device();
    await one.newList("Groceries");
    await one.ok("add", "bread");
    const before = await one.ok("show", "--digest");
    const { code, stdout, stderr } = await one.run(...words);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^aisle: [^\n]+\n$/);
    expect(await one.ok("show", "--digest")).toBe(before);
  });

  it("a name of ten megabytes gets one line", async () => {
    const one = device();
    await one.newList("Groceries");
    for (const words of [["import", "-"], ["batch"]]) {
      const { code, stderr } = await one.pipe(
        `${words[0] === "batch" ? "add " : ""}${"x".repeat(10_000_000)}\n`,
        ...words,
      );
      expect(code).toBe(2);
      expect(stderr).toMatch(/^aisle: [^\n]{1,300}\n$/);
    }
  });

  it.each([
    ["cut short", (path: string) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    ["empty", (path: string) => truncateSync(path, 0)],
    [
      "changed in one byte",
      (path: string) => writeFileSync(path, readFileSync(path, "utf8").replace('"milk"', '"silk"')),
    ],
  ])(
    "a list's file that is %s gets one line, is left as it is, and leaves other lists alone",
    async (_what, damage) => {
      const one = device();
      await one.newList("Groceries");
      await one.ok("add", "milk");
      const path = listFile(one);
      damage(path);
      const damaged = readFileSync(path);
      for (const words of [["show"], ["add", "eggs"]]) {
        const { code, stderr } = await one.run(...words);
        expect(code).toBe(1);
        expect(stderr).toMatch(/^aisle: .* is damaged .*\n$/);
      }
      expect((await one.run("lists")).stdout).toBe("");
      await one.newList("Hardware");
      await one.ok("add", "nails");
      expect(readFileSync(path)).toEqual(damaged);
    },
  );

  it("unknown and ambiguous names get the candidates and exit 3", async () => {
    const one = device();
    await one.newList("Groceries");
    await one.ok("add", "2 milk", "oat milk", "3 bottles of milk");
    expect(await one.run("got", "oat")).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("oat milk"),
    });
    expect(await one.run("got", "milk")).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("piece, bottle"),
    });
    await one.ok("got", "milk", "--unit", "bottle");
    expect(await one.run("use", "Hardware")).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("Groceries"),
    });
    expect((await one.run("new", "GROCERIES")).code).toBe(6);
  });

  it("a flag that is wrong stops a command before it has changed anything", async () => {
    const one = device();
    await one.newList("Groceries");
    expect((await one.run("add", "milk", "--sync-budget", "soon")).code).toBe(2);
    expect((await one.run("add", "2kg flour", "--unit", "l")).code).toBe(2);
    expect((await one.run("add", "3 l milk", "--qty", "2")).code).toBe(2);
    expect((await one.show()).items).toEqual([]);
  });

  it("a way to the cluster that is wrong keeps nobody from their lists, and is told", async () => {
    const one = device();
    await one.newList("Groceries");
    for (const AISLE_BROKERS of ["nowhere", "tcp://10.0.0.1:5555"]) {
      const { code, stderr } = await run(["add", "milk"], { ...one.env, AISLE_BROKERS });
      expect([code, stderr]).toEqual([0, expect.stringMatching(/^aisle: not sent: [^\n]+\n$/)]);
    }
    expect(await one.amounts()).toEqual({ milk: "2/0" });
  });

  it("an amount that is named once in words and once in flags is understood where both agree", async () => {
    const one = device();
    await one.newList("Groceries");
    await one.ok("add", "2kg flour", "--unit", "kg");
    await one.ok("add", "2 rice", "--unit", "kg");
    await one.ok("add", "milk", "--qty", "3", "--unit", "l");
    expect(await one.amounts()).toEqual({ flour: "2000/0", rice: "2000/0", milk: "3000/0" });
  });

  it("what comes back by itself does so in the unit that it is counted in by now", async () => {
    const one = device();
    await one.newList("Groceries");
    await one.ok("add", "2 milk");
    await one.ok("staple", "milk", "--every", "week");
    await one.ok("unit", "milk", "l");
    const staples = await one.json<unknown[]>("staple");
    expect(staples).toMatchObject([{ name: "milk", unit: "ml", amount: 2_000 }]);
  });

  it("what is piped in is taken for what it looks like", async () => {
    const one = device();
    await one.newList("Groceries");
    for (const text of ['[{"name":"milk","needed":2}]', "name,needed\nmilk,2\n", "1. milk\n2) milk\n", "[ ] milk x2\n"])
      expect((await one.pipe(text, "import", "-")).code).toBe(0);
    expect(await one.amounts()).toEqual({ milk: "8/0" });
    const damaged = await one.pipe('{\n  "items": [\n    {\n      "name": "eggs",\n', "import", "-");
    expect([damaged.code, damaged.stderr]).toEqual([2, expect.stringContaining("no JSON")]);
    expect(await one.amounts()).toEqual({ milk: "8/0" });
  });

  it("a file without an end is not read to its end", async () => {
    const one = device();
    await one.newList("Groceries");
    const { code, stderr } = await one.run("import", "/dev/zero");
    expect([code, stderr]).toEqual([2, expect.stringContaining("MB")]);
  });

  it("a name that grows too long when it is folded gets one line and exit 6, and the list stays readable", async () => {
    const one = device();
    await one.newList("Groceries");
    const { code, stderr } = await one.run("add", "\ufdfa".repeat(100));
    expect(code).toBe(6);
    expect(stderr).toMatch(/^aisle: [^\n]+\n$/);
    await one.ok("add", "milk");
  });

  it("a dry run changes nothing", async () => {
    const one = device();
    await one.newList("Groceries");
    await one.ok("add", "milk");
    const before = await one.ok("show", "--digest");
    for (const words of [
      ["add", "eggs"],
      ["remove", "milk"],
      ["delete", "groceries"],
      ["delete", "groceries", "--local"],
      ["use", "groceries"],
    ]) {
      await one.ok(...words, "--dry-run");
    }
    expect(await one.ok("show", "--digest")).toBe(before);
    const other = device();
    await other.ok("new", "Groceries", "--dry-run");
    expect(readdirSync(other.folder).filter((name) => name.endsWith(".json"))).toEqual([]);
  });

  it("damaged settings are set aside, and said to be so, but not by a dry run", async () => {
    const one = device();
    await one.newList("Groceries");
    writeFileSync(join(one.folder, "settings.json"), "{");
    const dry = await one.run("use", "groceries", "--dry-run");
    expect([dry.code, dry.stderr]).toEqual([0, expect.stringContaining("; its defaults are used")]);
    expect(readdirSync(one.folder)).not.toContain("settings.json.damaged");
    const wet = await one.run("use", "groceries");
    expect([wet.code, wet.stderr]).toEqual([0, expect.stringContaining("it was moved to settings.json.damaged")]);
    expect(readdirSync(one.folder)).toContain("settings.json.damaged");
  });

  it("errors are JSON on stderr with --json", async () => {
    const { code, stdout, stderr } = await device().run("show", "--json");
    expect([code, stdout]).toEqual([3, ""]);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "not-found" } });
  });

  it("a folder that cannot be written gets one line and exit 1", async () => {
    const one = device();
    const { code, stderr } = await one.run("new", "X", "--data-dir", "/proc/nowhere");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^aisle: [^\n]+\n$/);
  });

  it("files are private to their owner", async () => {
    const one = device();
    chmodSync(one.folder, 0o700);
    await one.newList("Groceries");
    expect(statSync(listFile(one)).mode & 0o077).toBe(0);
    expect(statSync(join(one.folder, "lists")).mode & 0o077).toBe(0);
  });

  it("pieces are plain counts, however they are called", async () => {
    const one = device();
    await one.newList("Groceries");
    await one.ok("add", "3 pieces of cake", "cake", "2 piece of cake");
    await one.ok("add", "cake", "--unit", "pieces");
    expect((await one.show()).items).toMatchObject([{ name: "cake", needed: 7, unit: null }]);
  });

  it("a name that nothing on the list is like is answered with what is there", async () => {
    const one = device();
    await one.newList("Groceries");
    await one.ok("add", "milk", "eggs");
    const { code, stderr } = await one.run("got", "nope");
    expect([code, stderr]).toEqual([3, expect.stringMatching(/there is: .*(milk, eggs|eggs, milk)/)]);
  });

  it("nobody's home is no reason to fail where the folders are named, nor to write where one happens to stand", async () => {
    const one = device();
    for (const HOME of ["", "relative"]) {
      const words = ["--data-dir", one.folder, "--offline", "--json", "lists"];
      expect(await run(words, { ...one.env, HOME })).toMatchObject({ code: 0, stdout: "[]\n", stderr: "" });
    }
    expect(existsSync("relative")).toBe(false);
  });

  it("status tells what it can where the brokers' addresses are none", async () => {
    const one = device();
    await one.newList("Groceries");
    const { code, stdout, stderr } = await run(["status"], { ...one.env, AISLE_BROKERS: "garbage" });
    expect([code, stdout, stderr]).toEqual([
      0,
      expect.stringContaining("waiting   1"),
      expect.stringMatching(/^aisle: /),
    ]);
  });

  it("--offline leaves the network alone, whatever the command", async () => {
    const one = device();
    await one.newList("Groceries");
    for (const words of [["sync"], ["verify"], ["cluster", "status"]])
      expect(await one.run(...words, "--offline")).toMatchObject({
        code: 5,
        stderr: expect.stringContaining("--offline"),
      });
  });
});
