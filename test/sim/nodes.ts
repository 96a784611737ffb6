import { brokerConfig } from "../../src/broker/config.js";
import { Router, type BrokerEffect, type BrokerEvent } from "../../src/broker/router.js";
import { LocalList, type LocalListFile } from "../../src/client/local-list.js";
import type { Intent } from "../../src/client/intent.js";
import { RetryPolicy } from "../../src/client/retry-policy.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import {
  bodyFrame,
  decodeBrokerMessage,
  decodeClientReply,
  decodeClientRequest,
  decodeServerMessage,
  encodeBrokerMessage,
  encodeClientReply,
  encodeClientRequest,
  encodeServerMessage,
  type Frame,
  type ServerMessage,
} from "../../src/protocol/frames.js";
import type { Member } from "../../src/protocol/membership.js";
import { decodeError, decodeMembers, decodeSyncReply, encodeSyncRequest } from "../../src/protocol/messages.js";
import { BrokerLink, type LinkEffect, type LinkEvent } from "../../src/server/broker-link.js";
import { serverConfig } from "../../src/server/config.js";
import { Replica, type ReplicaEffect, type ReplicaEvent } from "../../src/server/replica.js";
import { Roster } from "../../src/server/roster.js";
import { SimDriver, type Network, type World } from "./world.js";

const PLACE = { frontend: "f", backend: "b", updates: "u" };

/** A broker's process: the production router between two addresses. It forgets everything when it dies. */
export class SimBroker {
  #driver: SimDriver<BrokerEvent, BrokerEffect> | null = null;
  #runs = 0;

  constructor(
    readonly world: World,
    readonly network: Network,
    readonly name: string,
  ) {}

  get isUp(): boolean {
    return this.#driver !== null;
  }

  start(): void {
    const router = new Router(brokerConfig(PLACE), `${this.name}-${++this.#runs}`);
    const driver = new SimDriver<BrokerEvent, BrokerEffect>(this.world, router, (effect) => this.#perform(effect), {
      type: "tick",
    });
    this.#driver = driver;
    this.network.open(`${this.name}/front`, (client, frames) => {
      // What is not read while no server lives is lost here sooner than in a socket; clients must bear that, too.
      if (router.acceptsRequests()) driver.post({ type: "request", client, request: decodeClientRequest(frames) });
    });
    this.network.open(`${this.name}/back`, (connection, frames) => {
      driver.post({ type: "server-message", connection, message: decodeServerMessage(frames) });
    });
    driver.post({ type: "tick" });
  }

  crash(): void {
    this.#driver?.stop();
    this.#driver = null;
    for (const side of ["front", "back"]) this.network.close(`${this.name}/${side}`);
  }

  #perform(effect: BrokerEffect): void {
    if (effect.type === "reply") {
      this.network.send(`${this.name}/front`, effect.client, encodeClientReply(effect.requestId, effect.reply));
    } else if (effect.type === "send") {
      this.network.send(`${this.name}/back`, effect.connection, encodeBrokerMessage(effect.message));
    }
  }
}

interface Append {
  readonly number: number;
  readonly listId: string;
  readonly delta: ShoppingList;
}

/** A server's process and its disk, which keeps what was flushed and, at a crash, perhaps more. */
export class SimServer {
  /** What is on disk: the join of the deltas that got there. */
  readonly #disk = new Map<string, ShoppingList>();
  #members: readonly Member[] = [];
  #run: { stop(): void } | null = null;
  #waiting: Append[] = [];
  #inFlight: Append[] = [];
  #sockets = 0;

  /** @param acknowledgesEarly a wrong variant: tells the core that something is on disk before it is */
  constructor(
    readonly world: World,
    readonly network: Network,
    readonly name: string,
    readonly brokers: readonly string[],
    readonly acknowledgesEarly: boolean,
  ) {}

  get isUp(): boolean {
    return this.#run !== null;
  }

  start(): void {
    const config = serverConfig({ id: this.name, brokers: this.brokers, publish: "p", dataDir: "d" });
    const roster = new Roster(this.name, "p", this.#members);
    this.#members = roster.members();
    const replica = new Replica(this.name, 1);
    const sockets = new Map<number, string>();
    const send = (broker: number, message: ServerMessage): void => {
      const address = sockets.get(broker);
      if (address !== undefined)
        this.network.send(address, `${this.brokers[broker] ?? ""}/back`, encodeServerMessage(message));
    };
    const perform = (effect: ReplicaEffect): void => {
      if (effect.type === "reply")
        send(effect.asker.broker, { type: "replies", replies: [{ tag: effect.asker.tag, ...effect.reply }] });
      else if (effect.type === "notify")
        this.brokers.forEach((_, broker) => send(broker, { type: "notice", topics: [effect.topic] }));
      else if (effect.type === "load") {
        const { listId } = effect;
        this.world.after(1 + this.world.below(5), () =>
          driver.post({ type: "loaded", listId, list: this.onDisk(listId).clone() }),
        );
      } else if (effect.type === "persist") this.#append(effect, driver);
      else throw new Error(effect.problem);
    };
    const driver = new SimDriver<ReplicaEvent, ReplicaEffect>(this.world, replica, perform, {
      type: "persisted",
      through: 0,
    });
    const links = this.brokers.map((_, broker) => {
      const link: SimDriver<LinkEvent, LinkEffect> = new SimDriver<LinkEvent, LinkEffect>(
        this.world,
        new BrokerLink(config),
        ({ type }) => {
          if (type === "announce") send(broker, { type: "ready", body: bodyFrame(roster.announcement()) });
          else if (type === "heartbeat")
            send(broker, { type, body: bodyFrame({ lists: 0, hints: 0, requests: replica.requests }) });
          else {
            this.network.close(sockets.get(broker) ?? "");
            sockets.delete(broker);
            if (type === "close") return;
            const address = `${this.name}/${++this.#sockets}`;
            sockets.set(broker, address);
            this.network.open(address, (_from, frames) => hear(broker, frames));
          }
        },
        { type: "tick" },
      );
      return link;
    });
    const hear = (broker: number, frames: readonly Frame[]): void => {
      const message = decodeBrokerMessage(frames);
      links[broker]?.post({ type: "heard", reannounce: message.type === "reannounce" });
      if (message.type === "requests") {
        for (const request of message.requests)
          driver.post({ type: "request", asker: { broker, tag: request.tag }, request });
      } else if (message.type === "members" && roster.learn(decodeMembers(message.body)).changed)
        this.#members = roster.members();
    };
    this.#run = {
      stop: () => {
        driver.stop();
        for (const link of links) link.stop();
        for (const address of sockets.values()) this.network.close(address);
      },
    };
    for (const link of links) link.post({ type: "tick" });
  }

  /** Loses what was not flushed; what was on its way may have arrived, in part. */
  crash(): void {
    this.#run?.stop();
    this.#run = null;
    this.#store(this.#inFlight.slice(0, this.world.below(this.#inFlight.length + 1)));
    this.#waiting = [];
    this.#inFlight = [];
  }

  /** The list as it is on disk. Not to be changed. */
  onDisk(listId: string): ShoppingList {
    return this.#disk.get(listId) ?? new ShoppingList();
  }

  #store(appends: readonly Append[]): void {
    for (const { listId, delta } of appends) {
      const list = this.#disk.get(listId) ?? new ShoppingList();
      list.join(delta);
      this.#disk.set(listId, list);
    }
  }

  #append(append: Append, driver: SimDriver<ReplicaEvent, ReplicaEffect>): void {
    // The store keeps its own copy, as bytes on a disk would be.
    this.#waiting.push({ ...append, delta: append.delta.clone() });
    if (this.acknowledgesEarly) this.world.after(0, () => driver.post({ type: "persisted", through: append.number }));
    if (this.#inFlight.length === 0) this.#flush(driver);
  }

  #flush(driver: SimDriver<ReplicaEvent, ReplicaEffect>): void {
    const run = this.#run;
    this.#inFlight = this.#waiting;
    this.#waiting = [];
    const last = this.#inFlight.at(-1);
    if (last === undefined) return;
    this.world.after(1 + this.world.below(30), () => {
      if (this.#run !== run) return;
      if (this.world.chance(0.02)) {
        this.#inFlight = [];
        this.#waiting = [];
        driver.post({ type: "persist-failed", problem: "the disk refuses" });
        return;
      }
      this.#store(this.#inFlight);
      this.#inFlight = [];
      driver.post({ type: "persisted", through: last.number });
      if (this.#inFlight.length === 0) this.#flush(driver);
    });
  }
}

/** A device: the production list in a file that is replaced whole, and a sync that may die at any step. */
export class SimClient {
  readonly #files = new Map<string, string>();
  /** The files as they were last read or written, so that reading is cheap while the process lives. */
  readonly #open = new Map<string, LocalList>();
  readonly #syncing = new Set<string>();
  #run = 0;
  #ids = 0;

  constructor(
    readonly world: World,
    readonly network: Network,
    readonly name: string,
    readonly brokers: readonly string[],
    readonly listIds: readonly string[],
  ) {
    for (const listId of listIds) this.#save(LocalList.create(listId, name, this.#newId()));
  }

  list(listId: string): LocalList {
    let list = this.#open.get(listId);
    if (list === undefined) {
      list = LocalList.fromFile(JSON.parse(this.#files.get(listId) ?? "null") as LocalListFile);
      this.#open.set(listId, list);
    }
    return list;
  }

  /** Makes a change as a command would: on disk when this returns. Answers the list as it is then. */
  change(listId: string, intent: Intent): LocalList {
    const list = this.list(listId);
    list.perform(intent, { id: this.#newId(), at: this.world.now });
    this.#save(list);
    return list;
  }

  /** Whatever was under way is forgotten; the files stay. */
  crash(): void {
    this.#run++;
    this.#syncing.clear();
    this.#open.clear();
  }

  sync(listId: string): void {
    if (this.#syncing.has(listId)) return;
    this.#syncing.add(listId);
    this.#exchange(listId, this.#run, this.world.now + 5_000);
  }

  #exchange(listId: string, run: number, deadline: number): void {
    const request = this.list(listId).request();
    const policy = new RetryPolicy(this.brokers, this.world.below(this.brokers.length), deadline);
    const requestId = this.#newId();
    const attempt = (): void => {
      if (run !== this.#run) return;
      const next = policy.next(this.world.now, this.world.random());
      if (next === null) {
        this.#syncing.delete(listId);
        return;
      }
      this.world.after(next.waitMs, () => {
        const address = `${this.name}/${this.#newId()}`;
        let isOver = false;
        const end = (): void => {
          isOver = true;
          this.network.close(address);
        };
        this.network.open(address, (_from, frames) => {
          end();
          if (run === this.#run && !this.#takeIn(listId, request, frames, run, deadline)) attempt();
        });
        const body = encodeSyncRequest(request);
        const timeoutMs = Math.ceil(next.timeoutMs);
        this.network.send(
          address,
          `${next.broker}/front`,
          encodeClientRequest({ kind: "sync", requestId, listId, timeoutMs, token: "", body }),
        );
        this.world.after(next.timeoutMs, () => {
          if (isOver) return;
          end();
          attempt();
        });
      });
    };
    attempt();
  }

  /** Answers false where the cluster could not answer and the next attempt is due. */
  #takeIn(
    listId: string,
    request: ReturnType<LocalList["request"]>,
    frames: readonly Frame[],
    run: number,
    deadline: number,
  ): boolean {
    const reply = decodeClientReply(frames);
    const list = this.list(listId);
    if (reply.kind === "error") {
      const error = decodeError(reply.body);
      if (error.code === "unavailable" || error.code === "storage-failed") return false;
      if (error.code === "internal") throw new Error(error.message);
      const { type } = list.onRefusal(request, error, () => this.#newId());
      this.#save(list);
      if (type === "again") this.#exchange(listId, run, deadline);
      else this.#syncing.delete(listId);
      return true;
    }
    const { type } = list.onReply(request, decodeSyncReply(reply.body));
    this.#save(list);
    if (type === "level") this.#syncing.delete(listId);
    else this.#exchange(listId, run, deadline);
    return true;
  }

  #save(list: LocalList): void {
    this.#files.set(list.id, JSON.stringify(list.toFile()));
    this.#open.set(list.id, list);
  }

  #newId(): string {
    return `${this.name}-${++this.#ids}`;
  }
}
