import { LocalList } from "../../src/client/local-list.js";
import type { LocalListFile } from "../../src/client/local-list-file.js";
import type { Intent } from "../../src/client/intent.js";
import { RetryPolicy } from "../../src/client/retry-policy.js";
import {
  bodyFrame,
  decodeClientReply,
  encodeClientRequest,
  type Reply,
  type Request,
} from "../../src/protocol/frames.js";
import {
  decodeAccessReply,
  encodeAccessRequest,
  type AccessReply,
  type AccessRequest,
} from "../../src/protocol/access-messages.js";
import { ERROR_CODES } from "../../src/protocol/errors.js";
import { decodeError, decodeSyncReply, encodeSyncRequest } from "../../src/protocol/messages.js";
import { deviceOf, listIdOf, writeCredentials } from "../../src/protocol/identity.js";
import type { Visibility } from "./doors.js";
import type { Network } from "./network.js";
import type { Host, World } from "./world.js";

const SYNC_BUDGET_MS = 5_000;
const BELOW_PAUSE_MS = 250;

type Question = Pick<Request, "kind" | "listId" | "serverId" | "body">;

/** The devices of a household are one to the cluster, with the right to found every list; a guest is somebody else. */
const SECRETS = { household: "a-household-of-devices-", guest: "the-device-of-a-guest--" } as const;

export type Party = keyof typeof SECRETS;

const nonceByList = new Map<string, string>();

/** The ids of so many lists that these devices may found. */
export function foundable(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const nonce = `nonce-of-the-list-number-${index}`;
    const listId = listIdOf(deviceOf(SECRETS.household), nonce);
    nonceByList.set(listId, nonce);
    return listId;
  });
}

function nonceOf(listId: string): string {
  return nonceByList.get(listId) ?? "";
}

/** A device: the production list in a file that is replaced whole, and a sync that may die at any step. */
export class SimClient {
  readonly #files = new Map<string, string>();
  /** The files as they were last read or written, so that reading is cheap while the process lives. */
  readonly #open = new Map<string, LocalList>();
  readonly #syncing = new Set<string>();
  readonly #token: string;
  /** The lists that it was last told it may not see. */
  readonly shutOut = new Set<string>();
  #ids = 0;
  /** Called after every answer that was taken in. */
  onAnswered: () => void = () => undefined;
  /** What its wall clock is off. */
  wallClockError = 0;

  constructor(
    readonly host: Host,
    readonly network: Network,
    readonly brokers: readonly string[],
    readonly listIds: readonly string[],
    party: Party,
  ) {
    host.isUp = true;
    this.#token = writeCredentials({ device: SECRETS[party], account: null, operator: null });
    for (const listId of listIds) {
      const proof = { nonce: nonceOf(listId), by: "device", open: false } as const;
      const founding = party === "household" ? proof : null;
      this.#save(LocalList.create(listId, host.name, this.#newId(), founding));
    }
  }

  get name(): string {
    return this.host.name;
  }

  get world(): World {
    return this.host.world;
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
    list.perform(intent, { id: this.#newId(), at: Math.max(0, Math.round(this.world.now + this.wallClockError)) });
    this.#save(list);
    return list;
  }

  /** Whatever was under way is forgotten; the files stay. */
  crash(): void {
    this.host.run++;
    this.#syncing.clear();
    this.#open.clear();
  }

  sync(listId: string): void {
    if (this.#syncing.has(listId)) return;
    this.#syncing.add(listId);
    this.#exchange(listId, this.world.now + SYNC_BUDGET_MS);
  }

  /** Asks the cluster for something as an operator, until it answers or the time is up. */
  operate(kind: Request["kind"], serverId: string): void {
    const isOwn = kind !== "remove";
    const question = {
      kind,
      listId: null,
      serverId: isOwn ? serverId : null,
      body: bodyFrame(isOwn ? {} : { id: serverId }),
    };
    this.#ask(
      question,
      this.world.now + SYNC_BUDGET_MS,
      () => true,
      () => undefined,
    );
  }

  /** Opens or closes a list as a command would, and tells whether that was acknowledged; not at all after a crash. */
  setVisibility(listId: string, visibility: Visibility, then: (isAcknowledged: boolean) => void): void {
    const { run } = this.host;
    const deadline = this.world.now + SYNC_BUDGET_MS;
    const end = (isAcknowledged: boolean): void => then(isAcknowledged && this.host.run === run);
    const ask = (request: AccessRequest, use: (reply: AccessReply) => void): void => {
      const question = { kind: "access", listId, serverId: null, body: encodeAccessRequest(request) } as const;
      const takeIn = (reply: Reply): boolean => {
        if (reply.kind === "reply") use(decodeAccessReply(reply.body));
        else if (ERROR_CODES[decodeError(reply.body).code] === "cluster") return false;
        else end(false);
        return true;
      };
      this.#ask(question, deadline, takeIn, () => end(false));
    };
    ask({ do: "members" }, ({ version }) =>
      ask({ do: "set-visibility", visibility, version }, ({ stored, wanted }) => end(stored >= wanted)),
    );
  }

  #exchange(listId: string, deadline: number): void {
    const request = this.list(listId).request();
    const question = { kind: "sync", listId, serverId: null, body: encodeSyncRequest(request) } as const;
    const end = (): void => void this.#syncing.delete(listId);
    const takeIn = (reply: Reply): boolean => {
      const list = this.list(listId);
      if (reply.kind === "error") {
        const error = decodeError(reply.body);
        this.world.trace(`${this.name} is refused: ${error.code}, ${error.message}`);
        if (error.code === "unavailable" || error.code === "storage-failed") return false;
        if (error.code === "internal") throw new Error(error.message);
        if (error.code === "not-allowed") this.shutOut.add(listId);
        const { type } = list.onRefusal(request, error, () => this.#newId());
        this.#save(list);
        if (type === "again") this.#exchange(listId, deadline);
        else end();
        return true;
      }
      const answer = decodeSyncReply(reply.body);
      this.shutOut.delete(listId);
      const { type } = list.onReply(request, answer);
      this.world.trace(
        `${this.name} is told that ${listId.slice(0, 4)} is on ${answer.stored} of ${answer.wanted} servers`,
      );
      this.#save(list);
      this.onAnswered();
      if (type === "level") end();
      else if (type !== "below") this.#exchange(listId, deadline);
      else if (this.world.now + BELOW_PAUSE_MS >= deadline) end();
      else this.#later(BELOW_PAUSE_MS, () => this.#exchange(listId, deadline));
      return true;
    };
    this.#ask(question, deadline, takeIn, end);
  }

  /** @param takeIn answers false where the cluster could not answer and the next attempt is due */
  #ask(question: Question, deadline: number, takeIn: (reply: Reply) => boolean, failed: () => void): void {
    const policy = new RetryPolicy(this.brokers, this.world.below(this.brokers.length), deadline);
    const requestId = this.#newId();
    const attempt = (): void => {
      const next = policy.next(this.world.now, this.world.random());
      if (next === null) {
        failed();
        return;
      }
      this.#later(next.waitMs, () => {
        const address = `${this.name}/${this.#newId()}`;
        let isOver = false;
        const end = (): void => {
          isOver = true;
          this.network.close(address);
        };
        this.network.open(this.host, address, (_from, frames) => {
          end();
          if (!takeIn(decodeClientReply(frames))) attempt();
        });
        const request = { ...question, requestId, timeoutMs: Math.ceil(next.timeoutMs), token: this.#token };
        this.network.send(this.host, address, `${next.broker}/front`, encodeClientRequest(request));
        this.#later(next.timeoutMs, () => {
          if (isOver) return;
          end();
          attempt();
        });
      });
    };
    attempt();
  }

  #later(delayMs: number, work: () => void): void {
    const { run } = this.host;
    this.world.after(delayMs, () => {
      if (this.host.run === run) work();
    });
  }

  #save(list: LocalList): void {
    this.#files.set(list.id, JSON.stringify(list.toFile()));
    this.#open.set(list.id, list);
  }

  #newId(): string {
    return `${this.name}-${++this.#ids}`;
  }
}
