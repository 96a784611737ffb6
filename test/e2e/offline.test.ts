import { chmodSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Device, run } from "./harness.js";

const devices: Device[] = [];
/** A device whose brokers do not exist. */
function device(): Device {
  const made = new Device();
  devices.push(made);
  return made;
}
afterEach(() => devices.splice(0).forEach((one) => one.remove()));

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
  it.each([[["help"]], [["help", "add"]], [["--help"]], [["cluster", "help", "up"]], [["--version"]]])(
    "%j exits 0 with something to read",
    async (words) => {
      const { code, stdout, stderr } = await device().run(...words);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).not.toBe("");
    },
  );
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
    expect((await run(["add", "milk"], { ...one.env, AISLE_BROKERS: "nowhere" })).code).toBe(2);
    expect((await one.show()).items).toEqual([]);
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

describe("batch", () => {
  it("carries out lines in one process, skips comments, and answers each with its number", async () => {
    const one = device();
    const script = '# a list\nnew Groceries\nadd "2 milk" eggs x6 # both\n\ngot milk 1\nshow\n';
    const { code, stdout } = await one.pipe(script, "batch", "--ndjson");
    expect(code).toBe(0);
    const answers = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { line: number; exit: number });
    expect(answers.map(({ line, exit }) => [line, exit])).toEqual([2, 3, 5, 6].map((line) => [line, 0]));
    expect(await one.amounts()).toEqual({ eggs: "6/0", milk: "2/1" });
  });

  it("stops at the first failure with its line number, keeps what came before, and exits as that line did", async () => {
    const one = device();
    await one.newList("Groceries");
    const { code, stderr } = await one.pipe("add milk\ngot beer\nadd bread\n", "batch");
    expect(code).toBe(3);
    expect(stderr).toMatch(/^aisle: line 2: [^\n]+\n$/);
    expect(await one.amounts()).toEqual({ milk: "1/0" });
  });

  it("goes on with --keep-going and still exits as the first failure did", async () => {
    const one = device();
    await one.newList("Groceries");
    const { code } = await one.pipe('add milk\ngot beer\nadd "unclosed\nadd bread\n', "batch", "--keep-going");
    expect(code).toBe(3);
    expect(await one.amounts()).toEqual({ bread: "1/0", milk: "1/0" });
  });

  it.each([
    ["a flag that belongs to the whole batch", "add eggs --dry-run"],
    ["another folder", "add eggs --data-dir /tmp/elsewhere"],
    ["a command that needs a process of its own", "--list Groceries watch"],
    ["a question for help", "add --help"],
    ["an unknown command", "frobnicate"],
  ])("refuses a line with %s in one line", async (_what, line) => {
    const one = device();
    await one.newList("Groceries");
    const { code, stdout, stderr } = await one.pipe(`${line}\n`, "batch");
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^aisle: line 1: [^\n]+\n$/);
    expect((await one.show()).items).toEqual([]);
  });

  it("finishes its work when nobody reads the answers any more", async () => {
    const one = device();
    await one.newList("Groceries");
    const batch = one.start("batch", "--ndjson", "--offline");
    batch.child.stdout?.destroy();
    batch.child.stdin?.end(Array.from({ length: 3_000 }, (_, index) => `add item${index}\n`).join(""));
    await new Promise((resolve) => batch.child.once("exit", resolve));
    expect((await one.show()).items).toHaveLength(3_000);
  });

  it("undoes nothing and half-does nothing when a line with several changes fails", async () => {
    const one = device();
    await one.newList("Groceries");
    const full = Array.from({ length: 100 }, () => 'add "10000000 milk"\n').join("");
    expect((await one.pipe(`${full}add eggs "10000000 milk"\n`, "batch")).code).toBe(6);
    expect((await one.show()).items.map((item) => item.name)).toEqual(["milk"]);
  });

  it("answers a line as soon as it is durable, while more may come", async () => {
    const one = device();
    await one.newList("Groceries");
    const batch = one.start("batch", "--ndjson", "--offline");
    batch.child.stdin?.write("add milk\n");
    await batch.until((seen) => seen.includes('"line":1'));
    batch.child.stdin?.end("add eggs\n");
    await batch.until((seen) => seen.includes('"line":2'));
  });
});

describe("import and export", () => {
  it.each(["json", "csv", "md", "txt"])("a list exported as %s imports the same items elsewhere", async (format) => {
    const one = device();
    await one.newList("Groceries");
    await one.ok(
      "add",
      "2 milk",
      "500g flour, organic @baking",
      "3 bottles of juice @drinks",
      'say "cheese"',
      '"2 milk, cold" x3',
      '"# sauce"',
    );
    const exported = await one.ok("export", "--format", format);
    const other = device();
    await other.newList("Copy");
    const { code } = await other.pipe(exported, "import", "-", "--format", format);
    expect(code).toBe(0);
    expect((await other.show()).items).toEqual((await one.show()).items);
  });

  it("a tick in a Markdown list is in the basket", async () => {
    const one = device();
    await one.newList("Party");
    await one.ok("import", "data/samples/party.md");
    const { items } = await one.show();
    expect(items.map(({ name, needed, acquired, aisle }) => [name, needed, acquired, aisle])).toEqual([
      ["Ice", 1, 1, "drinks"],
      ["Lemonade", 6, 0, "drinks"],
      ["Orange juice", 2000, 0, "drinks"],
      ["Crisps", 4, 0, "snacks"],
      ["Grapes", 500, 0, "snacks"],
    ]);
  });
});
