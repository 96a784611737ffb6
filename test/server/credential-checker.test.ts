import { describe, expect, it } from "@jest/globals";
import { writeCredentials } from "../../src/protocol/identity.js";
import { CredentialChecker } from "../../src/server/credential-checker.js";

const claims = { account: "an-account", name: "ann", login: "a-login" };
const keys = { keys: [{ id: "1", secret: Buffer.alloc(32, 7).toString("base64url") }] };

describe("a server that has just started", () => {
  it("takes good tokens for good, however many come while it still reads its keys", async () => {
    const { token } = await new CredentialChecker(() => Promise.resolve(keys), null).sign(claims);
    let read: (value: typeof keys) => void = () => undefined;
    const checker = new CredentialChecker(() => new Promise((resolve) => (read = resolve)), null);
    const request = {
      kind: "ping",
      requestId: "r",
      listId: null,
      serverId: null,
      timeoutMs: 1,
      body: new Uint8Array(),
      token: writeCredentials({ device: null, account: token, operator: null }),
    } as const;
    const checks = [checker.check(request), checker.check(request)];
    await Promise.resolve();
    read(keys);
    for (const check of checks) expect(await check).toMatchObject({ claims, problem: null });
  });
});
