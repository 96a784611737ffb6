import { expect, it } from "@jest/globals";
import { Router } from "zeromq";
import { bindRouter } from "../../src/runtime/zeromq.js";
import { freePortBase } from "../../scripts/free-ports.js";

it("waits for a port that another process is about to let go, as a broker does that takes the place of itself", async () => {
  const endpoint = `tcp://127.0.0.1:${await freePortBase(52_000)}`;
  const first = await bindRouter(endpoint, {}, 1_000, () => undefined);
  const second = bindRouter(endpoint, {}, 1_000, () => undefined);
  // It has been refused once by the time that somebody is who came after it.
  const other = new Router();
  await expect(other.bind(endpoint)).rejects.toThrow("in use");
  other.close();
  await first.close();
  await (await second).close();
});

it("says so where a port is not let go", async () => {
  const endpoint = `tcp://127.0.0.1:${await freePortBase(52_000)}`;
  const first = await bindRouter(endpoint, {}, 1_000, () => undefined);
  await expect(bindRouter(endpoint, {}, 1_000, () => undefined)).rejects.toThrow("in use");
  await first.close();
});
