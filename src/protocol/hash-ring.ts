import { createHash } from "node:crypto";
import type { ListId, ServerId } from "./ids.js";

/** The key space is cut into this many fixed partitions; servers own partitions, not keys. */
export const PARTITIONS = 256;

/** Points of each server on the ring: enough that shares differ by a few per cent. */
const VIRTUAL_NODES = 128;

const POSITION_BYTES = 6;
const RING_LENGTH = 2 ** (8 * POSITION_BYTES);

/** Rings remembered for reuse: a cluster passes through few sets of members, and sees each of them often. */
const MOST_REMEMBERED = 64;

/** Places remembered for reuse: a list in use is asked for again and again. */
const MOST_PLACES = 65_536;
const places = new Map<ListId, number>();

/** Where a list is in the key space: the first two bytes of its id's SHA-256. */
function placeOf(listId: ListId): number {
  let place = places.get(listId);
  if (place === undefined) {
    place = createHash("sha256").update(listId).digest().readUInt16BE(0);
    if (places.size >= MOST_PLACES) places.clear();
    places.set(listId, place);
  }
  return place;
}

export function partitionOf(listId: ListId): number {
  return placeOf(listId) >> 8;
}

/** Which of so many parts of its partition the list is in. */
export function bucketOf(listId: ListId, buckets: number): number {
  return (placeOf(listId) & 0xff) % buckets;
}

/**
 * Consistent hashing with virtual nodes over fixed partitions (DeCandia et al., "Dynamo", SOSP 2007, section 6.2). A pure
 * function of which servers are members: a server that is down keeps its place.
 */
export class HashRing {
  static readonly #remembered = new Map<string, HashRing>();
  readonly #preferences: readonly (readonly ServerId[])[];

  private constructor(servers: readonly ServerId[]) {
    const points = servers.flatMap(pointsOf);
    points.sort((a, b) => a.position - b.position || (a.server < b.server ? -1 : 1));
    this.#preferences = Array.from({ length: PARTITIONS }, (_, partition) => walk(points, partition, servers.length));
  }

  static of(servers: Iterable<ServerId>): HashRing {
    const ids = [...new Set(servers)].sort();
    const name = ids.join(" ");
    let ring = HashRing.#remembered.get(name);
    if (ring === undefined) {
      ring = new HashRing(ids);
      if (HashRing.#remembered.size >= MOST_REMEMBERED) HashRing.#remembered.clear();
      HashRing.#remembered.set(name, ring);
    }
    return ring;
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

function walk(points: readonly Point[], partition: number, servers: number): readonly ServerId[] {
  const start = (partition / PARTITIONS) * RING_LENGTH;
  const first = points.findIndex((point) => point.position >= start);
  const met = new Set<ServerId>();
  for (let step = 0; met.size < servers; step++) {
    const point = points[(Math.max(0, first) + step) % points.length];
    if (point !== undefined) met.add(point.server);
  }
  return [...met];
}
