import { Document } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { decodeAccessRequest, encodeAccessRequest } from "../../src/protocol/access-messages.js";
import { decodeAccountRequest, encodeAccountRequest } from "../../src/protocol/account-messages.js";
import { decodeReady } from "../../src/protocol/cluster-messages.js";
import {
  decodeBrokerMessage,
  decodeServerMessage,
  encodeBrokerMessage,
  encodeServerMessage,
} from "../../src/protocol/broker-messages.js";
import {
  bodyFrame,
  decodeClientRequest,
  encodeClientRequest,
  type Frame,
  type Request,
} from "../../src/protocol/frames.js";
import { packFrames, unpackFrames } from "../../src/protocol/packed-frames.js";
import { decodeSyncRequest, encodeSyncRequest } from "../../src/protocol/messages.js";
import {
  decodePeerMessage,
  encodePeerMessage,
  peerHeadFrames,
  splitPeerFrames,
  type PeerMessage,
} from "../../src/protocol/peer-messages.js";

/** A generator whose every run can be played again (Vigna, "An experimental exploration of Marsaglia's xorshift generators"). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const LIST_ID = "11111111-1111-4111-8111-111111111111";

/** What one server says to all, and how another one reads it. */
const said = (...messages: readonly PeerMessage[]): Frame[] => [
  ...peerHeadFrames("s1"),
  ...messages.flatMap(encodePeerMessage),
];
const heard = (frames: readonly Frame[]): unknown => splitPeerFrames(frames).messages.map(decodePeerMessage);

export function samples(): readonly (readonly [
  name: string,
  frames: readonly Frame[],
  decode: (frames: Frame[]) => unknown,
])[] {
  const list = new ShoppingList();
  list.add({ replica: "a", id: "o1", at: 1 }, "milk", null, 2, { note: "fresh", aisle: "dairy" });
  const document = new Document(list);
  document.access.setRole("ann", "Ann", "owner");
  document.access.invite("0".repeat(64), { role: "editor", expires: 1, uses: 1 });
  const body = encodeSyncRequest({ replica: "a", basis: null, seen: list.seen, delta: list, founding: null });
  const request: Request = {
    kind: "sync",
    requestId: "r",
    listId: LIST_ID,
    serverId: null,
    timeoutMs: 9,
    token: "device:x",
    body,
  };
  const member = { id: "s1", status: "member", incarnation: 1, publish: "tcp://s1:1" } as const;
  const replication = { replicas: 3, writeQuorum: 2, readQuorum: 2 };
  const ready = bodyFrame({ id: "s1", oldest: 1, newest: 1, replication, members: [member] });
  const login = { id: "login-id", label: "laptop" };
  const account = encodeAccountRequest({ do: "login", name: "ann", password: "a long password", login });
  const access = encodeAccessRequest({ do: "set-role", member: "ann", role: "editor", version: 3 });
  const last = (decode: (frame: Frame) => unknown) => (frames: Frame[]) => decode(frames.at(-1) ?? new Uint8Array(0));
  const { position } = document;
  const sync = {
    type: "sync",
    tag: 1,
    listId: LIST_ID,
    purpose: "request",
    position,
    delta: document,
    digest: null,
  } as const;
  return [
    ["a request", encodeClientRequest(request), (frames) => decodeSyncRequest(decodeClientRequest(frames).body)],
    ["a request about an account", [account], last(decodeAccountRequest)],
    ["a request about access", [access], last(decodeAccessRequest)],
    [
      "requests at a server",
      encodeBrokerMessage({ type: "requests", requests: [{ tag: 1, request }] }),
      decodeBrokerMessage,
    ],
    [
      "an announcement",
      encodeServerMessage({ type: "ready", body: ready }),
      (frames) => {
        const message = decodeServerMessage(frames);
        return message.type === "ready" ? decodeReady(message.body) : message;
      },
    ],
    ["a message between servers", said(sync, sync), heard],
    ["a document between servers", said({ type: "fetched", tag: 1, document, whole: true }), heard],
    ["a copy between servers", said({ type: "copied", tag: 1, document }), heard],
    [
      "answers of a server",
      encodeServerMessage({ type: "replies", replies: [{ tag: 1, reply: { kind: "reply", body: account } }] }),
      decodeServerMessage,
    ],
    [
      "a pack of answers of a server",
      [
        packFrames(
          encodeServerMessage({ type: "replies", replies: [{ tag: 1, reply: { kind: "reply", body: account } }] }),
        ),
      ],
      (frames) => decodeServerMessage(unpackFrames(frames)),
    ],
  ];
}

/** Flips, cuts, repeats and inserts bytes and whole frames. */
export function mutated(frames: readonly Frame[], random: (below: number) => number): Frame[] {
  const copy = frames.map((frame) => Buffer.from(frame));
  for (let changes = 1 + random(3); changes > 0; changes--) {
    const at = random(copy.length);
    const frame = copy[at] ?? Buffer.alloc(0);
    const position = random(frame.length + 1);
    const kind = random(8);
    if (kind === 0) copy.splice(at, 1);
    else if (kind === 1) copy.splice(at, 0, frame);
    else if (kind === 2) copy[at] = frame.subarray(0, position);
    else if (kind === 3)
      copy[at] = Buffer.concat([frame.subarray(0, position), Buffer.from([random(256)]), frame.subarray(position)]);
    else if (kind === 4) copy[at] = Buffer.concat([frame, frame.subarray(position)]);
    else if (kind === 5)
      copy[at] = Buffer.from(
        frame.toString("latin1").replace(/[0-9]+/, `${random(2) === 0 ? 2 ** 53 : -random(9)}`),
        "latin1",
      );
    else if (position < frame.length) frame[position] = (frame[position] ?? 0) ^ (1 << random(8));
    if (copy.length === 0) copy.push(Buffer.alloc(0));
  }
  return copy;
}
