import { brokerConfig } from "../../src/broker/config.js";
import { Router, type BrokerEffect, type BrokerEvent } from "../../src/broker/router.js";
import { decodeServerMessage, encodeBrokerMessage } from "../../src/protocol/broker-messages.js";
import { decodeClientRequest, encodeClientReply } from "../../src/protocol/frames.js";
import type { Network } from "./network.js";
import { SimDriver, type Host } from "./world.js";

const PLACE = { frontend: "f", backend: "b", updates: "u" };

/** A broker's process: the production router between two addresses. It forgets everything when it dies. */
export class SimBroker {
  constructor(
    readonly host: Host,
    readonly network: Network,
  ) {}

  get name(): string {
    return this.host.name;
  }

  start(): void {
    const { host, network, name } = this;
    host.isUp = true;
    host.run++;
    const router = new Router(brokerConfig(PLACE), `${name}-${host.run}`, 1 + host.world.below(2 ** 30) * 2 ** 20);
    const driver = new SimDriver<BrokerEvent, BrokerEffect>(host, router, (effect) => this.#perform(effect), {
      type: "tick",
    });
    network.open(host, `${name}/front`, (client, frames) =>
      driver.post({ type: "request", client, request: decodeClientRequest(frames) }),
    );
    network.open(host, `${name}/back`, (connection, frames) =>
      driver.post({ type: "server-message", connection, message: decodeServerMessage(frames) }),
    );
    driver.post({ type: "tick" });
  }

  crash(): void {
    this.host.isUp = false;
  }

  #perform(effect: BrokerEffect): void {
    const { name } = this;
    if (effect.type === "reply") {
      this.network.send(this.host, `${name}/front`, effect.client, encodeClientReply(effect.requestId, effect.reply));
    } else if (effect.type === "send") {
      this.network.send(this.host, `${name}/back`, effect.connection, encodeBrokerMessage(effect.message));
    }
  }
}
