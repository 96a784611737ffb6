import type { Frame } from "../../src/protocol/frames.js";
import type { Host, World } from "./world.js";

export interface NetworkFaults {
  readonly drop: number;
  readonly duplicate: number;
  readonly longestDelayMs: number;
}

export const CALM: NetworkFaults = { drop: 0, duplicate: 0, longestDelayMs: 5 };

const decoder = new TextDecoder();

type Receive = (from: string, frames: readonly Frame[]) => void;

/** A subscriber's connection to one publisher. */
export interface Subscription {
  readonly host: Host;
  readonly run: number;
  readonly endpoint: string;
  topics: ReadonlySet<string>;
  readonly receive: (frames: readonly Frame[]) => void;
  /** Which start of the publisher it is connected to; 0 while it is to none. */
  connectedTo: number;
  isClosed: boolean;
}

interface Publisher {
  readonly host: Host;
  readonly onSubscribe: (topic: string) => void;
}

/** How long a subscriber waits before it tries to connect again. */
const RECONNECT_MS = 200;

/** Messages between hosts: late, lost, doubled and overtaking each other, and not at all across a cut. */
export class Network {
  faults: NetworkFaults = CALM;
  readonly #receivers = new Map<string, { readonly host: Host; readonly run: number; readonly receive: Receive }>();
  readonly #publishers = new Map<string, Publisher>();
  readonly #subscriptions = new Map<string, Set<Subscription>>();
  /** One-way cuts, as `from>to`. */
  readonly #cuts = new Set<string>();

  constructor(readonly world: World) {}

  /** Receives at an address until the host's process ends or the address is closed. */
  open(host: Host, address: string, receive: Receive): void {
    this.#receivers.set(address, { host, run: host.run, receive });
  }

  close(address: string): void {
    this.#receivers.delete(address);
  }

  cut(from: Host, to: Host): void {
    this.#cuts.add(`${from.name}>${to.name}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  send(from: Host, fromAddress: string, to: string, frames: readonly Frame[]): void {
    const receiver = this.#receivers.get(to);
    if (receiver === undefined) return;
    // What was sent to a process does not reach the next one at its address.
    this.#carry(() => {
      if (this.#receivers.get(to) !== receiver || receiver.host.run !== receiver.run) return;
      this.#deliver(from, receiver.host, frames, () => receiver.receive(fromAddress, frames));
    });
  }

  /** Publishes from now on. Whoever wants to subscribe here finds it soon. */
  bind(endpoint: string, publisher: Publisher): void {
    this.#publishers.set(endpoint, publisher);
    for (const subscription of this.#subscriptions.get(endpoint) ?? []) this.#connectSoon(subscription);
  }

  publish(endpoint: string, frames: readonly Frame[]): void {
    const publisher = this.#publishers.get(endpoint);
    if (publisher === undefined) return;
    const topic = decoder.decode(frames[0]);
    const { host } = publisher;
    for (const subscription of this.#subscriptions.get(endpoint) ?? []) {
      if (subscription.connectedTo !== host.run || !subscription.topics.has(topic)) continue;
      this.#carry(() => {
        if (subscription.isClosed || subscription.run !== subscription.host.run) return;
        this.#deliver(host, subscription.host, frames, () => subscription.receive(frames));
      });
    }
  }

  subscribe(subscription: Subscription): void {
    let all = this.#subscriptions.get(subscription.endpoint);
    if (all === undefined) this.#subscriptions.set(subscription.endpoint, (all = new Set()));
    all.add(subscription);
    this.#connectSoon(subscription);
  }

  /** Says what the subscriber wants now; a publisher that is connected hears of what is new. */
  listen(subscription: Subscription, topics: ReadonlySet<string>): void {
    const added = [...topics].filter((topic) => !subscription.topics.has(topic));
    subscription.topics = topics;
    this.#tell(subscription, added);
  }

  unsubscribe(subscription: Subscription): void {
    subscription.isClosed = true;
    this.#subscriptions.get(subscription.endpoint)?.delete(subscription);
  }

  #connectSoon(subscription: Subscription): void {
    this.world.after(1 + this.world.below(20), () => this.#connect(subscription));
  }

  #connect(subscription: Subscription): void {
    if (subscription.isClosed || subscription.run !== subscription.host.run || !subscription.host.isUp) {
      this.unsubscribe(subscription);
      return;
    }
    const host = this.#publishers.get(subscription.endpoint)?.host;
    if (host === undefined || (host.isUp && subscription.connectedTo === host.run)) return;
    if (!host.isUp || this.#isCut(host, subscription.host) || this.#isCut(subscription.host, host)) {
      this.world.after(RECONNECT_MS, () => this.#connect(subscription));
      return;
    }
    subscription.connectedTo = host.run;
    this.#tell(subscription, [...subscription.topics]);
  }

  #tell(subscription: Subscription, topics: readonly string[]): void {
    const publisher = this.#publishers.get(subscription.endpoint);
    if (publisher?.host.run !== subscription.connectedTo) return;
    // Subscriptions to what is written, of which there are many, mean nothing to a publisher.
    const introductions = topics.filter((topic) => !topic.startsWith("holders/"));
    publisher.host.whenAwake(() => {
      for (const topic of introductions) publisher.onSubscribe(topic);
    });
  }

  #isCut(from: Host, to: Host): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from.name}>${to.name}`);
  }

  /** Once, twice or not at all, after a while each. */
  #carry(deliver: () => void): void {
    const { drop, duplicate, longestDelayMs } = this.faults;
    if (drop > 0 && this.world.chance(drop)) return;
    const copies = duplicate > 0 && this.world.chance(duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) this.world.after(1 + this.world.below(longestDelayMs), deliver);
  }

  #deliver(from: Host, to: Host, frames: readonly Frame[], receive: () => void): void {
    if (!to.isUp || this.#isCut(from, to)) return;
    let length = 0;
    for (const frame of frames) length = (length * 31 + frame.byteLength + (frame[frame.byteLength >> 1] ?? 0)) | 0;
    this.world.note(length ^ (from.number << 8) ^ (to.number << 16));
    to.whenAwake(receive);
  }
}
