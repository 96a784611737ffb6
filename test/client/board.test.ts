import { describe, expect, it } from "@jest/globals";
import stringWidth from "fast-string-truncated-width";
import { Chalk } from "chalk";
import fc from "fast-check";
import { FIRST_STATE, paste, press, selected, type BoardState, type Key } from "../../src/client/board.js";
import { drawBoard } from "../../src/client/board-view.js";
import { PLAIN, type Style } from "../../src/client/render.js";
import type { Item } from "../../src/crdt/shopping-list.js";

function item(
  name: string,
  needed = 1_000,
  acquired = 0,
  aisle: string | null = null,
  unit: string | null = null,
): Item {
  return { key: name.toLowerCase(), name, unit, needed, acquired, note: null, aisle, staple: null };
}

const ITEMS = [item("Milk", 2_000), item("Eggs", 6_000, 6_000), item("Flour", 500_000, 0, "baking", "g")];

const key = (text: string, name = ""): Key => ({ name, ctrl: false, text });

/** What the keys of one screen lead to, one after the other. */
function pressed(keys: readonly Key[], items = ITEMS): { state: BoardState; effects: unknown[] } {
  let state = FIRST_STATE;
  const effects: unknown[] = [];
  for (const one of keys) {
    const step = press(state, items, one, ["butter", "buns"]);
    state = step.state;
    effects.push(...step.effects);
  }
  return { state, effects };
}

describe("a key", () => {
  it("ticks what is left, and takes it out again", () => {
    expect(pressed([key(" ", "space")]).effects).toEqual([
      { type: "change", intents: [{ type: "acquire", key: "milk", amount: 2_000 }] },
    ]);
    expect(pressed([key("", "down"), key(" ", "space")]).effects).toEqual([
      { type: "change", intents: [{ type: "acquire", key: "eggs", amount: -6_000 }] },
    ]);
  });

  it("wants more by pieces, and by hundreds of what is weighed, and never less than nothing", () => {
    const wanted = (...keys: Key[]): unknown => pressed(keys).effects;
    expect(wanted(key("+"))).toEqual([{ type: "change", intents: [{ type: "need", key: "milk", total: 3_000 }] }]);
    expect(wanted(key("G"), key("-"))).toEqual([
      { type: "change", intents: [{ type: "need", key: "flour", total: 400_000 }] },
    ]);
    expect(pressed([key("-")], [item("Salt", 0)]).effects).toEqual([]);
  });

  it("adds until Esc, and says what became of a comma", () => {
    const typed = [key("a"), key("", "return"), key("milk, eggs, bread", "return")];
    expect(pressed(typed).state).toMatchObject({
      mode: "add",
      message: "what follows the comma is a note of milk; a ; begins another item",
    });
    const noted = ITEMS.map((one) => ({ ...one, note: "the blue one" }));
    expect(pressed(typed, noted).state.message).toBe("the note of milk was: the blue one; u brings it back");
    expect(pressed([key("a"), key("tea; rice, brown", "return")]).state.message).toBe("");
  });

  it("stays within the list, and moves on from what is taken off", () => {
    expect(selected(pressed([key("", "up")]).state, ITEMS)?.name).toBe("Milk");
    expect(selected(pressed([key("", "end"), key("", "down")]).state, ITEMS)?.name).toBe("Flour");
    expect(pressed([key("d")]).state.cursor).toBe("eggs");
    expect(pressed([key("G"), key("d")]).state.cursor).toBe("eggs");
  });

  it("adds what is typed, and keeps it to be mended where it cannot be read", () => {
    const { effects, state } = pressed([key("a"), key("2 milk; tea @hot drinks", "return")]);
    expect(effects).toEqual([
      {
        type: "change",
        intents: [
          { type: "add", name: "milk", unit: null, amount: 2_000, note: null, aisle: null },
          { type: "add", name: "tea", unit: null, amount: 1_000, note: null, aisle: "hot drinks" },
        ],
      },
    ]);
    expect(state.mode).toBe("add");
    const wrong = pressed([key("a"), key("1e9 milk", "return")]);
    expect(wrong.effects).toEqual([{ type: "type", text: "1e9 milk" }]);
    expect(wrong.state.message).toContain("not an amount");
  });

  it("with Ctrl is no letter", () => {
    for (const name of ["u", "d", "c", "l"])
      expect(press(FIRST_STATE, ITEMS, { name, ctrl: true, text: "" }, []).effects).toEqual([]);
  });

  it("is about the item it was begun for, also where that one is gone when it is over", () => {
    const { state } = pressed([key("j"), key("=")]);
    const [milk, , flour] = ITEMS;
    const left = [milk, flour].filter((one) => one !== undefined);
    expect(press(state, left, key("9", "return"), [])).toMatchObject({
      effects: [],
      state: { mode: "browse", message: expect.stringContaining("nothing was changed") as unknown },
    });
    expect(selected({ ...state, mode: "browse" }, left)?.name).toBe("Flour");
  });

  it("of what is pasted is never a command", () => {
    const { effects } = paste(FIRST_STATE, "carrots\n\n2 dates\r\nquinoa");
    expect(effects).toMatchObject([
      { intents: [{ name: "carrots" }, { name: "dates", amount: 2_000 }, { name: "quinoa" }] },
    ]);
  });

  it("completes the last of what is being added", () => {
    expect(pressed([key("a"), key("tea;bu", "tab")]).effects).toEqual([{ type: "type", text: "tea; butter" }]);
  });

  it("leaves, after showing all again where only some were shown", () => {
    const typed = [key("/"), key("egg", "g"), key("egg", "return")];
    expect(pressed(typed)).toMatchObject({ state: { filter: "egg" } });
    const all = [...typed, key("", "escape"), key("", "escape")];
    expect(pressed(all)).toMatchObject({ state: { filter: "", mode: "browse" } });
    expect(pressed([...all, key("q")]).effects.at(-1)).toEqual({ type: "quit" });
  });
});

describe("the screen", () => {
  it("never has more lines or columns than the terminal, whatever is on the list", () => {
    const name = fc.constantFrom("Milk", "牛乳 豆腐 味噌", "👩‍👩‍👧 cake", "a".repeat(200), "naïve café", "می‌خور ↑ ↓");
    const arbitraryItem = fc
      .tuple(name, fc.nat(99), fc.nat(99), fc.option(fc.constantFrom("dairy", "冷凍")))
      .map(([label, needed, acquired, aisle]) => item(`${label} ${needed}`, needed * 1_000, acquired * 1_000, aisle));
    fc.assert(
      fc.property(
        fc.array(arbitraryItem, { maxLength: 30 }),
        fc.integer({ min: 12, max: 120 }),
        fc.integer({ min: 6, max: 40 }),
        fc.constantFrom("browse", "help"),
        (items, columns, rows, mode) => {
          const facts = {
            name: "Groceries",
            items,
            waiting: 3,
            stored: null,
            isOnline: false,
            marks: new Map([["milk 1", "ben"]]),
          };
          const parts = drawBoard({ ...FIRST_STATE, mode }, facts, "", [], { columns, rows }, PLAIN);
          const lines = parts.join("\n").split("\n");
          expect(lines.length).toBeLessThanOrEqual(rows);
          for (const line of lines) expect(stringWidth(line, {}).width).toBeLessThan(columns);
        },
      ),
    );
  });

  it("keeps the name of an item in sight, however long its note is, in colour and with who has changed it", () => {
    const { bold, dim, green, yellow } = new Chalk({ level: 1 });
    const style: Style = { words: false, bold, dim, good: green, warn: yellow };
    const note = "the blue one from the corner shop please";
    const items = [
      { ...item("Milk"), note },
      { ...item("Eggs"), note },
    ];
    const facts = { name: "L", items, waiting: 0, stored: null, isOnline: true, marks: new Map([["milk", "ben"]]) };
    for (let columns = 20; columns < 100; columns++) {
      const [above] = drawBoard(FIRST_STATE, facts, "", [], { columns, rows: 10 }, style);
      for (const name of ["Milk", "Eggs"]) expect(above).toContain(`[ ] ${bold(name)}  1`);
    }
  });

  it("keeps the item under the cursor in sight", () => {
    const items = Array.from({ length: 50 }, (_, index) => item(`item ${index}`, 1_000, 0, `aisle ${index % 5}`));
    for (const at of [0, 25, 49]) {
      const facts = { name: "Long", items, waiting: 0, stored: null, isOnline: true, marks: new Map<string, string>() };
      const [above] = drawBoard(
        { ...FIRST_STATE, cursor: `item ${at}` },
        facts,
        "",
        [],
        { columns: 80, rows: 12 },
        PLAIN,
      );
      expect(above).toContain(`> [ ] item ${at}  1`);
    }
  });
});
