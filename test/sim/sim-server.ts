import { Document, documentDigest } from "../../src/crdt/document.js";
import type { ShoppingList } from "../../src/crdt/shopping-list.js";
import { decodeBrokerMessage, encodeServerMessage } from "../../src/protocol/broker-messages.js";
import { wordFrame } from "../../src/protocol/frames.js";
import type { Member } from "../../src/protocol/membership.js";
import {
  decodePeerMessage,
  encodePeerMessage,
  introducedBy,
  peerHeadFrames,
  splitPeerFrames,
} from "../../src/protocol/peer-messages.js";
import { deviceOf, readCredentials } from "../../src/protocol/identity.js";
import type { Caller } from "../../src/server/caller.js";
import { serverConfig } from "../../src/server/config.js";
import { ServerNode } from "../../src/server/node.js";
import type { ServerEffect, ServerEvent } from "../../src/server/turn.js";
import type { Network, Subscription } from "./network.js";
import { SimDriver, type Host, type World } from "./world.js";

interface Append {
  readonly number: number;
  readonly listId: string;
  readonly delta: Document;
}

export interface DiskFaults {
  /** The chance that a flush is refused. */
  readonly refuse: number;
  readonly longestFlushMs: number;
}

export const SOUND_DISK: DiskFaults = { refuse: 0, longestFlushMs: 5 };

/** Ways to get a server wrong, which the checkers have to notice. */
export interface ServerVariant {
  /** Tells the core that something is on disk before it is. */
  readonly acknowledgesEarly?: boolean;
  /** Keeps lists that belong to other servers in memory alone. */
  readonly keepsHintsInMemory?: boolean;
}

function endpointOf(name: string): string {
  return `tcp://${name}:1`;
}

/** A server's process and its disk, which keeps what was flushed and, at a crash, perhaps more. */
export class SimServer {
  /** What is on disk: the join of the deltas that got there. */
  readonly #disk = new Map<string, Document>();
  /** What a wrong variant has where a disk should be. */
  readonly #memory = new Map<string, Document>();
  /** What was let go of in this run. */
  readonly #dropped = new Map<string, Document>();
  #members: readonly Member[] = [];
  #waiting: Append[] = [];
  #inFlight: Append[] = [];
  #node: ServerNode | null = null;
  #hasLeft = false;
  readonly #sockets = new Map<number, string>();
  readonly #subscriptions = new Map<string, Subscription>();
  #topics: ReadonlySet<string> = new Set();
  #socketNumber = 0;
  #saves = 0;
  #saved = 0;
  faults: DiskFaults = SOUND_DISK;

  constructor(
    readonly host: Host,
    readonly network: Network,
    readonly brokers: readonly string[],
    readonly peers: readonly string[],
    readonly variant: ServerVariant,
  ) {}

  get name(): string {
    return this.host.name;
  }

  get world(): World {
    return this.host.world;
  }

  /** The process, while it runs. */
  get node(): ServerNode | null {
    return this.host.isUp ? this.#node : null;
  }

  /** Whether it is gone from the cluster for good. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  start(): void {
    if (this.#hasLeft) return;
    const { host, network, name } = this;
    host.isUp = true;
    host.run++;
    this.#sockets.clear();
    this.#subscriptions.clear();
    this.#topics = new Set();
    this.#memory.clear();
    const config = serverConfig({
      id: name,
      brokers: this.brokers.map(endpointOf),
      publish: endpointOf(name),
      peers: this.peers.map(endpointOf),
      dataDir: "d",
      residentLists: 2,
    });
    const firstTag = 1 + this.world.below(2 ** 30) * 2 ** 20;
    // What was written last a store has to read before it knows its digest.
    const digestOf = (document: Document): string | null => (host.run % 2 === 0 ? documentDigest(document) : null);
    const lists = new Map([...this.#disk].map(([listId, document]) => [listId, digestOf(document)]));
    const node = new ServerNode(config, { firstTag, members: this.#members, lists });
    this.#node = node;
    const driver = new SimDriver<ServerEvent, ServerEffect>(host, node, (effect) => this.#perform(effect, driver), {
      type: "tick",
    });
    network.bind(endpointOf(name), {
      host,
      onSubscribe: (topic) => {
        const member = introducedBy(topic);
        if (member !== null) driver.post({ type: "introduced", member });
      },
    });
    driver.performAll(node.start(host.now));
  }

  /** Loses what was not flushed; what was on its way may have arrived, in part. */
  crash(): void {
    this.host.isUp = false;
    this.#store(this.#inFlight.slice(0, this.world.below(this.#inFlight.length + 1)));
    this.#waiting = [];
    this.#inFlight = [];
    for (const [listId, list] of this.#dropped) {
      if (this.world.chance(0.5)) this.#store([{ number: 0, listId, delta: list }]);
    }
    this.#dropped.clear();
  }

  /** The disk is replaced by an empty one. */
  wipe(): void {
    this.#disk.clear();
    this.#dropped.clear();
    this.#members = [];
  }

  /** The lists on disk. */
  stored(): Iterable<string> {
    return this.#disk.keys();
  }

  /** The list as it is on disk, or null. Not to be changed. */
  onDisk(listId: string): ShoppingList | null {
    return this.#disk.get(listId)?.list ?? null;
  }

  /** The same with all that belongs to it. */
  documentOnDisk(listId: string): Document | null {
    return this.#disk.get(listId) ?? null;
  }

  #perform(effect: ServerEffect, driver: SimDriver<ServerEvent, ServerEffect>): void {
    const { host, network, name } = this;
    switch (effect.type) {
      case "publish":
        network.publish(endpointOf(name), [
          wordFrame(effect.topic),
          ...peerHeadFrames(name),
          ...encodePeerMessage(effect.message),
        ]);
        break;
      case "to-broker":
        this.#toBroker(effect.broker, encodeServerMessage(effect.message));
        break;
      case "notify":
        this.brokers.forEach((_, broker) =>
          this.#toBroker(broker, encodeServerMessage({ type: "notice", topics: [effect.topic] })),
        );
        break;
      case "open-broker": {
        const address = `${name}/${++this.#socketNumber}`;
        this.#sockets.set(effect.broker, address);
        network.open(host, address, (_from, frames) => this.#onBroker(effect.broker, frames, driver));
        break;
      }
      case "close-broker":
        network.close(this.#sockets.get(effect.broker) ?? "");
        this.#sockets.delete(effect.broker);
        break;
      case "connect":
        this.#connect(effect.endpoint, driver);
        break;
      case "disconnect": {
        const subscription = this.#subscriptions.get(effect.endpoint);
        this.#subscriptions.delete(effect.endpoint);
        if (subscription !== undefined) network.unsubscribe(subscription);
        break;
      }
      case "listen":
        this.#topics = new Set(effect.topics);
        for (const subscription of this.#subscriptions.values()) network.listen(subscription, this.#topics);
        break;
      case "load": {
        const { listId } = effect;
        this.#later(1 + this.world.below(3), () => {
          if (this.faults.refuse > 0 && this.world.chance(this.faults.refuse)) {
            driver.post({ type: "load-failed", listId, problem: "the disk refuses" });
            return;
          }
          const list = this.#disk.get(listId) ?? this.#memory.get(listId);
          driver.post({ type: "loaded", listId, list: list?.clone() ?? null });
        });
        break;
      }
      case "work":
        this.#later(1, () => driver.post({ type: "worked", job: effect.job, result: null }));
        break;
      case "persist":
        this.#append(effect, driver);
        break;
      case "drop":
        this.#drop(effect.listId);
        break;
      case "save-members":
        this.#saveMembers(effect.members);
        break;
      case "log":
        if (effect.event === "request-failed") throw new Error(JSON.stringify(effect.facts));
        break;
      case "stop":
        // It need not have that on its disk: one that lost it leaves itself out of what it remembers.
        if (
          effect.reason !== null &&
          !this.#node?.members.some(({ id, status }) => id === name && status === "removed")
        )
          throw new Error(effect.reason);
        this.world.trace(`${name} has left`);
        this.#hasLeft = true;
        this.crash();
        break;
    }
  }

  #onBroker(broker: number, frames: readonly Uint8Array[], driver: SimDriver<ServerEvent, ServerEffect>): void {
    const message = decodeBrokerMessage(frames);
    if (message.type !== "requests") driver.post({ type: "broker", broker, message });
    else
      for (const { tag, request } of message.requests)
        driver.post({ type: "request", broker, tag, request, caller: callerOf(request.token) });
  }

  /** Lets go of a list, in such a way that a crash may bring it back. */
  #drop(listId: string): void {
    const list = this.#disk.get(listId);
    if (list !== undefined) this.#dropped.set(listId, list);
    this.#disk.delete(listId);
    this.#memory.delete(listId);
  }

  /** One write after the other, as the shell does it. */
  #saveMembers(members: readonly Member[]): void {
    const number = ++this.#saves;
    this.#later(this.world.below(this.faults.longestFlushMs), () => {
      if (number < this.#saved) return;
      this.#saved = number;
      this.#members = members;
    });
  }

  #later(delayMs: number, work: () => void): void {
    const { run } = this.host;
    this.world.after(delayMs, () => {
      if (this.host.isUp && this.host.run === run) work();
    });
  }

  #toBroker(broker: number, frames: Uint8Array[]): void {
    const address = this.#sockets.get(broker);
    if (address !== undefined) this.network.send(this.host, address, `${this.brokers[broker] ?? ""}/back`, frames);
  }

  #connect(endpoint: string, driver: SimDriver<ServerEvent, ServerEffect>): void {
    const subscription: Subscription = {
      host: this.host,
      run: this.host.run,
      endpoint,
      topics: this.#topics,
      receive: ([, ...frames]) => {
        const { from, messages } = splitPeerFrames(frames);
        for (const message of messages) driver.post({ type: "peer", from, message: decodePeerMessage(message) });
      },
      connectedTo: 0,
      isClosed: false,
    };
    this.#subscriptions.set(endpoint, subscription);
    this.network.subscribe(subscription);
  }

  #store(appends: readonly Append[]): void {
    for (const { listId, delta } of appends) {
      const isHint = this.#node !== null && !this.#node.owns(listId);
      const place = isHint && this.variant.keepsHintsInMemory === true ? this.#memory : this.#disk;
      const list = place.get(listId) ?? new Document();
      list.join(delta);
      place.set(listId, list);
    }
  }

  #append(append: Append, driver: SimDriver<ServerEvent, ServerEffect>): void {
    // The store keeps its own copy, as bytes on a disk would be.
    this.#waiting.push({ ...append, delta: append.delta.clone() });
    if (this.variant.acknowledgesEarly === true)
      this.#later(0, () => driver.post({ type: "persisted", through: append.number }));
    if (this.#inFlight.length === 0) this.#flush(driver);
  }

  #flush(driver: SimDriver<ServerEvent, ServerEffect>): void {
    this.#inFlight = this.#waiting;
    this.#waiting = [];
    const last = this.#inFlight.at(-1);
    if (last === undefined) return;
    this.#later(1 + this.world.below(this.faults.longestFlushMs), () => {
      if (this.faults.refuse > 0 && this.world.chance(this.faults.refuse)) {
        this.world.trace(`${this.name}'s disk refuses`);
        // Some of it may be there all the same.
        this.#store(this.#inFlight.slice(0, this.world.below(this.#inFlight.length + 1)));
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

/** Credentials are what they say: signatures are not what is played here. */
function callerOf(token: string): Caller {
  const { device } = readCredentials(token);
  return {
    device: device === null ? null : deviceOf(device),
    claims: null,
    isOperator: true,
    problem: null,
    at: 0,
  };
}
