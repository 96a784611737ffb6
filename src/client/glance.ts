import type { Role } from "../crdt/access-record.js";
import type { ListId } from "../protocol/ids.js";
import type { LocalList } from "./local-list.js";
import { glanceAt, type Glance } from "./views.js";

/** A glance as it is written. */
type Form = readonly [
  name: string,
  isDeleted: boolean,
  role: Role,
  pending: number,
  items: readonly (readonly [string, number, number, string | null, string | null, string | null])[],
  /** Absent in what older versions wrote. */
  members?: number,
];

/** Null for a list that looks different as time goes by. */
export function writeGlance(list: LocalList): Form | null {
  if (list.hasStaples) return null;
  const { name, isDeleted, role, members, pending, items } = glanceAt(list);
  return [
    name,
    isDeleted,
    role,
    pending,
    items.map(({ name, needed, acquired, unit, note, aisle }) => [name, needed, acquired, unit, note, aisle]),
    members,
  ];
}

/** @param form as `writeGlance` made it: the file's checksum vouches for that */
export function readGlance(id: ListId, form: unknown): Glance | null {
  if (form === null) return null;
  const [name, isDeleted, role, pending, items, members] = form as Form;
  return {
    id,
    name,
    isDeleted,
    role,
    members: members ?? 0,
    pending,
    items: items.map(([name, needed, acquired, unit, note, aisle]) => ({ name, needed, acquired, unit, note, aisle })),
  };
}
