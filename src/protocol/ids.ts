import { createHash } from "node:crypto";

/** A UUID in lower case. Whoever knows an open list's id may edit it, so ids are random. */
export type ListId = string;

/** An operator's name for a server: stable over restarts, since it decides which lists the server holds. */
export type ServerId = string;

const LIST_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SERVER_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
const REQUEST_ID = /^[0-9A-Za-z_-]{1,36}$/;
const TOPIC = /^[0-9a-f]{64}$/;

export function isListId(text: string): boolean {
  return LIST_ID.test(text);
}

export function isServerId(text: string): boolean {
  return SERVER_ID.test(text);
}

export function isRequestId(text: string): boolean {
  return REQUEST_ID.test(text);
}

export function isTopic(text: string): boolean {
  return TOPIC.test(text);
}

/** Whether a socket can be connected to it: `tcp://HOST:PORT`, `ipc://PATH` or `inproc://NAME`. */
export function isEndpoint(text: string): boolean {
  const port = /^tcp:\/\/(?:\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):([0-9]{1,5})$/.exec(text)?.[1];
  return (port !== undefined && Number(port) > 0 && Number(port) < 65_536) || /^(ipc|inproc):\/\/\S+$/.test(text);
}

/** The topic on which brokers publish that a list has moved: its id's SHA-256, so that the feed names no list. */
export function topicOf(listId: ListId): string {
  return createHash("sha256").update(listId).digest("hex");
}
