import { afterEach, describe, expect, it, jest } from "@jest/globals";
import pg from "pg";
import { Primary } from "../../src/server/store/primary.js";

/** Hosts in the order of the URL: what each says of itself, and whether its next statement breaks off. */
interface Host {
  readonly isStandby: boolean;
  breaks: boolean;
}

/** A primary that is looked for among these, and what it has told. */
function among(hosts: readonly Host[]): { readonly primary: Primary; readonly told: readonly (string | null)[] } {
  class Pool {
    readonly #host: Host | undefined;

    constructor({ connectionString }: { readonly connectionString: string }) {
      this.#host = hosts[Number(/@h(\d)/.exec(connectionString)?.[1])];
    }

    on = jest.fn();
    end = jest.fn();

    query(text: string): Promise<{ rows: unknown[] }> {
      if (text.includes("pg_is_in_recovery")) return Promise.resolve({ rows: [{ standby: this.#host?.isStandby }] });
      if (this.#host?.breaks !== true) return Promise.resolve({ rows: [] });
      this.#host.breaks = false;
      return Promise.reject(new Error("the connection broke off"));
    }
  }
  jest
    .spyOn(pg, "Pool")
    .mockImplementation(((options: { readonly connectionString: string }) => new Pool(options)) as never);
  const told: (string | null)[] = [];
  const names = hosts.map((_, at) => `h${at}`).join(",");
  return { primary: new Primary(`postgres://u:p@${names}/db`, (problem) => told.push(problem)), told };
}

describe("the primary of a database", () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it("is told to be away, and to be back, once each", async () => {
    const host = { isStandby: false, breaks: false };
    const { primary, told } = among([host]);
    await primary.query("SELECT 1");
    host.breaks = true;
    await expect(primary.query("SELECT 1")).rejects.toThrow("broke off");
    await primary.query("SELECT 1");
    await primary.query("SELECT 1");
    expect(told).toEqual(["the connection broke off", null]);
  });

  it("is not told to be back where it never was away, as where the first host is a standby", async () => {
    const { primary, told } = among([
      { isStandby: true, breaks: false },
      { isStandby: false, breaks: false },
    ]);
    await primary.query("SELECT 1");
    expect(told).toEqual([]);
  });
});
