import { describe, expect, it } from "@jest/globals";
import { decodeAccessReply } from "../../src/protocol/access-messages.js";
import { decodeAccountReply } from "../../src/protocol/account-messages.js";
import { decodeStatus, decodeWhere } from "../../src/protocol/cluster-messages.js";
import { bodyFrame } from "../../src/protocol/frames.js";

const ESCAPE = `${String.fromCharCode(27)}]0;owned`;
const [counts, copies] = [
  { stored: 2, wanted: 2 },
  { stored: 2, wanted: 2, replicas: 3 },
];
const login = { id: "0123456789", label: "", at: 1 };
const account = { account: { id: "_a1", name: "ann" }, token: null, login: login.id, logins: [login], ...counts };
const access = { role: "owner", visibility: "private", version: 2, members: [], invitations: [], ...copies };
const server = { id: "s1", status: "member", alive: true, partitions: 1, lists: 1, hints: 0, requests: 1 };
const status = { epoch: "e", updates: "tcp://127.0.0.1:1", replication: null, counters: {}, servers: [server] };
const where = { partition: 1, wanted: 2, replicas: 3, copies: [] };

describe("an answer", () => {
  it.each<[string, (body: Uint8Array) => unknown, object]>([
    ["about an account", decodeAccountReply, account],
    ["about members", decodeAccessReply, access],
    ["of a broker", decodeStatus, status],
    ["about copies", decodeWhere, where],
  ])("%s may say more than this version knows", (_what, decode, body) => {
    expect(decode(bodyFrame({ ...body, aFieldOfLater: 1 }))).toEqual(body);
  });

  it.each<[string, (body: Uint8Array) => unknown, object]>([
    ["a login", decodeAccountReply, { ...account, logins: [{ ...login, id: ESCAPE }] }],
    ["a member", decodeAccessReply, { ...access, members: [{ id: ESCAPE, name: "", role: "viewer" }] }],
    ["a server", decodeStatus, { ...status, servers: [{ ...server, id: ESCAPE }] }],
    ["a copy", decodeWhere, { ...where, copies: [{ server: ESCAPE, role: "owner", answered: true, digest: null }] }],
  ])("names %s by nothing that could steer a terminal", (_what, decode, body) => {
    expect(() => decode(bodyFrame(body))).toThrow(/malformed|body/);
  });
});
