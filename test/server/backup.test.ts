import * as files from "node:fs/promises";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it, jest } from "@jest/globals";

const folder = mkdtempSync(join(tmpdir(), "aisle-backup-"));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("a backup has what was in a pack that goes while it is being listed, from the one that took its place", async () => {
  const [from, to] = [join(folder, "server"), join(folder, "backup")];
  const packs = join(from, "snapshots");
  mkdirSync(join(from, "journal"), { recursive: true });
  mkdirSync(packs);
  writeFileSync(join(packs, "00000001.jsonl"), "all there is");
  let isListed = false;
  jest.unstable_mockModule("node:fs/promises", () => ({
    ...files,
    readdir: async (path: string) => {
      const names = await files.readdir(path);
      if (path === packs && !isListed) renameSync(join(packs, "00000001.jsonl"), join(packs, "00000002.jsonl"));
      isListed ||= path === packs;
      return names;
    },
  }));
  const { copyStore } = await import("../../src/server/store/backup.js");
  expect(await copyStore(from, to)).toBe(1);
  expect(readdirSync(join(to, "snapshots"))).toEqual(["00000002.jsonl"]);
  expect(readFileSync(join(to, "snapshots", "00000002.jsonl"), "utf8")).toBe("all there is");
});
