import {
  decodeInspection,
  decodeMembershipReply,
  decodeRepair,
  decodeWhere,
  type Inspection,
  type MembershipReply,
  type RepairReply,
  type Replication,
  type StatusReply,
  type WhereReply,
} from "../protocol/cluster-messages.js";
import { bodyFrame } from "../protocol/frames.js";
import type { ListId, ServerId } from "../protocol/ids.js";
import { AisleError, EXIT, isUnreachable } from "./errors.js";
import { RefusedError, Session, type Authentication, type Question } from "./session.js";
import { t } from "./messages.js";

/** How long a broker and a server may take to say how they are, and a round of repair to end. */
const STATUS_BUDGET_MS = 3_000;
const INSPECT_BUDGET_MS = 3_000;
const REPAIR_BUDGET_MS = 120_000;
const CHANGE_BUDGET_MS = 5_000;

export type ServerView = StatusReply["servers"][number];

/** The cluster, put together from what its brokers know. */
export interface Survey {
  readonly brokers: readonly {
    readonly endpoint: string;
    readonly reachable: boolean;
    readonly counters: Readonly<Record<string, number>>;
  }[];
  readonly servers: readonly ServerView[];
  readonly replication: Replication | null;
}

/** Questions about the cluster as a whole, and orders to it. */
export class Operator {
  /** @param authentication proof of being the operator, where there is one */
  constructor(
    readonly endpoints: readonly string[],
    readonly authentication?: Authentication,
  ) {}

  /** @throws AisleError `unreachable` where no broker answers */
  async survey(): Promise<Survey> {
    const asked = await Promise.all(
      this.endpoints.map(async (endpoint) => ({ endpoint, status: await statusOf(endpoint) })),
    );
    const answers = asked.flatMap(({ status }) => (status === null ? [] : [status]));
    if (answers.length === 0) {
      const message = t`no broker answers (${this.endpoints.join(", ")})`;
      const hint = t("start what is missing with `aisle cluster up`, or name the brokers with `aisle connect`");
      throw new AisleError(EXIT.unreachable, "unreachable", message, hint);
    }
    // A server that any broker hears is alive.
    const byId = new Map<ServerId, ServerView>();
    for (const server of answers.flatMap(({ servers }) => servers)) {
      if (server.alive || !byId.has(server.id)) byId.set(server.id, server);
    }
    return {
      brokers: asked.map(({ endpoint, status }) => ({
        endpoint,
        reachable: status !== null,
        counters: status?.counters ?? {},
      })),
      servers: [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
      replication: answers.find(({ replication }) => replication !== null)?.replication ?? null,
    };
  }

  /** What each living server says of itself; null for one that does not answer after all. */
  async inspectAll(survey: Survey): Promise<ReadonlyMap<ServerId, Inspection | null>> {
    const alive = survey.servers.filter((server) => server.alive);
    return new Map(await Promise.all(alive.map(async ({ id }) => [id, await this.inspect(id)] as const)));
  }

  /** Null where the server does not answer. */
  async inspect(id: ServerId): Promise<Inspection | null> {
    try {
      return await this.#ask({ kind: "inspect", serverId: id }, decodeInspection, INSPECT_BUDGET_MS);
    } catch (error) {
      if (isUnreachable(error)) return null;
      throw error;
    }
  }

  async where(listId: ListId): Promise<WhereReply> {
    return await this.#ask({ kind: "where", listId }, decodeWhere, CHANGE_BUDGET_MS);
  }

  /** A round of anti-entropy of this server with all others. */
  async repair(id: ServerId): Promise<RepairReply> {
    return await this.#ask({ kind: "repair", serverId: id }, decodeRepair, REPAIR_BUDGET_MS);
  }

  async leave(id: ServerId): Promise<MembershipReply> {
    return await this.#ask({ kind: "leave", serverId: id }, decodeMembershipReply, CHANGE_BUDGET_MS);
  }

  async remove(id: ServerId): Promise<MembershipReply> {
    return await this.#ask({ kind: "remove", body: bodyFrame({ id }) }, decodeMembershipReply, CHANGE_BUDGET_MS);
  }

  async #ask<T>(question: Question, decode: (body: Uint8Array) => T, budgetMs: number): Promise<T> {
    try {
      return (await new Session(this.endpoints, this.authentication).request(question, decode, budgetMs)).value;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      if (error.body.code !== "not-allowed" && error.body.code !== "unauthenticated") {
        throw new AisleError(EXIT.refused, error.body.code, error.body.message, t("see `aisle cluster status`"));
      }
      const hint = t("name the operator's key file with --operator-key; `aisle cluster up` says where it is");
      throw new AisleError(EXIT.notAllowed, error.body.code, error.body.message, hint);
    }
  }
}

async function statusOf(endpoint: string): Promise<StatusReply | null> {
  try {
    return (await new Session([endpoint]).status(STATUS_BUDGET_MS)).value;
  } catch (error) {
    if (error instanceof AisleError) return null;
    throw error;
  }
}
