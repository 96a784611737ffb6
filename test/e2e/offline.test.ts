import { chmodSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Device, offlineDevices, run } from "./harness.js";

const device = offlineDevices();

const listFile = (one: Device): string => {
  const [name = ""] = readdirSync(join(one.folder, "lists"));
  return join(one.folder, "lists", name);
};

describe("with nothing running", () => {
  it("every command on lists works and exits 0", async () => {
    const one = device();
    await one.newList("Groceries");
    for (const line of [
      ["add", "2 milk", "eggs x6", "500g flour, organic @baking"],
      ["lists"],
      ["use", "groceries"],
      ["show"],
      ["need", "MILK", "3"],
      ["got", "eggs", "2"],
      ["got", "milk"],
      ["ungot", "eggs", "1"],
      ["note", "eggs", "free range"],
      ["aisle-of", "eggs", "dairy"],
      ["unit", "eggs", "box"],
      ["export", "--format", "csv"],
      ["status"],
      ["clear"],
      ["remove", "eggs"],
      ["rename", "groceries", "Weekly"],
      ["open", "Weekly"],
      ["sync", "--plan"],
    ]) {
      await one.ok(...line);
    }
    const { items, pending } = await one.show();
    expect(items).toEqual([{ name: "flour", needed: 500, acquired: 0, unit: "g", note: "organic", aisle: "baking" }]);
    expect(pending).toBeGreaterThan(10);
    await one.ok("delete", "weekly", "--yes");
    expect(await one.json("lists")).toEqual([]);
  });

  it("sync exits 5 with one line that says what to do", async () => {
    const one = device();
    await one.newList("Groceries");
    const { code, stdout, stderr } = await one.run("sync");
    expect([code, stdout]).toEqual([5, ""]);
    expect(stderr).toMatch(/^aisle: the cluster cannot be reached .*aisle cluster up.*\n$/);
  });

  it("join exits 5, leaves no list behind that was never seen, and the current list as it was", async () => {
    const one = device();
    const current = await one.newList("Groceries");
    expect((await one.run("join", "11111111-1111-4111-8111-111111111111")).code).toBe(5);
    expect(await one.json("lists")).toMatchObject([{ id: current, current: true }]);
    await one.ok("add", "milk");
  });

  it("twenty adds at the same time on one folder all land", async () => {
    const one = device();
    await one.newList("Groceries");
    const adds = Array.from({ length: 20 }, (_, index) => one.run("add", "milk", `item ${index}`));
    expect((await Promise.all(adds)).map(({ code }) => code)).toEqual(Array.from({ length: 20 }, () => 0));
    const { items } = await one.show();
    expect(items).toHaveLength(21);
    expect((await one.amounts()).milk).toBe("20/0");
  });

  it("a command that was killed at any moment leaves the list as it was or with its change, and never locked", async () => {
    const one = device();
    await one.newList("Groceries");
    let acknowledged = 0;
    for (let delayMs = 0; delayMs < 400; delayMs += 20) {
      const running = one.start("add", "milk");
      const killed = new Promise((resolve) => setTimeout(resolve, delayMs)).then(() => running.stop("SIGKILL"));
      const code = await killed;
      if (code === 0 || running.stdout.includes("milk")) acknowledged++;
    }
    const needed = Number((await one.amounts()).milk?.split("/")[0] ?? 0);
    expect(needed).toBeGreaterThanOrEqual(acknowledged);
    expect(needed).toBeLessThanOrEqual(20);
    await one.ok("add", "milk");
  });
});

describe("help", () => {
  it.each([
    [["help"]],
    [["help", "add"]],
    [["--help"]],
    [["cluster", "help", "up"]],
    [["help", "help"]],
    [["--version"]],
  ])("%j exits 0 with something to read", async (words) => {
    const { code, stdout, stderr } = await device().run(...words);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).not.toBe("");
  });
});

it("helps with a command of a command, and with one that was mistyped, or that goes by another name elsewhere", async () => {
  const one = device();
  expect((await one.run("help", "cluster", "up")).stdout).toMatch(/^Usage: aisle cluster up /);
  for (const [word, meant] of [
    ["shwo", "show"],
    ["lits", "lists"],
    ["rm", "remove"],
    ["del", "remove"],
  ] as const)
    expect(await one.run(word)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`did you mean \`aisle ${meant}\``),
    });
});

describe("services", () => {
  it.each([
    [
      "a server without a fitting id",
      ["server", "--id", "../x", "--broker", "tcp://127.0.0.1:9", "--publish", "p", "--data", "d"],
      2,
    ],
    [
      "a broker with one endpoint for all",
      ["broker", "--frontend", "tcp://127.0.0.1:9", "--backend", "tcp://127.0.0.1:9", "--updates", "x"],
      2,
    ],
    ["a broker on an endpoint that is none", ["broker", "--frontend", "a", "--backend", "b", "--updates", "c"], 1],
    [
      "a server on a folder that is none",
      [
        "server",
        "--id",
        "s",
        "--broker",
        "tcp://127.0.0.1:9",
        "--publish",
        "tcp://127.0.0.1:9",
        "--data",
        "/dev/null/x",
      ],
      1,
    ],
    [
      "a server that is told of a peer at no endpoint",
      [
        "server",
        "--id",
        "s",
        "--broker",
        "tcp://127.0.0.1:9",
        "--publish",
        "tcp://127.0.0.1:9",
        "--data",
        "x",
        "--peer",
        "p",
      ],
      2,
    ],
  ])("%s gets one line and its exit code", async (_what, words, expected) => {
    const { code, stderr } = await device().run(...words);
    expect(code).toBe(expected);
    expect(stderr).toMatch(/^aisle: [^\n]+\n$/);
  });
});

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

  it("what is piped in is taken for what it looks like", async () => {
    const one = device();
    await one.newList("Groceries");
    for (const text of ['[{"name":"milk","needed":2}]', "name,needed\nmilk,2\n", "1. milk\n2) milk\n", "[ ] milk x2\n"])
      expect((await one.pipe(text, "import", "-")).code).toBe(0);
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
});
