import { createHash } from "node:crypto";
import { AccessRecord } from "./access-record.js";
import { AccountRecord } from "./account-record.js";
import { decodeContext, decodeList, encodeContext, encodeList } from "./codec.js";
import { DotContext } from "./dot-context.js";
import type { Lattice } from "./lattice.js";
import { decodeAccess, decodeAccounts, encodeAccess, encodeAccounts } from "./record-codec.js";
import { array, identifier, require } from "./shape.js";
import { ShoppingList } from "./shopping-list.js";

/**
 * What a document holds, short enough to be sent along: the list's dots, and for the records, which are small and have no
 * position of their own, a name of their content.
 */
export interface Position {
  readonly seen: DotContext;
  /** Equal for equal records and, but for a chance of one in 2^64, for no others; empty where there are none. */
  readonly records: string;
}

interface Parts {
  readonly list: ShoppingList;
  readonly access: AccessRecord;
  readonly accounts: AccountRecord;
}

/** A document with nothing in it: its text, and parts that nobody uses. */
const EMPTY = "[0,0,0]";
const NOTHING: Parts = { list: new ShoppingList(), access: new AccessRecord(), accounts: new AccountRecord() };

export const NOWHERE: Position = { seen: new DotContext(), records: "" };

/**
 * What servers keep under one id, a product of lattices: a list and who may do what with it, or the accounts of one name.
 * Whatever moves between servers is one of these, so that a list and its access record cannot come apart.
 */
export class Document implements Lattice<Document> {
  /** Null until it is opened: then there is a text. */
  #parts: Parts | null;
  #records: string | null = null;
  /** As it was read or written last, until it changes: what moves on as it came is not encoded again. */
  #text: string | null = null;

  constructor(list = new ShoppingList(), access = new AccessRecord(), accounts = new AccountRecord()) {
    this.#parts = { list, access, accounts };
  }

  get list(): ShoppingList {
    return this.open().list;
  }

  get access(): AccessRecord {
    return this.open().access;
  }

  get accounts(): AccountRecord {
    return this.open().accounts;
  }

  get isEmpty(): boolean {
    if (this.#parts === null) return this.#text === EMPTY;
    const { list, access, accounts } = this.#parts;
    return list.seen.isEmpty() && access.isEmpty && accounts.isEmpty;
  }

  /** Good until the document changes. */
  get position(): Position {
    this.#records ??= this.#nameOfRecords();
    return { seen: this.list.seen, records: this.#records };
  }

  /** The canonical form as JSON. */
  get text(): string {
    return (this.#text ??= JSON.stringify(encodeDocument(this)));
  }

  /**
   * @param value the text as JSON, where somebody has parsed it already
   * @throws MalformedStateError, SyntaxError
   */
  static read(text: string, value: unknown = JSON.parse(text)): Document {
    const document = Document.unopened(text);
    document.#parts = decodeParts(value);
    return document;
  }

  /**
   * A document of which nobody has looked at more than its text: it can move on, be stored and be counted without. Whatever
   * else is done with it opens it, and throws MalformedStateError or SyntaxError where the text is none of a document.
   * @throws MalformedStateError
   */
  static unopened(text = EMPTY): Document {
    require(!text.includes("\n"), "a document is one line");
    // Parts cost more to make than all the rest of this.
    const document = new Document(NOTHING.list, NOTHING.access, NOTHING.accounts);
    document.#text = text;
    document.#parts = null;
    return document;
  }

  /** Decodes what nobody has looked at yet. @throws MalformedStateError, SyntaxError */
  open(): Parts {
    return (this.#parts ??= decodeParts(JSON.parse(this.text)));
  }

  join(other: Document): void {
    if (other.#parts === null && this.isEmpty) {
      this.#parts = null;
      this.#text = other.#text;
      this.#records = null;
      return;
    }
    const own = this.open();
    const theirs = other.open();
    // What becomes another is written as that is.
    this.#text = this.isEmpty ? other.#text : null;
    own.list.join(theirs.list);
    if (theirs.access.isEmpty && theirs.accounts.isEmpty) return;
    own.access.join(theirs.access);
    own.accounts.join(theirs.accounts);
    this.#records = null;
  }

  clone(): Document {
    const copy = new Document();
    copy.join(this);
    return copy;
  }

  /** What a reader at this position lacks, or may lack: the records go whole. */
  lacking({ seen, records }: Position): Document {
    if (seen.isEmpty() && records === "") return this.clone();
    const list = this.list.lacking(seen);
    if (records === this.position.records) return new Document(list);
    const lacking = new Document(list);
    lacking.access.join(this.access);
    lacking.accounts.join(this.accounts);
    return lacking;
  }

  /** Whether everything at this position is here, as far as positions tell. */
  holds({ seen, records }: Position): boolean {
    return this.list.seen.includesAll(seen) && (records === "" || records === this.position.records);
  }

  /** Whether everything here is at this position. */
  isHeldAt({ seen, records }: Position): boolean {
    const own = this.position.records;
    return seen.includesAll(this.list.seen) && (own === "" || own === records);
  }

  /** Whether joining `delta` would change nothing. */
  includes(delta: Document): boolean {
    if (!this.list.seen.includesAll(delta.list.seen)) return false;
    const { records } = delta.position;
    if (records === "" || records === this.position.records) return true;
    const joined = new Document(new ShoppingList(), new AccessRecord(), new AccountRecord());
    joined.access.join(this.access);
    joined.accounts.join(this.accounts);
    joined.join(new Document(new ShoppingList(), delta.access, delta.accounts));
    return joined.position.records === this.position.records;
  }

  #nameOfRecords(): string {
    if (this.access.isEmpty && this.accounts.isEmpty) return "";
    const text = JSON.stringify([encodeAccess(this.access), encodeAccounts(this.accounts)]);
    return createHash("sha256").update(text).digest("hex").slice(0, 16);
  }
}

/** A copy of a position that stays as it is when the document moves on. */
export function copyOf({ seen, records }: Position): Position {
  const copy = new DotContext();
  copy.join(seen);
  return { seen: copy, records };
}

export function encodePosition({ seen, records }: Position): unknown[] {
  return [encodeContext(seen), records];
}

/** @throws MalformedStateError */
export function decodePosition(encoded: unknown): Position {
  const [seen, records, ...rest] = array(encoded, 2);
  require(rest.length === 0, "unknown part after the records");
  return { seen: decodeContext(seen), records: records === "" ? "" : identifier(records, 16) };
}

/** The canonical form, in which each part that is empty is a 0. */
export function encodeDocument({ list, access, accounts }: Document): unknown[] {
  return [
    list.seen.isEmpty() ? 0 : encodeList(list),
    access.isEmpty ? 0 : encodeAccess(access),
    accounts.isEmpty ? 0 : encodeAccounts(accounts),
  ];
}

/** @throws MalformedStateError for what is no canonical form */
export function decodeDocument(encoded: unknown): Document {
  const { list, access, accounts } = decodeParts(encoded);
  return new Document(list, access, accounts);
}

function decodeParts(encoded: unknown): Parts {
  const [list, access, accounts, ...rest] = array(encoded, 3);
  require(rest.length === 0, "unknown part after the accounts");
  return {
    list: list === 0 ? new ShoppingList() : decodeList(list),
    access: access === 0 ? new AccessRecord() : decodeAccess(access),
    accounts: accounts === 0 ? new AccountRecord() : decodeAccounts(accounts),
  };
}

/** SHA-256 of the canonical form. */
export function documentDigest({ text }: Document): string {
  return createHash("sha256").update(text).digest("hex");
}
