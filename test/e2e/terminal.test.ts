import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { Cluster, Device, program } from "./harness.js";
import { HAS_TERMINAL, Terminal } from "./terminal.js";

const suite = HAS_TERMINAL ? describe : describe.skip;

suite("on a terminal", () => {
  const cluster = new Cluster(1, 3);
  const devices: Device[] = [];
  const terminals: Terminal[] = [];

  beforeAll(async () => await cluster.up());
  afterEach(() => terminals.splice(0).forEach((terminal) => terminal.close()));
  afterAll(async () => {
    devices.forEach((one) => one.remove());
    await cluster.remove();
  });

  function device(): Device {
    const made = new Device(cluster.brokers);
    devices.push(made);
    return made;
  }

  function terminal(one: Device, columns = 80, rows = 24): Terminal {
    const made = new Terminal(one.env, columns, rows);
    terminals.push(made);
    return made;
  }

  /** Two devices that share a list with three items, and the terminal of the first, with the list open. */
  async function opened(): Promise<{ ann: Device; ben: Device; screen: Terminal }> {
    const [ann, ben] = [device(), device()];
    const id = await ann.newOpenList("Groceries");
    await ann.ok("add", "2 milk @dairy", "6 eggs @dairy", "bread");
    await ann.ok("sync");
    await ben.ok("join", id);
    const screen = terminal(ann);
    screen.run("aisle");
    await screen.shows("3 of 3 to get", "online");
    return { ann, ben, screen };
  }

  describe("the list", () => {
    it("is ticked, changed and added to with single keys, and undone", async () => {
      const { ann, screen } = await opened();
      const began = Date.now();
      screen.press("j", "Space");
      await screen.shows("> [x] eggs  6 of 6", "2 of 3 to get");
      screen.press("+", "+");
      await screen.shows("eggs  6 of 8");
      screen.press("u");
      await screen.shows("eggs  6 of 7", "took back the last change");
      screen.press("n");
      await screen.shows("note:");
      screen.press("the brown ones", "Enter");
      await screen.shows("eggs  6 of 7, the brown ones");
      screen.press("a");
      await screen.shows("add:");
      screen.press("500g flour @baking; tea", "Enter");
      await screen.shows("flour  500 g", "> [ ] tea  1", "baking");
      screen.press("Escape");
      await screen.shows("space tick");
      screen.press("j", "j");
      await screen.shows("> [ ] eggs");
      screen.press("d");
      await screen.shows("took eggs off the list", "!] eggs");
      screen.press("q");
      await screen.shows("$", "!to get");
      expect(await ann.amounts()).toEqual({ bread: "1/0", flour: "500/0", milk: "2/0", tea: "1/0" });
      // Looking at a list is a way to sync it.
      const { lastSync } = await ann.json<{ lastSync: string }>("status");
      expect(Date.parse(lastSync)).toBeGreaterThan(began);
    });

    it("sends what was ticked last although one leaves at once", async () => {
      const { ben, screen } = await opened();
      screen.press("Space", "q");
      await screen.shows("$", "!to get");
      screen.run("echo left $?");
      await screen.shows("left 0");
      await ben.ok("sync");
      expect(await ben.amounts()).toMatchObject({ bread: "1/1" });
    });

    it("is a conversation where nothing moves for who has it read out", async () => {
      const { ben, screen } = await opened();
      screen.press("q");
      screen.run("clear; aisle --accessible");
      await screen.shows("Groceries  3 of 3 to get", "1. to get: bread  1", "2. to get: eggs  6  @dairy", "for help:");
      screen.run("2");
      await screen.shows("2. done:   eggs  6 of 6");
      screen.run("n1 the dark one");
      await screen.shows("1. to get: bread  1, the dark one");
      screen.run("500g flour @baking");
      await screen.shows("flour  500 g  @baking");
      screen.run("=1 4 slices of it");
      await screen.shows("is not an amount");
      screen.run("9");
      await screen.shows("there is no number 9");
      await ben.ok("got", "milk");
      // It is told when one asks, whenever it has come.
      for (let asked = 1_000; !screen.screen().includes("milk  2 of 2"); asked++) {
        if (asked === 2_000) throw new Error(`never told:\n${screen.screen()}`);
        screen.run("");
        screen.run(`${asked}`);
        await screen.shows(`there is no number ${asked}`);
      }
      await screen.shows("new from");
      screen.run("q");
      screen.run("clear; echo left $?");
      await screen.shows("left 0");
    });

    it("completes what was bought before, and narrows to what is typed", async () => {
      const { ann, screen } = await opened();
      await ann.ok("add", "butter", "biscuits");
      await ann.ok("remove", "butter", "biscuits");
      screen.press("a");
      await screen.shows("add:");
      screen.press("bu");
      await screen.shows("Tab: butter");
      screen.press("Tab", "Enter");
      await screen.shows("[ ] butter  1");
      screen.press("Escape");
      await screen.shows("space tick");
      screen.press("/");
      await screen.shows("filter:");
      screen.press("mil");
      await screen.shows("only: mil", "milk", "!bread");
      screen.press("Escape");
      await screen.shows("bread", "!only:");
    });

    it("shows what others do while one looks, and whose doing it is", async () => {
      const { ben, screen } = await opened();
      await ben.ok("add", "3 milk", "cheese");
      await screen.shows("milk  5  ◂ somebody", "cheese  1  ◂ somebody", "4 of 4 to get");
      screen.press("j", "k");
      await ben.ok("got", "milk");
      await screen.shows("[x] milk  5 of 5");
    });

    it("is not another item\u2019s cursor because something comes in above it", async () => {
      const { ben, screen } = await opened();
      await screen.shows("> [ ] bread");
      await ben.ok("add", "apples");
      await screen.shows("  [ ] apples", "> [ ] bread");
    });

    it("is chosen among others, or not after all, and another one has another name", async () => {
      const { screen } = await opened();
      screen.press("l");
      await screen.shows("Which list?", "make a new list");
      screen.press("Escape");
      await screen.shows("3 of 3 to get", "online");
      screen.press("l");
      await screen.shows("Which list?");
      screen.press("Down", "Enter");
      await screen.shows("What shall the list be called?", "!(Groceries)");
      screen.press("groceries", "Enter");
      await screen.shows("there is a list called Groceries already");
      screen.press("Escape");
      await screen.shows("3 of 3 to get");
    });

    it("is not made where Esc takes back the first question", async () => {
      const screen = terminal(device());
      screen.run("aisle");
      await screen.shows("What shall the list be called?");
      screen.press("Escape");
      await screen.shows("\n$");
      screen.run("echo left $?");
      await screen.shows("left 0", "!unexpected");
    });

    it("takes Esc for itself sooner than a program that waits half as long as Node does by itself", async () => {
      const { ann, screen } = await opened();
      const reference = terminal(ann);
      const waits = `{escapeCodeTimeout:250}`;
      reference.run(
        `"${process.execPath}" -e 'process.stdin.setRawMode(true);require("readline").emitKeypressEvents(process.stdin,${waits});` +
          `process.stdin.on("keypress",()=>console.log("tol"+"d"));console.log("rea"+"dy")'`,
      );
      await reference.shows("ready");
      // A machine that stands still for a moment may do so in one of them.
      let isSooner = false;
      for (let told = 1; !isSooner && told <= 5; told++) {
        screen.press("a");
        await screen.shows("add:");
        screen.press("Escape");
        reference.press("Escape");
        await reference.shows("told\n".repeat(told).trimEnd());
        isSooner = !screen.screen().includes("add:");
        await screen.shows("!add:");
      }
      expect(isSooner).toBe(true);
    });

    it("counts every key of a burst, and takes what is pasted for items", async () => {
      const { ann, screen } = await opened();
      screen.press("+++++");
      await screen.shows("bread  6");
      screen.paste("carrots\n\ndates\nquinoa");
      await screen.shows("carrots  1", "dates  1", "quinoa  1");
      screen.press("a");
      await screen.shows("add:");
      screen.press("2 ");
      screen.paste("kiwi");
      await screen.shows("add: 2 kiwi");
      screen.press("Enter");
      await screen.shows("[ ] kiwi  2");
      screen.press("Escape");
      await screen.shows("space tick");
      screen.press("n");
      await screen.shows(": note:");
      screen.paste("green\nones");
      screen.press("Enter");
      await screen.shows(", green ones");
      screen.press("C-d");
      await screen.shows("$", "!to get");
      expect((await ann.show()).items.map(({ name, needed }) => `${name} ${needed}`)).toEqual(
        expect.arrayContaining(["bread 6", "carrots 1", "dates 1", "quinoa 1", "kiwi 2", "milk 2"]),
      );
    });

    it("is left where somebody deletes it, and the terminal is as it was whatever ends the program", async () => {
      const { ann, screen } = await opened();
      await ann.ok("delete", "Groceries", "--yes");
      await screen.shows("aisle: it was deleted for everyone", "!to get");
      await ann.ok("undelete", "Groceries");
      screen.run("clear; aisle");
      await screen.shows("3 of 3 to get");
      spawnSync("pkill", ["-TERM", "-f", `${program}$`]);
      await screen.shows("$", "!to get");
      screen.run('echo "code $?"');
      await screen.shows("code 143");
    });

    it("gives way to the others where one was put out of it", async () => {
      const { ann, ben } = await opened();
      await ben.ok("new", "Party");
      await ben.ok("use", "Groceries");
      const screen = terminal(ben);
      screen.run("aisle");
      await screen.shows("3 of 3 to get", "online");
      await ann.ok("private", "Groceries");
      screen.press("s");
      await screen.shows("aisle: Groceries: ", "Press Enter to go on");
      screen.press("half typed", "Enter");
      await screen.shows("Which list?", "Party");
      screen.press("Down", "Enter");
      await screen.shows("Party  nothing on it");
    });

    it("says that it is offline while the broker is dead, keeps what is done, and sends it when one is back", async () => {
      const { ben, screen } = await opened();
      await cluster.killed("broker-1");
      await screen.shows("offline");
      screen.press("Space");
      await screen.shows("[x] bread", "1 waiting");
      await cluster.up();
      await screen.shows("online", "!waiting");
      await ben.ok("sync");
      expect((await ben.amounts()).bread).toBe("1/1");
    });

    it("fits 40 columns and few lines, stops and goes on, and leaves the terminal as it was after Ctrl-C", async () => {
      const { screen } = await opened();
      screen.resize(40, 8);
      const narrow = await screen.shows("3 of 3 to get", "a add  u undo  ? more  q leave");
      expect(narrow.split("\n").length).toBeLessThanOrEqual(8);
      screen.press("C-z");
      await screen.shows("Stopped");
      screen.run("fg");
      await screen.shows("3 of 3 to get", "online", "!Stopped");
      screen.press("C-c");
      await screen.shows("aisle: interrupted");
      screen.resize(80, 24);
      screen.run('echo "code $?"; stty -a | grep -o "[-]*icanon"');
      await screen.shows("code 130", "icanon", "!-icanon");
    });
  });

  it("starts with nothing: a name for a first list, and then the list", async () => {
    const screen = terminal(device());
    screen.run("aisle --offline");
    await screen.shows("What shall the list be called?");
    screen.press("Enter");
    await screen.shows("Groceries", "nothing on it yet");
    screen.press("a");
    await screen.shows("add:");
    screen.press("milk", "Enter", "Escape");
    await screen.shows("[ ] milk  1", "1 of 1 to get");
  });

  it("watch shows another's change, and that the broker is away and back", async () => {
    const [ann, ben] = [device(), device()];
    const id = await ann.newOpenList("Party");
    await ann.ok("add", "beer");
    await ann.ok("sync");
    await ben.ok("join", id);
    const screen = terminal(ann);
    screen.run("aisle watch");
    await screen.shows("beer  1");
    await ben.ok("add", "5 beer");
    await screen.shows("beer  6");
    await cluster.killed("broker-1");
    await screen.shows("offline");
    await cluster.up();
    await screen.shows("online");
    await ben.ok("got", "beer", "2");
    await screen.shows("beer  2 of 6");
    screen.press("C-c");
    await screen.shows("$");
  });
});
