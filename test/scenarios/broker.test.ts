import { describe, expect, it } from "@jest/globals";
import { bodyFrame } from "../../src/protocol/frames.js";
import { HashRing, partitionOf } from "../../src/protocol/hash-ring.js";
import { BrokerScenario } from "./transcript.js";

const LIST = "11111111-1111-4111-8111-111111111111";

describe("a broker", () => {
  it("passes a request to a server and the reply back to the client that asked", () => {
    const broker = new BrokerScenario();
    expect(broker.ready(0, "s1")).toEqual(["to s1: members s1"]);
    expect(broker.request(10, "ann")).toEqual(["to s1: #1 ping"]);
    expect(broker.reply(20, "s1", 1, { server: "s1" })).toEqual(['to ann: reply r1 {"server":"s1"}']);
  });

  it("refuses at once, and still answers for its own status, while no server lives", () => {
    const broker = new BrokerScenario();
    const refusal = 'to ann: error r1 {"code":"unavailable","message":"no server is up"}';
    expect(broker.request(0, "ann")).toEqual([refusal]);
    expect(broker.request(1, "ann", { kind: "status" })).toHaveLength(1);
    broker.ready(2, "s1");
    broker.tick(302);
    expect(broker.request(303, "ann")).toEqual([refusal]);
  });

  it("gives requests about no list to the server that has waited longest", () => {
    const broker = new BrokerScenario();
    broker.ready(0, "s1");
    broker.ready(0, "s2");
    expect(broker.request(10, "ann")).toEqual(["to s1: #1 ping"]);
    expect(broker.request(11, "ben")).toEqual(["to s2: #2 ping"]);
    expect(broker.request(12, "cat")).toEqual(["to s1: #3 ping"]);
  });

  it("gives every request about a list to the first server of its preference list", () => {
    const broker = new BrokerScenario();
    for (const id of ["s1", "s2", "s3"]) broker.ready(0, id);
    const [owner] = HashRing.of(["s1", "s2", "s3"]).preferenceList(partitionOf(LIST));
    for (const tag of [1, 2, 3]) {
      expect(broker.request(10 + tag, "ann", { kind: "sync", listId: LIST })).toEqual([
        `to ${owner ?? ""}: #${tag} sync`,
      ]);
    }
  });

  it("keeps a dead server's place on the ring, and goes on to the next of the preference list", () => {
    const broker = new BrokerScenario();
    const [owner, other] = HashRing.of(["s1", "s2"]).preferenceList(partitionOf(LIST));
    broker.ready(0, other ?? "", ["s1", "s2"]);
    expect(broker.request(10, "ann", { kind: "sync", listId: LIST })).toEqual([`to ${other ?? ""}: #1 sync`]);
    broker.ready(20, owner ?? "", ["s1", "s2"]);
    expect(broker.request(30, "ann", { kind: "sync", listId: LIST })).toEqual([`to ${owner ?? ""}: #2 sync`]);
  });

  it("tries the next server when one declines, and passes the refusal on when none is left", () => {
    const broker = new BrokerScenario();
    const [first, second] = HashRing.of(["s1", "s2"]).preferenceList(partitionOf(LIST));
    for (const id of [first, second]) broker.ready(0, id ?? "", ["s1", "s2"]);
    broker.request(10, "ann", { kind: "sync", listId: LIST });
    expect(broker.reply(20, first ?? "", 1, "no disk", "declined")).toEqual([`to ${second ?? ""}: #1 sync`]);
    expect(broker.reply(30, second ?? "", 1, "no disk either", "declined")).toEqual([
      'to ann: error r1 "no disk either"',
    ]);
  });

  it("sends what is about one server there and nowhere else", () => {
    const broker = new BrokerScenario();
    for (const id of ["s1", "s2"]) broker.ready(0, id);
    expect(broker.request(10, "ann", { kind: "inspect", serverId: "s2" })).toEqual(["to s2: #1 inspect"]);
    expect(broker.request(11, "ann", { kind: "inspect", serverId: "s3" })).toEqual([
      'to ann: error r1 {"code":"unavailable","message":"s3 is not answering"}',
    ]);
  });

  it("tries the next server when one does not answer in time, and ignores the late answer", () => {
    const broker = new BrokerScenario();
    broker.ready(0, "s1", ["s1", "s2"]);
    broker.ready(0, "s2", ["s1", "s2"]);
    const [first, second] = HashRing.of(["s1", "s2"]).preferenceList(partitionOf(LIST));
    expect(broker.request(10, "ann", { kind: "sync", listId: LIST })).toEqual([`to ${first ?? ""}: #1 sync`]);
    expect(broker.tick(159).filter((line) => line.includes("#"))).toEqual([]);
    expect(broker.tick(160).filter((line) => line.includes("#"))).toEqual([`to ${second ?? ""}: #1 sync`]);
    expect(broker.reply(170, first ?? "", 1, "late")).toEqual([]);
    expect(broker.reply(180, second ?? "", 1, "in time")).toEqual(['to ann: reply r1 "in time"']);
  });

  it("tries the next server at once when the one that had the request expires or says goodbye", () => {
    const broker = new BrokerScenario();
    broker.ready(0, "s1");
    broker.ready(0, "s2");
    expect(broker.request(10, "ann")).toEqual(["to s1: #1 ping"]);
    const goodbye = { type: "server-message", connection: "s1", message: { type: "goodbye" } } as const;
    expect(broker.at(20, goodbye)).toEqual(["to s2: #1 ping"]);
  });

  it("answers that nobody did once every candidate was tried, and nothing to a client that has stopped waiting", () => {
    const broker = new BrokerScenario();
    broker.ready(0, "s1");
    broker.request(10, "ann");
    broker.request(10, "ben", { timeoutMs: 100, requestId: "r2" });
    broker.heartbeat(100, "s1");
    expect(broker.tick(110)).toEqual([]);
    expect(broker.tick(160)).toEqual([
      'to ann: error r1 {"code":"unavailable","message":"no server answered in time"}',
    ]);
  });

  it("heartbeats to servers and watchers, removes a silent server and keeps one that is heard", () => {
    const broker = new BrokerScenario();
    broker.ready(0, "s1");
    broker.ready(0, "s2");
    expect(broker.tick(100)).toEqual(["to s1: heartbeat", "to s2: heartbeat", "publish heartbeat heartbeat e1/1"]);
    expect(broker.heartbeat(250, "s1")).toContain("publish heartbeat heartbeat e1/2");
    broker.tick(300);
    expect(broker.request(310, "ann")).toEqual(["to s1: #1 ping"]);
    expect(broker.request(311, "ann")).toEqual(["to s1: #2 ping"]);
  });

  it("asks a server that it does not know, as after its own restart, to announce itself again", () => {
    const broker = new BrokerScenario();
    expect(broker.heartbeat(0, "stranger")).toEqual(["to stranger: reannounce"]);
  });

  it("asks a server once more for what it was asked before it was started again", () => {
    const broker = new BrokerScenario();
    broker.ready(0, "s1");
    expect(broker.request(10, "ann", { kind: "account" })).toEqual(["to s1: #1 account"]);
    // A new connection alone says nothing: the server may have lost sight of the broker.
    expect(broker.ready(20, "s1", ["s1"], "s1-again")).toEqual(["to s1-again: members s1"]);
    expect(broker.ready(30, "s1", ["s1"], "s1-anew", 2)).toContain("to s1-anew: #1 account");
    expect(broker.reply(40, "s1-anew", 1, {})).toEqual(["to ann: reply r1 {}"]);
  });

  it("tells every server the membership table when it changes, and the newcomer always", () => {
    const broker = new BrokerScenario();
    broker.ready(0, "s1");
    expect(broker.ready(1, "s2")).toEqual(["to s1: members s1 s2", "to s2: members s1 s2"]);
    expect(broker.ready(2, "s1", ["s1"], "s1-again")).toEqual(["to s1-again: members s1 s2"]);
  });

  it("publishes that a list moved under its topic, and greets each new watcher on it", () => {
    const broker = new BrokerScenario();
    broker.ready(0, "s1");
    const notice = { type: "server-message", connection: "s1", message: { type: "notice", topics: ["abc"] } } as const;
    expect(broker.at(10, notice)).toEqual(["publish abc moved e1/0"]);
    expect(broker.at(11, { type: "subscribed", topic: "abc" })).toEqual(["publish abc heartbeat e1/0"]);
  });

  it("answers for its own status even where no server holds a list", () => {
    const broker = new BrokerScenario();
    broker.ready(0, "s1", ["s1", "s2"]);
    const [line] = broker.request(10, "ann", { kind: "status" });
    const status = JSON.parse((line ?? "").replace("to ann: reply r1 ", "")) as { servers: { partitions: number }[] };
    expect(status.servers).toMatchObject([
      { id: "s1", alive: true },
      { id: "s2", alive: false },
    ]);
    expect(status.servers.reduce((sum, server) => sum + server.partitions, 0)).toBe(256);
  });

  it("takes so many requests of one connection at a time, fewer where passwords are hashed, and others' all the same", () => {
    const broker = new BrokerScenario();
    broker.ready(0, "s1");
    for (let count = 0; count < 3; count++) broker.request(10, "mallory", { kind: "account", listId: LIST });
    for (let count = 0; count < 16; count++) expect(broker.request(11, "mallory")[0]).toMatch(/^to s1/);
    for (const kind of ["ping", "account"] as const)
      expect(broker.request(12, "mallory", { kind, listId: kind === "ping" ? null : LIST })[0]).toMatch(/slow-down/);
    expect(broker.request(13, "ann", { kind: "account", listId: LIST })[0]).toMatch(/^to s1/);
    broker.reply(14, "s1", 1, {});
    expect(broker.request(15, "mallory", { kind: "account", listId: LIST })[0]).toMatch(/^to s1/);
  });

  it("takes one large request of a connection at a time, and gives it the time that reading it takes", () => {
    const broker = new BrokerScenario({ largeBytes: 1_000, windowBytes: 1e9, attemptTimeoutMs: 50 });
    const [first, second] = HashRing.of(["s1", "s2"]).preferenceList(partitionOf(LIST));
    for (const id of ["s1", "s2"]) broker.ready(0, id, ["s1", "s2"]);
    // 400 kB take 100 ms to read, and twice that in all.
    const large = { kind: "sync", listId: LIST, body: new Uint8Array(400 * 1_024) } as const;
    expect(broker.request(0, "ann", large)).toEqual([`to ${first ?? ""}: #1 sync`]);
    expect(broker.request(1, "ann", large)[0]).toMatch(/slow-down/);
    expect(broker.request(2, "ben", large)).toEqual([`to ${first ?? ""}: #2 sync`]);
    expect(broker.tick(249).filter((line) => line.includes("#"))).toEqual([]);
    expect(broker.tick(250).filter((line) => line.includes("#"))).toEqual([`to ${second ?? ""}: #1 sync`]);
  });

  it("turns away what it has no room for, whoever asks, and takes it again when there is some", () => {
    const body = bodyFrame("x".repeat(98));
    for (const bounds of [{ mostPending: 2 }, { mostPendingBytes: 299 }]) {
      const broker = new BrokerScenario(bounds);
      broker.ready(0, "s1");
      for (const client of ["ann", "ben"]) expect(broker.request(1, client, { body })[0]).toMatch(/^to s1/);
      expect(broker.request(2, "cat", { body })).toEqual([
        'to cat: error r1 {"code":"unavailable","message":"the broker has too much to do"}',
      ]);
      broker.reply(3, "s1", 1, {});
      expect(broker.request(4, "cat", { body })[0]).toMatch(/^to s1/);
    }
  });

  it("gives up a request over which two servers fell silent, instead of giving it to all of them", () => {
    const broker = new BrokerScenario();
    const ids = ["s1", "s2", "s3"];
    for (const id of ids) broker.ready(0, id, ids);
    const lines = broker.request(0, "ann", { kind: "account", listId: LIST, timeoutMs: 60_000 });
    const given = (): string[] => lines.flatMap((line) => /^to (s.): #1/.exec(line)?.[1] ?? []);
    // Whoever was given the request is never heard of again.
    for (let now = 100; now <= 2_000; now += 100) {
      for (const id of ids) if (!given().includes(id)) lines.push(...broker.heartbeat(now, id));
    }
    expect(new Set(given()).size).toBe(2);
    expect(lines.find((line) => line.startsWith("to ann"))).toMatch(/fell silent/);
  });

  describe("with a server that has enough to do", () => {
    const body = new Uint8Array(10);
    /** Room for two requests of that body, and a server. */
    const busy = (attemptTimeoutMs = 150): BrokerScenario => {
      const broker = new BrokerScenario({ windowBytes: 40, requestBytes: 10, attemptTimeoutMs });
      broker.ready(0, "s1");
      expect(broker.request(0, "ann", { body })).toEqual(["to s1: #1 ping"]);
      expect(broker.request(0, "ann", { body })).toEqual(["to s1: #2 ping"]);
      return broker;
    };

    it("lets requests wait until it has answered, each connection's by turns", () => {
      const broker = busy();
      for (const client of ["mallory", "mallory", "mallory", "ben"])
        expect(broker.request(1, client, { body })).toEqual([]);
      const next = (now: number, tag: number): string | undefined => broker.reply(now, "s1", tag, {})[1];
      expect([next(10, 1), next(11, 2), next(12, 3), next(13, 6)]).toEqual([
        "to s1: #3 ping",
        "to s1: #6 ping",
        "to s1: #4 ping",
        "to s1: #5 ping",
      ]);
    });

    it("turns away who has waited for half of the time there is, while there is time to ask again", () => {
      const broker = busy(1_000);
      expect(broker.request(10, "ben", { body, timeoutMs: 200 })).toEqual([]);
      broker.heartbeat(109, "s1");
      expect(broker.heartbeat(110, "s1")).toEqual([
        'to ben: error r1 {"code":"unavailable","message":"the servers have too much to do"}',
      ]);
      expect(broker.reply(120, "s1", 1, {})).toEqual(["to ann: reply r1 {}"]);
    });

    it("gives it no more while it works on what nobody waits for, and then does", () => {
      const broker = new BrokerScenario({ windowBytes: 40, requestBytes: 10, attemptTimeoutMs: 50 });
      broker.ready(0, "s1");
      for (const client of ["ann", "ben"]) broker.request(0, client, { body, timeoutMs: 50 });
      broker.heartbeat(60, "s1");
      expect(broker.request(61, "cat", { body })).toEqual([]);
      expect(broker.reply(70, "s1", 1, {})).toEqual(["to s1: #3 ping"]);
    });

    it("takes for lost what is not answered long after its client has gone", () => {
      const broker = busy(60_000);
      for (let now = 100; now <= 5_900; now += 100) broker.heartbeat(now, "s1");
      expect(broker.request(5_950, "ben", { body })).toEqual([]);
      expect(broker.heartbeat(6_050, "s1")).toContain("to s1: #3 ping");
    });

    it("gives it what is larger than all the room there is, when there is nothing else", () => {
      const broker = busy();
      expect(broker.request(1, "ben", { body: new Uint8Array(100) })).toEqual([]);
      expect(broker.reply(10, "s1", 1, {})).toEqual(["to ann: reply r1 {}"]);
      expect(broker.reply(11, "s1", 2, {})).toEqual(["to ann: reply r1 {}", "to s1: #3 ping"]);
    });

    it("gives it one request at a time about a list that is long, and one of each connection waits", () => {
      const broker = new BrokerScenario({ windowBytes: 256_000, largeBytes: 1_000_000 });
      broker.ready(0, "s1");
      const about = (now: number, client: string): string[] =>
        broker.request(now, client, { kind: "sync", listId: LIST, timeoutMs: 60_000 });
      expect(about(0, "ann")).toEqual(["to s1: #1 sync"]);
      broker.reply(1, "s1", 1, "x".repeat(2_000_000));
      expect(about(2, "ann")).toEqual(["to s1: #2 sync"]);
      expect(about(3, "ann")[0]).toMatch(/slow-down/);
      expect(about(4, "ben")).toEqual([]);
      expect(broker.reply(5, "s1", 2, "x".repeat(2_000_000))[1]).toBe("to s1: #3 sync");
    });

    it("takes a list for shorter again, each time that an answer about it was short", () => {
      const broker = new BrokerScenario({ windowBytes: 256_000, largeBytes: 1_000_000 });
      broker.ready(0, "s1");
      const isGiven = (now: number, client: string): boolean =>
        broker.request(now, client, { kind: "sync", listId: LIST, timeoutMs: 60_000 }).length > 0;
      let tag = 0;
      const answered = (now: number, text: string): void => {
        expect(isGiven(now, "ann")).toBe(true);
        broker.reply(now, "s1", ++tag, text);
      };
      answered(0, "x".repeat(2_000_000));
      for (let now = 1; now <= 6; now++) answered(now, "short");
      expect([isGiven(10, "ann"), isGiven(11, "ann"), isGiven(12, "ben")]).toEqual([true, true, true]);
    });

    it("gives what waits for it to another one where it is lost, and to itself where it comes back", () => {
      const broker = busy(60_000);
      broker.request(1, "ben", { body });
      expect(broker.ready(2, "s1", ["s1"], "s1-again")).toEqual(["to s1-again: members s1", "to s1-again: #3 ping"]);
      const other = busy(60_000);
      other.request(1, "ben", { body });
      other.ready(2, "s2", ["s1", "s2"]);
      const goodbye = { type: "server-message", connection: "s1", message: { type: "goodbye" } } as const;
      expect(other.at(3, goodbye)).toEqual(["to s2: #1 ping", "to s2: #2 ping"]);
      expect(other.reply(4, "s2", 1, {})).toEqual(["to ann: reply r1 {}", "to s2: #3 ping"]);
    });
  });
});
