import { describe, expect, it } from "@jest/globals";
import { LocalList } from "../../src/client/local-list.js";
import type { ErrorBody } from "../../src/protocol/messages.js";
import type { Intent } from "../../src/client/intent.js";
import { OneListServer } from "./one-list-server.js";

const LIST = "11111111-1111-4111-8111-111111111111";
let nextId = 0;
const author = (): { id: string; at: number } => ({ id: `op-${++nextId}`, at: 0 });
const milk = (amount: number): Intent => ({ type: "add", name: "milk", unit: null, amount, note: null, aisle: null });

const amountOf = (list: LocalList): number | undefined => list.shown.item("milk")?.needed;
const reread = (list: LocalList): LocalList =>
  LocalList.fromFile(JSON.parse(JSON.stringify(list.toFile())) as ReturnType<LocalList["toFile"]>);

describe("a list on this machine", () => {
  it("keeps changes in the outbox until the cluster has confirmed them, through a restart", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const again = reread(list);
    expect(again.outbox).toHaveLength(1);
    const request = again.request();
    expect(again.onReply(request, server.reply(request))).toEqual({ type: "level" });
    expect(again.outbox).toHaveLength(0);
    expect(reread(again).request().delta).toBeNull();
    expect(amountOf(again)).toBe(1);
  });

  it("keeps a change in the outbox while fewer servers have it than make it acknowledged", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const request = list.request();
    expect(list.onReply(request, { ...server.reply(request), stored: 1, wanted: 2 })).toEqual({ type: "below" });
    expect([list.outbox.length, list.stored]).toEqual([1, { servers: 1, wanted: 2, replicas: 1 }]);
    const again = reread(list).request();
    expect(again.delta?.seen.includesAll(request.seen)).toBe(true);
    list.onReply(again, { ...server.reply(again), stored: 2, wanted: 2 });
    expect([list.outbox.length, amountOf(list)]).toEqual([0, 1]);
  });

  it("does not take a change for stored because an answer to another process's request shows it", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const first = list.request();
    list.perform(milk(2), author());
    // Another process sends the second change, which one server has by the time the first request is answered.
    server.reply(list.request());
    expect(list.onReply(first, server.reply(first))).toEqual({ type: "behind" });
    expect(list.outbox).toHaveLength(1);
    const next = list.request();
    expect(list.onReply(next, server.reply(next))).toEqual({ type: "level" });
    expect(amountOf(list)).toBe(3);
  });

  it("keeps what was changed while an answer was on its way", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const request = list.request();
    const reply = server.reply(request);
    list.perform(milk(2), author());
    expect(list.onReply(request, reply)).toEqual({ type: "behind" });
    expect(list.outbox).toHaveLength(1);
    const next = list.request();
    list.onReply(next, server.reply(next));
    expect(server.list.item("milk")?.needed).toBe(3);
  });

  it("sends only its own new dots, so that a server never takes for known what it was not told", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const first = list.request();
    list.onReply(first, server.reply(first));
    list.perform(milk(2), author());
    expect([...(list.request().delta?.seen.ranges() ?? [])]).toEqual([{ replica: "a", from: 2, to: 2 }]);
  });

  it("brings back what a server has lost", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const first = list.request();
    list.onReply(first, server.reply(first));
    const wiped = new OneListServer();
    const second = list.request();
    expect(list.onReply(second, wiped.reply(second))).toEqual({ type: "behind" });
    // Every exchange reads the list from its file.
    const again = reread(list);
    const third = again.request();
    expect(again.onReply(third, wiped.reply(third))).toEqual({ type: "level" });
    expect(reread(again).request().delta).toBeNull();
    expect(wiped.list.item("milk")?.needed).toBe(1);
  });

  it("moves a refused change out of sight, keeps it, and names the next one anew", () => {
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const error: ErrorBody = { code: "read-only", message: "no" };
    const outcome = list.onRefusal(list.request(), error, () => "b");
    expect(outcome).toMatchObject({ type: "rejected", changes: 1 });
    expect(amountOf(list)).toBeUndefined();
    const again = reread(list);
    expect(again.rejected).toMatchObject([{ code: "read-only", intent: milk(1) }]);
    again.dismiss();
    expect(reread(again).rejected).toEqual([]);
    list.perform(milk(5), author());
    expect(list.request().replica).toBe("b");
  });

  it("recognises its own operation after a lost answer, and goes on as the same replica", () => {
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const newest = { counter: 1, id: list.outbox[0]?.id ?? "" };
    const stale: ErrorBody = { code: "stale-basis", message: "", newest };
    expect(list.onRefusal(list.request(), stale, () => "b")).toEqual({ type: "again" });
    expect(list.request()).toMatchObject({ replica: "a", basis: newest });
  });

  it("makes its changes again under a new id when a twin wrote under the old one", () => {
    const server = new OneListServer();
    const twin = LocalList.create(LIST, "device", "a");
    twin.perform(milk(4), author());
    server.reply(twin.request());
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const newest = { counter: 1, id: twin.outbox[0]?.id ?? "" };
    list.onRefusal(list.request(), { code: "stale-basis", message: "", newest }, () => "b");
    const clashed = reread(list);
    const whole = clashed.request();
    expect(whole).toMatchObject({ replica: "b", delta: null });
    expect(clashed.onReply(whole, server.reply(whole))).toEqual({ type: "behind" });
    const request = clashed.request();
    clashed.onReply(request, server.reply(request));
    expect(amountOf(clashed)).toBe(5);
    expect(server.list.item("milk")?.needed).toBe(5);
  });

  it("does not make again what the cluster has under the old name, however much came after it", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    for (let count = 0; count < 200; count++) list.perform(milk(1), author());
    server.reply(list.request());
    const other = LocalList.create(LIST, "other", "c");
    for (let count = 0; count < 200; count++) other.perform(milk(1), author());
    server.reply(other.request());
    const twin = { counter: 999, id: "somebody-elses" };
    list.onRefusal(list.request(), { code: "stale-basis", message: "", newest: twin }, () => "b");
    const whole = list.request();
    expect(list.onReply(whole, server.reply(whole))).toEqual({ type: "level" });
    expect(amountOf(list)).toBe(400);
  });

  it("keeps aside, rather than counts twice, a change of which nobody can tell any more whether it is there", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(3), author());
    const backup = reread(list);
    list.perform(milk(1), author());
    for (let count = 0; count < 200; count++) list.perform({ ...milk(1), name: "eggs" } as Intent, author());
    server.reply(list.request());
    const newest = { counter: 202, id: list.outbox.at(-1)?.id ?? "" };
    backup.perform({ ...milk(1), name: "bread" } as Intent, author());
    backup.onRefusal(backup.request(), { code: "stale-basis", message: "", newest }, () => "b");
    const whole = backup.request();
    backup.onReply(whole, server.reply(whole));
    expect(amountOf(backup)).toBe(4);
    expect(backup.rejected).toMatchObject([{ code: "unclear", intent: milk(3) }]);
    expect(backup.outbox).toMatchObject([{ intent: { name: "bread" } }]);
  });

  it("makes its changes again on nothing when the cluster has lost the list after a clash", () => {
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    list.onRefusal(
      list.request(),
      { code: "stale-basis", message: "", newest: { counter: 1, id: "other" } },
      () => "b",
    );
    const request = list.request();
    expect(list.onReply(request, new OneListServer().reply(request))).toEqual({ type: "behind" });
    expect(list.request().delta).not.toBeNull();
    expect(amountOf(list)).toBe(1);
  });

  it("keeps changes waiting, and in sight, where there is no room for all of them", () => {
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const refused = list.onRefusal(list.request(), { code: "too-large", message: "full" }, () => "b");
    expect(refused).toMatchObject({ type: "rejected", changes: 0 });
    expect([reread(list).outbox.length, amountOf(list)]).toEqual([1, 1]);
  });

  it("keeps the newest of two answers that overtook each other", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const first = list.request();
    const firstReply = server.reply(first);
    list.perform(milk(1), author());
    const second = list.request();
    list.onReply(second, server.reply(second));
    list.onReply(first, firstReply);
    expect(list.request().basis?.counter).toBe(2);
  });

  it("does not call refused what shows to be stored", () => {
    const server = new OneListServer();
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(2), author());
    const request = list.request();
    server.reply(request);
    list.onRefusal(request, { code: "read-only", message: "no" }, () => "b");
    expect(list.rejected).toHaveLength(1);
    const asking = { ...list.request(), delta: null };
    list.onReply(asking, server.reply(asking));
    expect([list.rejected, amountOf(list)]).toEqual([[], 2]);
  });

  it("sends nothing of what a cluster has lost that it may not write", () => {
    for (const [role, hasMore] of [
      ["owner", true],
      ["editor", false],
      ["viewer", false],
    ] as const) {
      const [server, wiped] = [new OneListServer(), new OneListServer()];
      server.list.rename({ replica: "c", id: "c1", at: 0 }, "Home");
      server.list.setDeleted({ replica: "c", id: "c2", at: 0 }, true);
      server.list.setDeleted({ replica: "c", id: "c3", at: 0 }, false);
      const list = LocalList.create(LIST, "device", "a");
      const first = list.request();
      list.onReply(first, { ...server.reply(first), role });
      const second = list.request();
      const { type } = list.onReply(second, { ...wiped.reply(second), role });
      expect([role, type]).toEqual([role, hasMore ? "behind" : "level"]);
      expect([role, list.request().delta !== null]).toEqual([role, hasMore]);
      if (role !== "editor") continue;
      list.perform(milk(1), author());
      expect(list.request().delta?.deleted.written()).toBeNull();
    }
  });

  it("does not keep aside what came back by itself", () => {
    const list = LocalList.create(LIST, "device", "a");
    list.perform({ type: "staple", key: "milk", rule: "2026-11-23 P1W 2000" }, author());
    list.bringBack(Date.UTC(2026, 11, 1));
    expect(list.outbox.map(({ intent }) => intent.type)).toEqual(["staple", "return"]);
    const refused = list.onRefusal(list.request(), { code: "read-only", message: "no" }, () => "b");
    expect(refused).toMatchObject({ type: "rejected", changes: 1 });
    expect(list.rejected).toMatchObject([{ intent: { type: "staple" } }]);
  });

  it("is read as earlier versions wrote it", () => {
    const list = LocalList.create(LIST, "device", "a");
    list.perform(milk(1), author());
    const { founding, standing, adopted, changes, ...earlier } = list.toFile();
    expect([founding, standing, adopted, changes]).toEqual([null, null, false, []]);
    expect(amountOf(LocalList.fromFile(earlier))).toBe(1);
  });

  it("can be read again whatever the clock says", () => {
    for (const at of [-86_400_000, 8_640_000_000_000_000]) {
      const list = LocalList.create(LIST, "device", "a");
      list.perform(milk(1), { id: "early", at });
      expect(amountOf(reread(list))).toBe(1);
    }
  });

  it("takes a new replica id in another folder", () => {
    const list = LocalList.create(LIST, "device", "a");
    list.belongTo("device", () => "b");
    expect(list.request().replica).toBe("a");
    list.belongTo("copy", () => "b");
    expect(list.request().replica).toBe("b");
  });
});
