import { ShoppingList } from "../../src/crdt/shopping-list.js";
import type { LocalList } from "../../src/client/local-list.js";
import type { ErrorBody, NewestOperation, SyncReply, SyncRequest } from "../../src/protocol/messages.js";

/** A server as simple as can be: one list, joined at once. */
export class OneListServer {
  readonly list = new ShoppingList();

  reply(request: SyncRequest): SyncReply {
    if (request.delta !== null) this.list.join(request.delta);
    const delta = this.list.lacking(request.seen);
    return {
      delta: delta.seen.isEmpty() ? null : delta,
      serverSeen: this.list.seen.includesAll(request.seen) ? null : this.list.seen,
      newest: this.#newest(request),
      stored: 1,
      wanted: 1,
      replicas: 1,
      role: "owner",
      open: false,
      members: 1,
    };
  }

  /** The refusal of a sender who shows no sign of knowing what is stored of its replica, or a reply. */
  answer(request: SyncRequest): { readonly reply: SyncReply } | { readonly refused: ErrorBody } {
    const newest = this.#newest(request);
    const { replica, basis, delta } = request;
    const isSent = delta?.history.operations().some(({ dot, id }) => dot.replica === replica && id === newest?.id);
    const isKnown = newest === null || newest.id === basis?.id || newest.counter < (basis?.counter ?? 0);
    if (isKnown || isSent === true) return { reply: this.reply(request) };
    return { refused: { code: "stale-basis", message: "", newest } };
  }

  #newest({ replica }: SyncRequest): NewestOperation | null {
    const newest = this.list.newest.get(replica);
    return newest === undefined ? null : { counter: newest.stamp.time, id: newest.value };
  }
}

/** Takes in what the server answered to a request. */
export function take(
  list: LocalList,
  request: SyncRequest,
  answer: ReturnType<OneListServer["answer"]>,
  freshReplica: () => string,
): string {
  if ("refused" in answer) return list.onRefusal(request, answer.refused, freshReplica).type;
  return list.onReply(request, answer.reply).type;
}

/** Asks until there is nothing more to say. */
export function level(list: LocalList, server: OneListServer, freshReplica: () => string): void {
  for (let [type, asked] = ["again", 0]; type !== "level"; asked++) {
    // Two questions about each name that changes wait under, and some more.
    if (asked > 30) throw new Error("it goes round for ever");
    const request = list.request();
    type = take(list, request, server.answer(request), freshReplica);
  }
}
