import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { DataFolder } from "../../src/client/data-folder.js";
import { Session } from "../../src/client/session.js";
import type { Role } from "../../src/crdt/access-record.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { Synchronizer } from "../../src/client/synchronizer.js";
import { Workspace } from "../../src/client/workspace.js";
import { decodeAccessRequest } from "../../src/protocol/access-messages.js";
import {
  bodyFrame,
  decodeClientRequest,
  encodeClientReply,
  type Frame,
  type Reply,
} from "../../src/protocol/frames.js";
import { decodeSyncRequest, encodeSyncReply, errorReply } from "../../src/protocol/messages.js";
import { RequestSockets } from "../../src/runtime/request-sockets.js";
import { temporaryFolder } from "../e2e/harness.js";

function replyWith(delta: ShoppingList | null, stored: number, role: Role = "owner", open = false): Reply {
  const told = {
    serverSeen: null,
    newest: null,
    wanted: 2,
    replicas: 3,
    role,
    open,
    members: 1,
  } as const;
  return encodeSyncReply({ ...told, delta, stored });
}

/** A broker in front of a list that takes nothing: there is no room left, or one may only look. */
class Refusing extends RequestSockets {
  asked = 0;

  constructor(
    readonly code: "too-large" | "read-only",
    readonly role: Role,
  ) {
    super();
  }

  override ask(_address: unknown, frames: readonly Frame[]): Promise<readonly Frame[] | null> {
    this.asked++;
    const { requestId, body } = decodeClientRequest(frames);
    if (decodeSyncRequest(body).delta !== null)
      return Promise.resolve(encodeClientReply(requestId, errorReply({ code: this.code, message: "no" })));
    const others = new ShoppingList();
    others.add({ replica: "other", id: "1", at: 0 }, "bread", null, 1_000);
    return Promise.resolve(encodeClientReply(requestId, replyWith(others, 2, this.role)));
  }
}

/** A broker that answers so many times that one server of two has everything, and then no more. */
class FallingSilent extends RequestSockets {
  constructor(private answers: number) {
    super();
  }

  override async ask(_address: unknown, frames: readonly Frame[], timeoutMs: number): Promise<readonly Frame[] | null> {
    if (this.answers-- <= 0) {
      await new Promise((resolve) => setTimeout(resolve, timeoutMs));
      return null;
    }
    const { requestId, body } = decodeClientRequest(frames);
    decodeSyncRequest(body);
    return encodeClientReply(requestId, replyWith(null, 1));
  }
}

/** A broker that looks into the folder of who asks. */
class Looking extends RequestSockets {
  unwritten: string[] = [];

  constructor(readonly folder: DataFolder) {
    super();
  }

  override ask(_address: unknown, frames: readonly Frame[]): Promise<readonly Frame[] | null> {
    const { requestId, listId, body } = decodeClientRequest(frames);
    const file = readFileSync(join(this.folder.listsPath, `${listId}.json`), "utf8");
    for (const { id } of decodeSyncRequest(body).delta?.history.operations() ?? [])
      if (!file.includes(id)) this.unwritten.push(id);
    return Promise.resolve(encodeClientReply(requestId, replyWith(null, 2)));
  }
}

/** A cluster that has heard of a list before its maker knows, and of who may edit it. */
class Founded extends RequestSockets {
  isOpen: boolean | null = null;
  isHeard = false;
  version = 2;

  override ask(_address: unknown, frames: readonly Frame[]): Promise<readonly Frame[] | null> {
    const { requestId, kind, body } = decodeClientRequest(frames);
    const answer = (reply: Reply): Promise<readonly Frame[] | null> =>
      Promise.resolve(this.isHeard ? encodeClientReply(requestId, reply) : null);
    if (kind === "sync") {
      this.isOpen ??= decodeSyncRequest(body).founding?.open ?? null;
      return answer(replyWith(null, 2, "owner", this.isOpen === true));
    }
    const request = decodeAccessRequest(body);
    if (request.do === "set-visibility" && request.version === this.version) {
      this.isOpen = request.visibility === "open";
      this.version++;
    }
    const visibility = this.isOpen === true ? "open" : "private";
    const { version } = this;
    const value = {
      role: "owner",
      visibility,
      version,
      members: [],
      invitations: [],
      stored: 2,
      wanted: 2,
      replicas: 3,
    };
    return answer({ kind: "reply", body: bodyFrame(value) });
  }
}

describe("bringing a list level with the cluster", () => {
  let folder = DataFolder.open(temporaryFolder());
  beforeEach(() => {
    folder = DataFolder.open(temporaryFolder());
  });
  afterEach(() => rmSync(folder.path, { recursive: true }));

  it("says what it was told where the time ends in the middle of asking once more", async () => {
    const workspace = new Workspace(folder);
    const { id } = await workspace.found();
    await workspace.change(id, () => [{ type: "rename", name: "Groceries" }]);
    workspace.commit();
    const session = new Session(["tcp://127.0.0.1:9"], undefined, null, new FallingSilent(1));
    const synchronizer = new Synchronizer(folder, session);
    const result = await synchronizer.synchronize(id, 400, true);
    expect(result).toMatchObject({ pushed: 0, stored: { servers: 1, wanted: 2, replicas: 3 }, refusal: null });
    await expect(synchronizer.synchronize(id, 100, true)).rejects.toMatchObject({ code: "unreachable" });
  });

  it("keeps what there is no room for, and fetches what others have done all the same", async () => {
    const workspace = new Workspace(folder);
    const { id } = await workspace.found();
    await workspace.change(id, () => [{ type: "rename", name: "Groceries" }]);
    workspace.commit();
    const session = new Session(["tcp://127.0.0.1:9"], undefined, null, new Refusing("too-large", "owner"));
    const result = await new Synchronizer(folder, session).synchronize(id, 10_000, true);
    expect(result).toMatchObject({ pushed: 0, fetched: 1, pending: 1, refusal: { code: "too-large" } });
    const list = folder.readList(id);
    expect([list?.shown.name.get(), list?.shown.item("bread")?.needed]).toEqual(["Groceries", 1_000]);
  });

  it("learns of being a viewer by now: a staple that came back meanwhile is not its doing, and others' changes come", async () => {
    const [workspace, start] = [new Workspace(folder), Date.now() - 15 * 24 * 60 * 60 * 1_000];
    const { id } = await workspace.found();
    const rule = `${new Date(start).toISOString().slice(0, 10)} P1W 1000`;
    await workspace.note(id, (list) => {
      list.perform({ type: "staple", key: "milk", rule }, { id: "1", at: start });
      const request = list.request();
      const told = {
        delta: null,
        serverSeen: null,
        newest: { counter: 1, id: "1" },
        stored: 2,
        wanted: 2,
        replicas: 3,
      };
      list.onReply(request, { ...told, role: "editor", open: false, members: 2 });
    });
    workspace.commit();
    expect(folder.readList(id)?.outbox).toMatchObject([{ intent: { type: "return" } }]);
    const sockets = new Refusing("read-only", "viewer");
    const synchronizer = new Synchronizer(folder, new Session(["tcp://127.0.0.1:9"], undefined, null, sockets));
    expect(await synchronizer.synchronize(id, 10_000, true)).toMatchObject({ pending: 0, refusal: null });
    const { asked } = sockets;
    expect(await synchronizer.synchronize(id, 10_000, true)).toMatchObject({ pending: 0, refusal: null });
    expect(sockets.asked).toBe(asked + 1);
    const list = folder.readList(id);
    expect([list?.rejected, list?.shown.item("bread")?.needed]).toEqual([[], 1_000]);
  });

  it("sends what came back by itself once it is written down", async () => {
    const workspace = new Workspace(folder);
    const { id } = await workspace.found();
    workspace.commit();
    const list = folder.readList(id);
    if (list === null) throw new Error("it was founded");
    const longAgo = (step: string) => ({ id: step, at: Date.UTC(2026, 0, 2) });
    list.perform({ type: "add", name: "milk", unit: null, amount: 1_000, note: null, aisle: null }, longAgo("added"));
    list.perform({ type: "staple", key: "milk", rule: "2026-01-01 P1D 1000" }, longAgo("staple"));
    list.perform({ type: "acquire", key: "milk", amount: 1_000 }, longAgo("got"));
    folder.writeList(list);
    const broker = new Looking(folder);
    await new Synchronizer(folder, new Session(["tcp://127.0.0.1:9"], undefined, null, broker)).synchronize(id, 1_000);
    expect(broker.unwritten).toEqual([]);
    expect(folder.readList(id)?.shown.item("milk")).toMatchObject({ needed: 1_000, acquired: 0 });
  });

  it.each([
    ["is opened", true, 2],
    ["is closed", false, 2],
    ["stays as somebody else made it since", true, 4],
  ])("a list that was founded otherwise while its first answer was lost %s", async (_what, isOpen, version) => {
    const broker = new Founded();
    const session = new Session(["tcp://127.0.0.1:9"], undefined, null, broker);
    const synchronizer = new Synchronizer(folder, session);
    const workspace = new Workspace(folder);
    const { id } = await workspace.found();
    await workspace.note(id, (list) => list.rights.foundAs(!isOpen));
    workspace.commit();
    await expect(synchronizer.synchronize(id, 50)).rejects.toMatchObject({ code: "unreachable" });
    expect(broker.isOpen).toBe(!isOpen);
    await workspace.note(id, (list) => list.rights.foundAs(isOpen));
    workspace.commit();
    Object.assign(broker, { isHeard: true, version });
    await synchronizer.synchronize(id, 5_000);
    const isChanged = version === 2;
    expect([broker.isOpen, folder.readList(id)?.rights.wish]).toEqual([isChanged ? isOpen : !isOpen, null]);
    expect(folder.readList(id)?.rights.standing.open).toBe(broker.isOpen);
  });
});
