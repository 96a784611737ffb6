import { describe, expect, it } from "@jest/globals";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { LocalList } from "../../src/client/local-list.js";
import type { Intent } from "../../src/client/intent.js";
import { level, OneListServer } from "./one-list-server.js";

const LIST = "11111111-1111-4111-8111-111111111111";
let nextId = 0;
const author = (): { id: string; at: number } => ({ id: `op-${++nextId}`, at: 0 });
const fresh = (): string => `fresh-${++nextId}`;
const milk = (amount: number): Intent => ({ type: "add", name: "milk", unit: null, amount, note: null, aisle: null });

const reread = (list: LocalList): LocalList =>
  LocalList.fromFile(JSON.parse(JSON.stringify(list.toFile())) as ReturnType<LocalList["toFile"]>);

describe("a folder that was copied, moved or put back", () => {
  /** A folder whose past came back: it and the cluster have different operations under one name. */
  function restored(shared: readonly Intent[], lost: readonly Intent[]): [OneListServer, LocalList] {
    const server = new OneListServer();
    const first = LocalList.create(LIST, "device", "a");
    const send = (intents: readonly Intent[]): void => {
      for (const intent of intents) first.perform(intent, author());
      const request = first.request();
      first.onReply(request, server.reply(request));
    };
    send(shared);
    const backup = reread(first);
    send(lost);
    return [server, backup];
  }

  /** A folder of which the cluster has one change, and another one waits. */
  function waiting(): [OneListServer, LocalList] {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    level(list, server, fresh);
    list.perform(milk(2), author());
    return [server, list];
  }

  it("takes nothing off that it had not seen, where a removal or a total is made again", () => {
    const eggs = (amount: number): Intent => ({ ...milk(amount), name: "eggs" }) as Intent;
    const [server, list] = restored([milk(2), eggs(2)], [{ ...milk(1), name: "bread" } as Intent]);
    list.perform(milk(4), author());
    list.perform({ type: "remove", key: "milk" }, author());
    list.perform({ type: "need", key: "eggs", total: 4 }, author());
    const other = { replica: "c", id: "c1", at: 0 };
    server.list.add(other, "milk", null, 3);
    server.list.add({ ...other, id: "c2" }, "eggs", null, 3);
    level(list, server, fresh);
    for (const shown of [list.shown, server.list]) {
      expect(shown.item("milk")).toMatchObject({ needed: 3 });
      expect(shown.item("eggs")).toMatchObject({ needed: 7 });
      expect(shown.item("bread")).toMatchObject({ needed: 1 });
    }
  });

  it("makes no rows of those who are not known to have touched an item, which nobody could read", () => {
    const [first, both] = [new ShoppingList(), new ShoppingList()];
    const by = (replica: string) => ({ replica, id: `of-${replica}`, at: 0 });
    first.add(by("a"), "milk", null, 1);
    both.join(first);
    both.add(by("b"), "milk", null, 1);
    const [now, before] = [first.items.get("milk"), both.items.get("milk")];
    both.remove(by("c"), "milk");
    const later = both.items.get("milk");
    if (now === undefined || before === undefined || later === undefined) throw new Error("it was added");
    expect(before.asSeenByRemovesIn(later, now).replicas).toEqual(["a"]);
  });

  it("takes off what it had put there itself, also where it never heard that the cluster has it", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(2), author());
    server.reply(list.request());
    list.perform({ type: "remove", key: "milk" }, author());
    list.belongTo("moved", () => "b");
    server.list.add({ replica: "c", id: "c1", at: 0 }, "milk", null, 3);
    level(list, server, fresh);
    for (const shown of [list.shown, server.list]) expect(shown.item("milk")).toMatchObject({ needed: 3 });
  });

  it("loses nothing where the past of a folder came back, and then in another folder", () => {
    const [server, list] = restored([milk(1)], [{ ...milk(1), name: "eggs" } as Intent]);
    list.perform({ ...milk(1), name: "bread" } as Intent, author());
    list.belongTo("copy", () => "b");
    list.perform({ ...milk(1), name: "tea" } as Intent, author());
    level(list, server, fresh);
    for (const shown of [list.shown, server.list])
      expect([...shown.visibleItems()].map(({ key }) => key).sort()).toEqual(["bread", "eggs", "milk", "tea"]);
  });

  it("counts once what waits in a folder that was copied, whichever of both sends it first", () => {
    const [server, list] = waiting();
    const copy = reread(list);
    copy.belongTo("copy", () => "b");
    copy.perform({ ...milk(1), name: "eggs" } as Intent, author());
    level(copy, server, fresh);
    for (const one of [list, copy, list]) level(one, server, fresh);
    for (const shown of [list.shown, copy.shown, server.list]) {
      expect(shown.item("milk")).toMatchObject({ needed: 3 });
      expect(shown.item("eggs")).toMatchObject({ needed: 1 });
    }
  });

  it("comes level where a backup of a folder that had moved is put back", () => {
    const [server, list] = waiting();
    list.belongTo("moved", () => "b");
    list.perform({ ...milk(1), name: "eggs" } as Intent, author());
    const backup = reread(list);
    level(list, server, fresh);
    backup.perform({ ...milk(1), name: "tea" } as Intent, author());
    level(backup, server, fresh);
    level(list, server, fresh);
    for (const shown of [list.shown, backup.shown, server.list])
      expect([...shown.visibleItems()].map(({ key, needed }) => `${key} ${needed}`).sort()).toEqual([
        "eggs 1",
        "milk 3",
        "tea 1",
      ]);
  });

  it("notices that its past has written under its name, also where it asks about earlier names first", () => {
    const [server, list] = waiting();
    list.belongTo("moved", () => "b");
    list.perform({ ...milk(1), name: "eggs" } as Intent, author());
    const backup = reread(list);
    for (const name of ["rice", "salt"]) list.perform({ ...milk(1), name } as Intent, author());
    level(list, server, fresh);
    backup.perform({ ...milk(1), name: "tea" } as Intent, author());
    for (const one of [backup, list]) level(one, server, fresh);
    for (const shown of [list.shown, backup.shown, server.list])
      expect([...shown.visibleItems()].map(({ key, needed }) => `${key} ${needed}`).sort()).toEqual([
        "eggs 1",
        "milk 3",
        "rice 1",
        "salt 1",
        "tea 1",
      ]);
  });

  it("takes off what it had seen, where its twin has made that again under another name", () => {
    const [server, list] = restored([], [{ ...milk(1), name: "bread" } as Intent]);
    list.perform(milk(2), author());
    const copy = reread(list);
    copy.perform({ type: "remove", key: "milk" }, author());
    level(list, server, fresh);
    server.list.add({ replica: "c", id: "c1", at: 0 }, "milk", null, 3);
    for (const one of [copy, list]) level(one, server, fresh);
    for (const shown of [list.shown, copy.shown, server.list]) expect(shown.item("milk")).toMatchObject({ needed: 3 });
  });
});
