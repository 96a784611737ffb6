import { rmSync } from "node:fs";
import { afterEach, describe, expect, it } from "@jest/globals";
import { DataFolder } from "../../src/client/data-folder.js";
import { Session } from "../../src/client/session.js";
import { Synchronizer } from "../../src/client/synchronizer.js";
import { Workspace } from "../../src/client/workspace.js";
import { decodeClientRequest, encodeClientReply, type Frame } from "../../src/protocol/frames.js";
import { decodeSyncRequest, encodeSyncReply } from "../../src/protocol/messages.js";
import { RequestSockets } from "../../src/runtime/zeromq.js";
import { temporaryFolder } from "../e2e/harness.js";

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
    const { delta } = decodeSyncRequest(body);
    const newest = [...(delta?.newest.values() ?? [])].map(({ stamp, value }) => ({ counter: stamp.time, id: value }));
    return encodeClientReply(
      requestId,
      encodeSyncReply({
        delta: null,
        serverSeen: null,
        newest: newest[0] ?? null,
        stored: 1,
        wanted: 2,
        replicas: 3,
        role: "owner",
        open: false,
      }),
    );
  }
}

describe("bringing a list level with the cluster", () => {
  const folder = DataFolder.open(temporaryFolder());
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
});
