import { afterAll, afterEach, describe, expect, it } from "@jest/globals";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalList } from "../../src/client/local-list.js";
import { unreachable, type Session } from "../../src/client/session.js";
import type { Synchronizer } from "../../src/client/synchronizer.js";
import { Watcher } from "../../src/client/watcher.js";

describe("a watcher", () => {
  const folder = mkdtempSync(join(tmpdir(), "aisle-watcher-"));
  const list = LocalList.create("00000000-0000-4000-8000-000000000000", "device", "replica", null);
  list.perform({ type: "rename", name: "Groceries" }, { id: "1", at: 0 });
  let watcher: Watcher | null = null;

  afterEach(() => watcher?.stop());
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("tries again after longer and longer pauses where too few servers store a change, or no answer can be read", async () => {
    const asked = { fetch: 0, status: 0 };
    const synchronizer = {
      folder: { listsPath: folder, readList: () => list },
      synchronize: async () => {
        asked.fetch++;
        await answered();
        return { list: list.id, pushed: 0, fetched: 0, pending: 1, stored: null, refusal: null };
      },
      remember: () => Promise.resolve(),
    };
    const session = {
      status: async () => {
        asked.status++;
        await answered();
        throw unreachable("it does not speak this protocol", []);
      },
    };
    let onAsked = (): void => undefined;
    const answered = async (): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (Math.min(asked.fetch, asked.status) >= 3) onAsked();
    };
    const ignore = (): void => undefined;
    watcher = new Watcher(list.id, synchronizer as unknown as Synchronizer, session as unknown as Session, {
      onList: ignore,
      onReachable: ignore,
      onFailure: (error) => {
        throw error;
      },
    });
    const began = performance.now();
    watcher.start();
    watcher.sync();
    await new Promise<void>((resolve) => (onAsked = resolve));
    // 250 and 500 ms; how much later than that says how busy the machine is.
    expect(performance.now() - began).toBeGreaterThan(700);
  });

  it("sends and fetches where the feed cannot be had, as behind a wall that lets requests through alone", async () => {
    const nowhere = "tcp://127.0.0.1:1";
    const reachable = new Promise<boolean>((resolve) => {
      const synchronizer = {
        folder: { listsPath: folder, readList: () => list },
        synchronize: () => Promise.resolve({ pending: 0, refusal: null }),
        remember: () => Promise.resolve(),
      };
      const session = { status: () => Promise.resolve({ value: { updates: nowhere }, broker: nowhere }) };
      watcher = new Watcher(list.id, synchronizer as unknown as Synchronizer, session as unknown as Session, {
        onList: () => undefined,
        onReachable: resolve,
        onFailure: () => resolve(false),
      });
      watcher.start();
    });
    expect(await reachable).toBe(true);
  });
});
