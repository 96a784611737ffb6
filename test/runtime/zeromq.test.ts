import { networkInterfaces } from "node:os";
import { expect, it } from "@jest/globals";
import { Router, Subscriber } from "zeromq";
import { feedEndpoint } from "../../src/client/watcher.js";
import { bindPublisher, bindRouter, connectDealer } from "../../src/runtime/zeromq.js";
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

const hasSix = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1") === true);

(hasSix ? it : it.skip)(
  "speaks IPv6 where an address is one, also to a feed that was bound to a wildcard",
  async () => {
    const endpoint = `tcp://[::1]:${await freePortBase(52_000)}`;
    const router = await bindRouter(endpoint, {}, 1_000, (peer, frames) => router.send(peer, frames));
    const answer = await new Promise<string>((resolve) => {
      const dealer = connectDealer(endpoint, {}, ([frame]) => {
        resolve(Buffer.from(frame ?? []).toString());
        void dealer.close();
      });
      dealer.send([Buffer.from("hello")]);
    });
    await router.close();
    expect([answer, feedEndpoint(endpoint, "tcp://[::]:5655")]).toEqual(["hello", "tcp://[::1]:5655"]);
  },
);

it("hears of no subscription that is longer than any topic, before it takes memory", async () => {
  const endpoint = `tcp://127.0.0.1:${await freePortBase(52_000)}`;
  const heard: number[] = [];
  let told: () => void = () => undefined;
  const short = new Promise<void>((resolve) => (told = resolve));
  const publisher = await bindPublisher(endpoint, {}, (topic) => {
    heard.push(topic.length);
    if (topic === "short") told();
  });
  const [long, other] = [new Subscriber({ linger: 0 }), new Subscriber({ linger: 0 })];
  long.connect(endpoint);
  long.subscribe("x".repeat(2 ** 20));
  // What comes over a connection made later is heard after the first was looked at, or dropped.
  await long.events.receive();
  other.connect(endpoint);
  other.subscribe("short");
  await short;
  expect(heard).toEqual(["short".length]);
  for (const socket of [long, other]) socket.close();
  await publisher.close();
});
