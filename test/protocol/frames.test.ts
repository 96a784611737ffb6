import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { BOUNDS, parseBody } from "../../src/protocol/bounds.js";
import { ProtocolError } from "../../src/protocol/errors.js";
import {
  decodeBrokerMessage,
  decodeServerMessage,
  encodeBrokerMessage,
  encodeServerMessage,
} from "../../src/protocol/broker-messages.js";
import {
  bodyFrame,
  decodeClientReply,
  decodeClientRequest,
  encodeClientReply,
  encodeClientRequest,
  textFrame,
  type Request,
} from "../../src/protocol/frames.js";
import { decodeUpdate } from "../../src/protocol/updates.js";
import { digestOf } from "../../src/crdt/codec.js";
import { Document } from "../../src/crdt/document.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { packFrames, unpackFrames } from "../../src/protocol/packed-frames.js";
import {
  decodePeerMessage,
  encodePeerMessage,
  introducedBy,
  introductionOf,
  peerHeadFrames,
  splitPeerFrames,
  type PeerMessage,
} from "../../src/protocol/peer-messages.js";
import { decodeReady } from "../../src/protocol/cluster-messages.js";
import { decodeSyncReply, decodeSyncRequest } from "../../src/protocol/messages.js";

const request: Request = {
  kind: "sync",
  requestId: "r-1",
  listId: "11111111-1111-4111-8111-111111111111",
  serverId: null,
  timeoutMs: 250,
  token: "",
  body: bodyFrame({ some: "body" }),
};

function codeOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
  return "accepted";
}

describe("frames", () => {
  it("carry a request and a batch of requests unchanged", () => {
    for (const body of [request.body, textFrame("no JSON\nand two lines"), textFrame("")])
      expect(decodeClientRequest(encodeClientRequest({ ...request, body }))).toEqual({ ...request, body });
    expect(decodeClientReply(encodeClientReply("r-1", { kind: "error", body: request.body }))).toEqual({
      kind: "error",
      requestId: "r-1",
      body: request.body,
    });
    const requests = [
      { tag: 7, request },
      { tag: 8, request: { ...request, requestId: "r-2" } },
    ];
    expect(decodeBrokerMessage(encodeBrokerMessage({ type: "requests", requests }))).toEqual({
      type: "requests",
      requests,
    });
    // What is a word between words to somebody else is a name to them.
    const odd = { ...request, kind: "ping" as const, token: " -  a - ", listId: null };
    const pings = ["-", "--", "0"].map((requestId, tag) => ({ tag, request: { ...odd, requestId } }));
    for (const ping of pings) expect(decodeClientRequest(encodeClientRequest(ping.request))).toEqual(ping.request);
    expect(decodeBrokerMessage(encodeBrokerMessage({ type: "requests", requests: pings }))).toEqual({
      type: "requests",
      requests: pings,
    });
    const replies = [{ tag: 7, reply: { kind: "reply" as const, body: bodyFrame(1) } }];
    expect(decodeServerMessage(encodeServerMessage({ type: "replies", replies }))).toEqual({
      type: "replies",
      replies,
    });
  });

  it("carry what servers tell each other unchanged", () => {
    const list = new ShoppingList();
    const delta = new Document(list.add({ replica: "a", id: "o1", at: 0 }, "milk", null, 2));
    delta.access.setRole("ann", "Ann", "owner");
    const { position } = delta;
    const listId = request.listId ?? "";
    const member = { id: "s1", status: "member", incarnation: 1, publish: "tcp://a:1" } as const;
    const sums = Array.from({ length: 16 }, (_, index) => index);
    const messages: readonly PeerMessage[] = [
      { type: "beat", table: "0123456789abcdef" },
      { type: "members", members: [member], replication: { replicas: 3, writeQuorum: 2, readQuorum: 2 } },
      { type: "sync", tag: 1, listId, purpose: "request", position, delta, digest: digestOf(list) },
      { type: "synced", tag: 2, delta: null, position: null, whole: true },
      { type: "synced", tag: 3, delta, position, whole: true },
      { type: "fetch", tag: 12, listId },
      { type: "fetched", tag: 13, document: delta, whole: true },
      { type: "copy", tag: 14, listId, digest: digestOf(list) },
      { type: "copied", tag: 15, document: delta },
      { type: "copied", tag: 16, document: null },
      { type: "offer", tag: 17, listId, digest: digestOf(list) },
      { type: "taken", tag: 18 },
      { type: "declined", tag: 4 },
      { type: "describe", tag: 5, listId },
      { type: "described", tag: 6, digest: null },
      { type: "compare", tag: 7, agreement: "0123456789abcdef/3/2/2", scope: "heir", sum: 2 ** 48 - 1 },
      { type: "partitions", tag: 8, sums: [[255, 7]] },
      { type: "partitions", tag: 9, sums: null },
      { type: "buckets", tag: 10, partitions: [[0, sums]] },
      { type: "lists", tag: 11, partitions: [[0, sums]], lists: [[listId, digestOf(list)]] },
    ];
    const wire = (from: string, message: PeerMessage): unknown[] => {
      const texts = [...peerHeadFrames(from), ...encodePeerMessage(message)].map((frame) =>
        new TextDecoder().decode(frame),
      );
      return texts.map((text) => (text.startsWith("{") ? (JSON.parse(text) as unknown) : text));
    };
    const carried = splitPeerFrames([...peerHeadFrames("s1"), ...messages.flatMap(encodePeerMessage)]);
    expect(carried.messages.map((message) => wire(carried.from, decodePeerMessage(message)))).toEqual(
      messages.map((message) => wire("s1", message)),
    );
    expect(introducedBy(introductionOf(member))).toEqual(member);
    expect(introducedBy("to/s1/")).toBeNull();
    expect(codeOf(() => introducedBy("from/[]{"))).toBe("malformed");
  });

  it("of an unknown version are refused as such, whatever follows", () => {
    const codeOfText = (...texts: string[]): string => codeOf(() => decodeClientRequest(texts.map(textFrame)));
    for (const what of ["AISLE/2", "AISLE/2 ping r-1  9 \n{}", "AISLE/2\n", "AISLE/2 " + "x".repeat(1_000_000)])
      expect(codeOfText(what)).toBe("unsupported-version");
    expect(codeOfText("AISLE/2", "in", "frames")).toBe("unsupported-version");
    expect(codeOfText("HTTP/1.1 ping r-1  9 \n{}")).toBe("malformed");
    expect(codeOfText("AISLE/1\n ping r-1  9 \n{}")).toBe("unknown-kind");
  });

  it("with anything malformed in them are refused with a code", () => {
    const good = encodeClientRequest(request);
    const words = ["AISLE/1", "sync", "r-1", request.listId ?? "", "250", ""];
    const codeWith = (index: number, word: string): string =>
      codeOf(() => decodeClientRequest([textFrame(`${words.with(index, word).join(" ")}\n{}`)]));
    expect(codeWith(5, "device:x")).toBe("accepted");
    expect(codeWith(1, "dance")).toBe("unknown-kind");
    expect(codeWith(2, "../etc")).toBe("malformed");
    expect(codeWith(3, "../../etc/passwd")).toBe("malformed");
    expect(codeWith(4, "-1")).toBe("malformed");
    expect(codeWith(4, "1e9")).toBe("malformed");
    expect(codeWith(5, "d\u00e9vice:x")).toBe("malformed");
    expect(codeWith(5, "x".repeat(BOUNDS.headerBytes + 1))).toBe("too-large");
    expect(codeWith(5, "x".repeat(3 * BOUNDS.headerBytes))).toBe("malformed");
    expect(codeOf(() => decodeClientRequest([textFrame(words.join(" "))]))).toBe("malformed");
    expect(codeOf(() => decodeClientRequest([textFrame(`${words.slice(0, -2).join(" ")}\n{}`)]))).toBe("malformed");
    expect(codeOf(() => decodeClientRequest([...good, textFrame("")]))).toBe("malformed");
    expect(codeOf(() => decodeClientRequest([]))).toBe("malformed");
  });

  it("of any content are read or refused with a code, by every reader", () => {
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .constantFrom("AISLE/1", "sync", "synced", "members", "s1", "requests", "replies", "ready", "1", "")
        .map(textFrame),
    );
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), (frames) => {
        const readers = [
          decodeClientRequest,
          decodeClientReply,
          decodeServerMessage,
          decodeBrokerMessage,
          decodeUpdate,
          (frames: readonly Uint8Array[]) => splitPeerFrames(frames).messages.map(decodePeerMessage),
        ];
        for (const read of readers) codeOf(() => read(frames));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("packs", () => {
  it("give back the frames that were packed", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 * BOUNDS.batch }), (frames) => {
        expect(unpackFrames([packFrames(frames)]).map((frame) => [...frame])).toEqual(
          frames.map((frame) => [...frame]),
        );
      }),
    );
  });

  it("of any content are read or refused with a code", () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(new Uint8Array([0, 0, 0, 1, 7])));
    fc.assert(fc.property(fc.array(bytes, { maxLength: 3 }), (frames) => void codeOf(() => unpackFrames(frames))));
    expect(codeOf(() => unpackFrames([new Uint8Array([0, 0, 0, 1])]))).toBe("malformed");
    expect(codeOf(() => unpackFrames([new Uint8Array([0xff, 0xff, 0xff, 0xff, 1])]))).toBe("malformed");
    expect(codeOf(() => unpackFrames([new Uint8Array(0), new Uint8Array(0)]))).toBe("malformed");
    expect(codeOf(() => unpackFrames([new Uint8Array(4 * (4 * BOUNDS.batch + 1))]))).toBe("too-large");
  });
});

describe("bodies", () => {
  it("are bounded in depth before they are parsed", () => {
    expect(codeOf(() => parseBody(textFrame("[".repeat(1_000_000))))).toBe("too-large");
    expect(parseBody(textFrame('{"a":"[[[[[[[[[[[[[[[[[[[[[[\\"[["}'))).toEqual({ a: '[[[[[[[[[[[[[[[[[[[[[["[[' });
  });

  it("are bounded in parts before they are parsed, which take more memory than their bytes", () => {
    const many = (part: string, count: number): Uint8Array => textFrame(`[${part.repeat(count)}0]`);
    expect(codeOf(() => parseBody(many("[],", BOUNDS.arrays)))).toBe("too-large");
    expect(codeOf(() => parseBody(many("{},", BOUNDS.objects + 1)))).toBe("too-large");
    expect(parseBody(many("{},", BOUNDS.objects))).toHaveLength(BOUNDS.objects + 1);
  });

  it("that are no JSON, no UTF-8 or of another shape are refused as malformed", () => {
    expect(codeOf(() => parseBody(textFrame("{")))).toBe("malformed");
    expect(codeOf(() => parseBody(new Uint8Array([0x22, 0xff, 0x22])))).toBe("malformed");
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const read of [decodeSyncRequest, decodeSyncReply, decodeReady]) {
          expect(codeOf(() => read(bodyFrame(value)))).toMatch(/malformed|too-large/);
        }
      }),
    );
  });
});
