import { ProtocolError } from "../protocol/errors.js";
import {
  decodeClientRequest,
  decodeServerMessage,
  encodeBrokerMessage,
  encodeClientReply,
  encodeUpdate,
  salvageRequestId,
  type Frame,
} from "../protocol/frames.js";
import { errorReply } from "../protocol/messages.js";
import { isTopic } from "../protocol/ids.js";
import { Driver } from "../runtime/driver.js";
import { asBack, asFront } from "../runtime/curve.js";
import type { CurveKeys } from "../runtime/key-files.js";
import type { Logger } from "../runtime/logger.js";
import { randomId, randomTag } from "../runtime/rng.js";
import { bindPublisher, bindRouter } from "../runtime/zeromq.js";
import type { BrokerConfig } from "./config.js";
import { Router, type BrokerEffect, type BrokerEvent } from "./router.js";

/** Null where it talks in clear text. */
export interface BrokerKeys {
  readonly front: CurveKeys;
  readonly back: CurveKeys;
}

export interface RunningBroker {
  stop(): Promise<void>;
}

/** Binds the broker's three sockets and runs the router between them. @throws where an endpoint cannot be bound */
export async function startBroker(
  config: BrokerConfig,
  keys: BrokerKeys | null,
  logger: Logger,
): Promise<RunningBroker> {
  const router = new Router(config, randomId(), randomTag());
  const onError = (error: unknown): void => logger.warn({ event: "message-refused", problem: String(error) });
  const driver = new Driver<BrokerEvent, BrokerEffect>(router, perform, { type: "tick" }, onError);

  const front = asFront(keys?.front ?? null);
  const updates = await bindPublisher(config.updates, front, (topic) => {
    if (isTopic(topic)) driver.post({ type: "subscribed", topic });
  });
  // REQ puts an empty frame between the routing id and the message; so does whoever speaks to this socket rightly.
  const frontend = await bindRouter(config.frontend, front, (client, [delimiter, ...frames]) => {
    if (delimiter?.byteLength !== 0) return;
    try {
      driver.post({ type: "request", client, request: decodeClientRequest(frames) });
    } catch (error) {
      refuse(client, frames, error);
    }
  });
  // The back comes last: its messages lead to effects on the other two.
  const backend = await bindRouter(config.backend, asBack(keys?.back ?? null), (connection, frames) => {
    try {
      driver.post({ type: "server-message", connection, message: decodeServerMessage(frames) });
    } catch (error) {
      onError(error);
    }
  });

  function refuse(client: string, frames: readonly Frame[], error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    const reply = errorReply({ code: error.code, message: error.message });
    answer(client, salvageRequestId(frames), reply);
  }

  function answer(client: string, requestId: string, reply: ReturnType<typeof errorReply>): void {
    frontend.send(client, [new Uint8Array(0), ...encodeClientReply(requestId, reply)]);
  }

  function perform(effect: BrokerEffect): void {
    switch (effect.type) {
      case "reply":
        answer(effect.client, effect.requestId, effect.reply);
        break;
      case "send":
        backend.send(effect.connection, encodeBrokerMessage(effect.message));
        break;
      case "publish":
        updates.publish(encodeUpdate(effect.update));
        break;
      case "log":
        logger.info({ event: effect.event, ...effect.facts });
        break;
    }
  }

  driver.post({ type: "tick" });
  logger.info({ event: "broker-started", ...config, epoch: router.epoch });
  return {
    async stop() {
      driver.stop();
      await Promise.all([frontend.close(), backend.close(), updates.close()]);
      logger.info({ event: "broker-stopped" });
    },
  };
}
