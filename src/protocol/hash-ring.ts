import { createHash } from "node:crypto";
import type { ListId, ServerId } from "./ids.js";

/** The key space is cut into this many fixed partitions; servers own partitions, not keys. */
export const PARTITIONS = 256;

/** Points of each server on the ring: enough that shares differ by a few per cent. */
const VIRTUAL_NODES = 128;

const POSITION_BYTES = 6;
const RING_LENGTH = 2 ** (8 * POSITION_BYTES);

export function partitionOf(listId: ListId): number {
  return createHash("sha256").update(listId).digest().readUInt8(0);
}

/**
 * Consistent hashing with virtual nodes over fixed partitions (DeCandia et al., "Dynamo", SOSP 2007, section 6.2). A pure
 * function of which servers are members: a server that is down keeps its place.
 */
export class HashRing {
  readonly #preferences: readonly (readonly ServerId[])[];

  constructor(servers: Iterable<ServerId>) {
    const points = [...new Set(servers)].flatMap(pointsOf);
    points.sort((a, b) => a.position - b.position || (a.server < b.server ? -1 : 1));
    this.#preferences = Array.from({ length: PARTITIONS }, (_, partition) => walk(points, partition));
  }

  /** All servers in the order in which they come clockwise of the partition; the first N hold it. */
  preferenceList(partition: number): readonly ServerId[] {
    return this.#preferences[partition] ?? [];
  }
}

interface Point {
  readonly position: number;
  readonly server: ServerId;
}

function pointsOf(server: ServerId): Point[] {
  return Array.from({ length: VIRTUAL_NODES }, (_, index) => ({
    position: createHash("sha256").update(`${server}#${index}`).digest().readUIntBE(0, POSITION_BYTES),
    server,
  }));
}

function walk(points: readonly Point[], partition: number): readonly ServerId[] {
  const start = (partition / PARTITIONS) * RING_LENGTH;
  const after = points.findIndex((point) => point.position >= start);
  const clockwise = after < 0 ? points : [...points.slice(after), ...points.slice(0, after)];
  return [...new Set(clockwise.map((point) => point.server))];
}
