import { describe, expect, it } from "@jest/globals";
import { offlineDevices } from "./harness.js";

const device = offlineDevices();

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
