import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { offlineDevices } from "./harness.js";

const device = offlineDevices();

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

  it("tells what failed as JSON where answers are", async () => {
    const { code, stderr } = await device().pipe("got beer\n", "batch", "--ndjson");
    expect(code).toBe(3);
    expect(JSON.parse(stderr)).toMatchObject({ line: 1, exit: 3, error: { code: "not-found" } });
  });

  it("does nothing of a line that ends inside a character", async () => {
    const one = device();
    await one.newList("Groceries");
    const script = join(one.folder, "script");
    writeFileSync(script, Buffer.from([...Buffer.from("add milk\nadd caf"), 0xc3]));
    expect((await one.run("batch", script)).code).toBe(1);
    expect(await one.amounts()).toEqual({ milk: "1/0" });
  });

  it("names the lines that a full disk costs, goes on if it is to, and takes no line for lost that is not", async () => {
    const one = device();
    const id = await one.newList("Groceries");
    await one.newList("Hardware");
    // What is written in place of the list's file goes to a full disk; each attempt takes that away again.
    const fill = (): void => symlinkSync("/dev/full", join(one.folder, "lists", `.${id}.json.tmp`));
    const script = "add milk --list Groceries\nadd nails --list Hardware\nadd eggs --list Groceries\n";
    fill();
    const stopped = await one.pipe(script, "batch");
    expect([stopped.code, stopped.stderr]).toEqual([1, expect.stringMatching(/^aisle: line 1: [^\n]*full[^\n]*\n$/)]);
    fill();
    const { code, stdout } = await one.pipe(script, "batch", "--ndjson", "--keep-going");
    const answers = stdout.trim().split("\n");
    expect([code, answers.map((line) => (JSON.parse(line) as { exit: number }).exit)]).toEqual([1, [1, 0, 1]]);
    expect(await one.amounts()).toEqual({ nails: "2/0" });
    await one.ok("use", "Groceries");
    expect(await one.amounts()).toEqual({});
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
    const lines = `${full}add bread butter\nadd eggs "10000000 milk"\nadd jam tea\nremove bread\n`;
    expect((await one.pipe(lines, "batch", "--keep-going")).code).toBe(6);
    expect((await one.show()).items.map((item) => item.name)).toEqual(["butter", "jam", "milk", "tea"]);
    await one.ok("undo", "2");
    expect((await one.show()).items.map((item) => item.name)).toEqual(["bread", "butter", "milk"]);
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
