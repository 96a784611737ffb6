import { describe, expect, it } from "@jest/globals";
import { Document } from "../../src/crdt/document.js";
import { ACCESS_LIMITS } from "../../src/crdt/access-record.js";
import { Account, AccountRecord } from "../../src/crdt/account-record.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { topicOfHolders } from "../../src/protocol/peer-messages.js";
import { accountDocumentOf, hashOfSecret } from "../../src/protocol/identity.js";
import type { SyncRequest } from "../../src/protocol/messages.js";
import { author } from "../crdt/scripts.js";
import {
  callerAt,
  changed,
  FOUNDER,
  foundingBy,
  keeping,
  LIST,
  NONCE,
  recordOf,
  ServerScenario,
} from "./server-scenario.js";

const holders = topicOfHolders("s1+s2+s3");
const tick = { type: "tick" } as const;

const MEMBER = "the-device-of-a-member";
const [member, stranger] = [callerAt(MEMBER), callerAt("the-device-of-a-stranger")];

function milk(): ShoppingList {
  const list = new ShoppingList();
  list.add(author("a"), "milk", null, 1);
  return list;
}

const editor = (): Document => recordOf(milk(), (access) => access.setRole(MEMBER, "", "editor"));
const viewer = (): Document => recordOf(milk(), (access) => access.setRole(MEMBER, "", "viewer"));

/** The member's rights were taken after they had been given. */
function revoked(): Document {
  const document = editor();
  document.access.setRole(MEMBER, "", null);
  return document;
}

/** What a reader and a writer of a replica of their own ask, the writer having read the list. */
const READ: Partial<SyncRequest> = { replica: "b" };
const change = (): Partial<SyncRequest> => ({ replica: "b", ...changed(milk(), "b", "eggs") });

describe("a stranger", () => {
  it("is refused for good once two copies agree", () => {
    const server = keeping(recordOf(milk()));
    expect(server.sync(READ, stranger)).toEqual(["sync to/s2/"]);
    expect(server.level(10, "s2")).toEqual(["to #1: not-allowed"]);
    expect(server.sync(change(), stranger)).toEqual(["sync to/s2/"]);
    expect(server.level(20, "s2")).toEqual(["to #2: not-allowed"]);
    server.access({ do: "members" }, stranger);
    expect(server.level(30, "s2")).toEqual(["to #3: not-allowed"]);
  });

  it("is turned away as unavailable while no other server answers, which might know better", () => {
    const server = keeping(recordOf(milk()));
    server.sync(READ, stranger);
    server.sync(change(), stranger);
    server.access({ do: "members" }, stranger);
    // A change is judged early, to leave time for storing it; a read may wait as long as its answer may.
    server.at(150, tick);
    expect(server.at(200, tick)).toEqual(["to #2: unavailable", "to #3: unavailable"]);
    expect(server.at(700, tick)).toEqual(["to #1: unavailable"]);
  });

  it("gets no further with the founder's proof, nor for a list that is not there", () => {
    const server = new ServerScenario([], ["s2", "s3"]);
    server.sync({ ...change(), founding: foundingBy(NONCE) }, stranger);
    expect(server.level(10, "s2")).toEqual(["to #1: not-allowed"]);
  });

  it("edits an open list without learning who shares it", () => {
    const server = keeping(recordOf(milk(), (access) => access.visibility.write("open")));
    server.sync(change(), stranger);
    expect(server.level(10, "s2")).toEqual(["persist 1"]);
    expect(server.at(30, { type: "persisted", through: 1 })).toEqual(["notify", "to #1: nothing new, on 2 of 2"]);
    server.access({ do: "members" }, stranger);
    server.level(40, "s2");
    expect(server.level(50, "s2")).toEqual(["to #2: editor of a list, open, on 2 of 2"]);
  });
});

describe("a login", () => {
  it("that the only server has forgotten is none, though more servers are asked where there are more", () => {
    const accounts = accountDocumentOf("ben");
    const server = new ServerScenario([accounts, LIST], [], [3, 2]);
    const record = new AccountRecord();
    record.accounts.set("account-of-ben", new Account());
    expect(server.sync(READ, callerAt(MEMBER, "ben"))).toEqual(["load"]);
    const list = new Document(undefined, undefined, record);
    expect(server.step({ type: "loaded", listId: accounts, list })).toEqual(["to #1: unauthenticated"]);
  });
});

describe("a member", () => {
  it("who is a viewer may read and not write", () => {
    const server = keeping(viewer());
    server.sync(READ, member);
    expect(server.level(10, "s2")).toEqual(["to #1: milk 1, on 2 of 2"]);
    server.sync(change(), member);
    expect(server.level(20, "s2")).toEqual(["to #2: read-only"]);
    server.sync(change(), member);
    server.at(120, tick);
    // Another server may know that the viewer has become an editor.
    expect(server.at(220, tick)).toEqual(["to #3: unavailable"]);
  });

  it("may write where the coordinator learns of it by the read alone", () => {
    const server = keeping(recordOf(milk()));
    server.sync(change(), member);
    const lines = server.level(10, "s2", editor());
    expect(lines).toEqual(["notify", "persist 1", "persist 2", `sync ${holders}`]);
  });

  it("who is an editor may neither delete the list nor let others in", () => {
    const server = keeping(editor());
    const list = milk();
    server.sync({ ...READ, delta: list.setDeleted(author("b"), true), seen: list.seen }, member);
    expect(server.level(10, "s2")).toEqual(["to #1: read-only"]);
    server.access({ do: "set-visibility", visibility: "open", version: 3 }, member);
    expect(server.level(20, "s2")).toEqual(["to #2: not-allowed"]);
  });

  it("who was put out is refused", () => {
    const server = keeping(revoked());
    server.sync(READ, member);
    expect(server.level(10, "s2")).toEqual(["to #1: not-allowed"]);
    server.sync(change(), member);
    expect(server.level(20, "s2")).toEqual(["to #2: not-allowed"]);
  });

  it("who was put out is refused by a server that hears of it from the other copy alone", () => {
    for (const request of [READ, change()]) {
      const server = keeping(editor());
      server.sync(request, member);
      if (request !== READ) server.object(5, "s2");
      expect(server.level(10, "s2", revoked())).toEqual(["notify", "persist 1", "to #1: not-allowed"]);
      const taken = server.at(20, { type: "persisted", through: 1 });
      expect(taken).toEqual([]);
    }
  });
});

describe("a server with items and no record of whose they are", () => {
  it("serves and takes nothing, not even the founder's, until the record comes", () => {
    const server = keeping(new Document(milk()));
    server.sync(READ);
    server.sync(change());
    server.sync(change(), member);
    server.at(150, tick);
    expect(server.at(200, tick)).toEqual(["to #2: unavailable", "to #3: unavailable"]);
    expect(server.at(700, tick)).toEqual(["to #1: unavailable"]);
    server.sync(READ, member);
    expect(server.level(710, "s2", new Document(undefined, editor().access))).toEqual(["notify", "persist 1"]);
    expect(server.at(720, { type: "persisted", through: 1 })).toEqual(["to #4: milk 1, on 2 of 2"]);
    server.sync(change(), member);
    expect(server.level(730, "s2")).toEqual(["persist 2"]);
  });

  it("lets the founder begin anew only once a second copy has no record either", () => {
    const server = keeping(new Document(milk()));
    server.sync(READ, stranger);
    expect(server.level(10, "s2")).toEqual(["to #1: not-allowed"]);
    server.sync(READ);
    expect(server.level(20, "s2")).toEqual(["persist 1", `sync ${holders}`]);
  });
});

describe("an owner of a list whose access record is the newer one", () => {
  it("has all of what is handed over to it once it was given that", () => {
    const server = keeping(revoked());
    const [older, newer] = [editor(), revoked()];
    const question = { type: "sync", tag: 5, listId: LIST, purpose: "hand-over", digest: null } as const;
    server.peer(10, "s2", { ...question, position: older.position, delta: null });
    expect(server.published.at(-1)).toMatchObject({ position: { records: newer.position.records } });
    const lines = server.peer(20, "s2", { ...question, position: older.position, delta: older });
    expect(answer(server, lines)).toBe("");
    expect(server.published.at(-1)).toMatchObject({ type: "synced", position: null });
  });
});

const SECRET = "the-secret-of-an-invitation";
const OTHER = "the-secret-of-another-one";
const [ann, ben, cleo] = [
  callerAt(FOUNDER, "ann"),
  callerAt("device-of-ben", "ben"),
  callerAt("device-of-cleo", "cleo"),
];

/** Lets the disk take what there is for it, and gives the answer without its number. */
function answer(server: ServerScenario, lines: readonly string[]): string {
  const persist = lines.find((line) => line.startsWith("persist "));
  const through = Number(persist?.slice("persist ".length));
  const all = persist === undefined ? lines : [...lines, ...server.step({ type: "persisted", through })];
  const answers = all.filter((line) => line.startsWith("to #"));
  return answers.map((line) => line.replace(/^to #\d+: /, "")).join();
}

/** A server alone, so that each answer is certain, with a list of Ann's and an invitation to it. */
function inviting(uses: number): ServerScenario {
  const server = new ServerScenario();
  expect(answer(server, server.sync(READ, ann))).toBe("nothing new");
  expect(answer(server, server.access({ do: "adopt" }, ann))).toBe("owner of a list, private, ann owner");
  expect(answer(server, invite(server, SECRET, uses))).toBe("owner of a list, private, ann owner");
  return server;
}

function invite(server: ServerScenario, secret: string, uses: number): string[] {
  return server.access({ do: "invite", hash: hashOfSecret(secret), role: "editor", expires: 1_000, uses }, ann);
}

function join(server: ServerScenario, caller = ben, secret = SECRET): string {
  return answer(server, server.access({ do: "join", secret }, caller));
}

describe("an invitation", () => {
  it("lets an account in once, and gives whoever repeats it the first answer without writing again", () => {
    const server = inviting(1);
    const first = join(server);
    expect(first).toBe("editor of a list, private, ann owner, ben editor");
    expect(server.access({ do: "join", secret: SECRET }, ben)).toEqual([`to #5: ${first}`]);
    expect(answer(server, server.sync(change(), ben))).toBe("nothing new, and lacks some");
  });

  it("that is used up lets nobody else in", () => {
    const server = inviting(1);
    join(server);
    expect(join(server, cleo)).toBe("refused");
    expect(answer(server, server.sync(READ, cleo))).toBe("not-allowed");
  });

  it("does not bring back who was put out or has left; a new one does", () => {
    const server = inviting(5);
    join(server);
    join(server, cleo);
    answer(server, server.access({ do: "set-role", member: "ben", role: null, version: 6 }, ann));
    answer(server, server.access({ do: "leave" }, cleo));
    expect([join(server), join(server, cleo)]).toEqual(["refused", "refused"]);
    expect(answer(server, server.sync(READ, ben))).toBe("not-allowed");
    answer(server, invite(server, OTHER, 1));
    expect(join(server, ben, OTHER)).toBe("editor of a list, private, ann owner, ben editor");
  });

  it("lets nobody in who was put out before they had used it", () => {
    const server = inviting(5);
    answer(server, invite(server, OTHER, 1));
    join(server);
    answer(server, server.access({ do: "set-role", member: "ben", role: null, version: 5 }, ann));
    expect(join(server, ben, OTHER)).toBe("refused");
  });

  it("is refused from the moment it expires, and once it was taken back", () => {
    const server = inviting(5);
    expect(join(server, callerAt("device-of-ben", "ben", 1_000))).toBe("refused");
    expect(join(server, callerAt("device-of-ben", "ben", 999))).toBe(
      "editor of a list, private, ann owner, ben editor",
    );
    answer(server, server.access({ do: "revoke-invitation", hash: hashOfSecret(SECRET).slice(0, 8) }, ann));
    expect(join(server, cleo)).toBe("refused");
  });

  it("is for accounts alone, and tells nothing to whoever does not have its secret", () => {
    const server = inviting(5);
    expect(join(server, stranger)).toBe("unauthenticated");
    expect(join(server, ben, OTHER)).toBe("not-allowed");
  });

  it("is refused where the list could not remember it", () => {
    const server = inviting(5);
    for (let at = 0; at < ACCESS_LIMITS.invitations; at++) {
      const later = {
        do: "invite",
        hash: hashOfSecret(`${OTHER}${at}`),
        role: "viewer",
        expires: 2_000,
        uses: 1,
      } as const;
      answer(server, server.access(later, ann));
    }
    expect(answer(server, invite(server, "the-secret-of-a-third-one", 1))).toBe("refused");
  });

  it("does not make more of somebody who was made less of since", () => {
    const server = inviting(5);
    join(server);
    answer(server, server.access({ do: "set-role", member: "ben", role: "viewer", version: 5 }, ann));
    expect([join(server), join(server, cleo)]).toEqual(["refused", "refused"]);
  });

  it("takes nothing away from an owner who uses it", () => {
    const server = inviting(1);
    expect(join(server, ann)).toBe("owner of a list, private, ann owner");
    expect(join(server, ben)).toBe("editor of a list, private, ann owner, ben editor");
  });
});

describe("an owner", () => {
  it("is answered again when asking again, and a late copy of what they asked before changes nothing", () => {
    const server = inviting(1);
    join(server);
    const [opening, closing] = [
      { do: "set-visibility", visibility: "open", version: 5 },
      { do: "set-visibility", visibility: "private", version: 6 },
    ] as const;
    const [open, closed] = ["open", "private"].map((now) => `owner of a list, ${now}, ann owner, ben editor`);
    expect(answer(server, server.access(opening, ann))).toBe(open);
    expect(answer(server, server.access(opening, ann))).toBe(open);
    expect(answer(server, server.access(closing, ann))).toBe(closed);
    expect(answer(server, server.access(opening, ann))).toBe("stale-basis");
    expect(answer(server, server.access(closing, ann))).toBe(closed);
    const promotion = { do: "set-role", member: "ben", role: "viewer", version: 5 } as const;
    expect(answer(server, server.access(promotion, ann))).toBe("stale-basis");
  });

  it("hands the list over in one step, and is answered again when asking again", () => {
    const server = inviting(1);
    join(server);
    const transfer = { do: "transfer", member: "ben", version: 5 } as const;
    const done = "editor of a list, private, ann editor, ben owner";
    expect(answer(server, server.access(transfer, ann))).toBe(done);
    expect(answer(server, server.access(transfer, ann))).toBe(done);
    expect(answer(server, server.access({ ...transfer, member: "ann" }, ann))).toBe("not-allowed");
  });

  it("cannot be the last to leave, nor step down as such", () => {
    const server = inviting(1);
    join(server);
    expect(answer(server, server.access({ do: "leave" }, ann))).toBe("refused");
    const steppingDown = { do: "set-role", member: "ann", role: "editor", version: 5 } as const;
    expect(answer(server, server.access(steppingDown, ann))).toBe("refused");
    answer(server, server.access({ do: "set-role", member: "ben", role: "owner", version: 5 }, ann));
    expect(answer(server, server.access({ do: "leave" }, ann))).toBe("nobody of a list, private");
    expect(answer(server, server.access({ do: "leave" }, ben))).toBe("refused");
    expect(answer(server, server.sync(READ, ann))).toBe("not-allowed");
  });
});
