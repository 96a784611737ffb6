import { expect, it } from "@jest/globals";
import { bindRouter } from "../../src/runtime/zeromq.js";
import { freePortBase } from "../../scripts/free-ports.js";

it("waits for a port that another process is about to let go, as a broker does that takes the place of itself", async () => {
  const endpoint = `tcp://127.0.0.1:${await freePortBase(52_000)}`;
  const first = await bindRouter(endpoint, {}, 1_000, () => undefined);
  const second = bindRouter(endpoint, {}, 1_000, () => undefined);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await first.close();
  await (await second).close();
});

it("says so where a port is not let go", async () => {
  const endpoint = `tcp://127.0.0.1:${await freePortBase(52_000)}`;
  const first = await bindRouter(endpoint, {}, 1_000, () => undefined);
  await expect(bindRouter(endpoint, {}, 1_000, () => undefined)).rejects.toThrow("in use");
  await first.close();
});
