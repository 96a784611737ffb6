import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { ACCESS_LIMITS, AccessRecord, ROLES, type Role } from "../../src/crdt/access-record.js";
import {
  Account,
  AccountRecord,
  ACCOUNT_LIMITS,
  RecoveryCode,
  type PasswordHash,
} from "../../src/crdt/account-record.js";
import { decodeDocument, Document, documentDigest, encodeDocument, NOWHERE } from "../../src/crdt/document.js";
import { decodeAccess, decodeAccounts, encodeAccess, encodeAccounts } from "../../src/crdt/record-codec.js";
import { MalformedStateError } from "../../src/crdt/codec.js";
import { ShoppingList } from "../../src/crdt/shopping-list.js";
import { obeysLatticeLaws, type Make } from "./laws.js";
import { arbitraryScript, author, playScript } from "./scripts.js";

type Change<T> = (value: T) => void;

const person = fc.constantFrom("ann", "ben", "cat");
const role = fc.constantFrom<(Role | null)[]>(...ROLES, null);
const hash = fc.constantFrom("a".repeat(64), "b".repeat(64));
const terms = fc.record({
  role: fc.constantFrom<Role[]>("editor", "viewer"),
  expires: fc.integer({ min: 0, max: 3 }),
  uses: fc.integer({ min: 1, max: 2 }),
});

const accessChange: fc.Arbitrary<Change<AccessRecord>> = fc.oneof(
  fc.tuple(person, role).map(
    ([who, to]) =>
      (access: AccessRecord) =>
        access.setRole(who, who, to),
  ),
  fc.tuple(hash, terms).map(
    ([secret, given]) =>
      (access: AccessRecord) =>
        access.invite(secret, given),
  ),
  fc.tuple(hash, person).map(([secret, who]) => (access: AccessRecord) => {
    access.invitations.get(secret)?.usedBy.add(who);
  }),
  fc.constantFrom("open", "private").map((to) => (access: AccessRecord) => access.visibility.write(to)),
);

const password = (key: string): PasswordHash => ({ salt: "salt", key, cost: [17, 8, 1] });

const accountChange: fc.Arbitrary<Change<AccountRecord>> = fc
  .tuple(
    person,
    fc.oneof(
      fc.constantFrom("k1", "k2").map((key) => (account: Account) => account.password.write(password(key))),
      fc.tuple(person, fc.integer({ min: 1, max: 3 })).map(([login, at]) => (account: Account) => {
        account.addLogin(`login-${login}-${at}`, { label: "laptop", device: login, at }).passwordChanges =
          account.password.changes;
      }),
      person.map((login) => (account: Account) => {
        const known = account.logins.get(`login-${login}-1`);
        if (known !== undefined) known.isRevoked = true;
      }),
      hash.map((code) => (account: Account) => void account.recoveryCodes.set(code, new RecoveryCode())),
    ),
  )
  .map(([who, change]) => (record) => {
    const account = record.accounts.get(who) ?? new Account();
    account.name = who;
    record.accounts.set(who, account);
    change(account);
  });

/** Three values that began as one and went separate ways. */
function triplesOf<T>(
  change: fc.Arbitrary<Change<T>>,
  make: () => T,
): fc.Arbitrary<readonly [Make<T>, Make<T>, Make<T>]> {
  const some = fc.array(change, { maxLength: 6 });
  return fc.tuple(some, some, some, some).map(([common, ...apart]) => {
    const [a, b, c] = apart.map((own) => () => {
      const value = make();
      for (const one of [...common, ...own]) one(value);
      return value;
    });
    return [a ?? make, b ?? make, c ?? make] as const;
  });
}

const text = (encoded: unknown): string => JSON.stringify(encoded);

obeysLatticeLaws("an access record", {
  triples: triplesOf(accessChange, () => new AccessRecord()),
  bottom: () => new AccessRecord(),
  canonical: (access) => text(encodeAccess(access)),
});

obeysLatticeLaws("the accounts of a name", {
  triples: triplesOf(accountChange, () => new AccountRecord()),
  bottom: () => new AccountRecord(),
  canonical: (accounts) => text(encodeAccounts(accounts)),
});

describe("an access record", () => {
  it("lets the stricter of two decisions stand that did not know of each other, and the later of two that did", () => {
    const common = new AccessRecord();
    common.setRole("ben", "Ben", "viewer");
    const [strict, generous] = [new AccessRecord(), new AccessRecord()];
    for (const one of [strict, generous]) one.join(common);
    strict.setRole("ben", "Ben", null);
    generous.setRole("ben", "Ben", "owner");
    strict.join(generous);
    expect(strict.roleOf("ben")).toBeNull();
    strict.setRole("ben", "Ben", "editor");
    strict.join(generous);
    expect(strict.roleOf("ben")).toBe("editor");
  });

  it("lets nobody back in by an invitation that they could have made while they were an owner", () => {
    const access = new AccessRecord();
    access.setRole("ann", "Ann", "owner");
    access.setRole("ben", "Ben", "owner");
    access.setRole("cat", "Cat", "editor");
    access.invite("f".repeat(64), { role: "viewer", expires: 1, uses: 1 });
    access.setRole("cat", "Cat", null);
    expect(access.invitations.get("f".repeat(64))?.isRevoked).toBe(false);
    access.setRole("ben", "Ben", null);
    expect(access.invitations.get("f".repeat(64))?.isRevoked).toBe(true);
  });

  it("remembers a bounded number of invitations, those that expire last, whatever the order they came in", () => {
    const [forwards, backwards] = [new AccessRecord(), new AccessRecord()];
    const many = Array.from({ length: 2 * ACCESS_LIMITS.invitations }, (_, at) => at);
    const invite = (access: AccessRecord, at: number): boolean =>
      access.invite(at.toString(16).padStart(64, "0"), { role: "viewer", expires: at, uses: 1 });
    for (const at of many) invite(forwards, at);
    for (const at of [...many].reverse()) invite(backwards, at);
    expect(forwards.invitations.size).toBe(ACCESS_LIMITS.invitations);
    expect(text(encodeAccess(forwards))).toBe(text(encodeAccess(backwards)));
  });
});

describe("an account", () => {
  it("ends every login that has not given the newest password, those included that nobody knew of", () => {
    const [here, there] = [new Account(), new Account()];
    here.password.write(password("old"));
    there.join(here);
    there.addLogin("stranger", { label: "", device: "d", at: 2 }).passwordChanges = there.password.changes;
    here.password.write(password("new"));
    here.join(there);
    expect(here.isGood("stranger")).toBe(false);
  });

  it("remembers a bounded number of logins, the newest", () => {
    const account = new Account();
    for (let at = 1; at <= ACCOUNT_LIMITS.logins + 1; at++) account.addLogin(`l${at}`, { label: "", device: "d", at });
    expect([account.logins.size, account.logins.has("l1")]).toEqual([ACCOUNT_LIMITS.logins, false]);
  });

  it("remembers the login that is made now, though others were made by clocks that are ahead", () => {
    const account = new Account();
    for (let at = 100; at < 100 + ACCOUNT_LIMITS.logins; at++)
      account.addLogin(`l${at}`, { label: "", device: "d", at });
    account.addLogin("now", { label: "", device: "d", at: 1 });
    const elsewhere = new Account();
    elsewhere.join(account);
    expect([elsewhere.logins.size, elsewhere.isGood("now")]).toEqual([ACCOUNT_LIMITS.logins, true]);
  });
});

describe("records and documents on the wire", () => {
  const access = triplesOf(accessChange, () => new AccessRecord()).map(([make]) => make());
  const accounts = triplesOf(accountChange, () => new AccountRecord()).map(([make]) => make());

  it("come back as they were", () => {
    fc.assert(
      fc.property(access, accounts, (one, two) => {
        const list = new ShoppingList();
        list.add(author("a"), "milk", null, 1);
        const document = new Document(list, one, two);
        const encoded = text(encodeDocument(document));
        // Its form, and not the one that was remembered.
        expect(text(encodeDocument(decodeDocument(JSON.parse(encoded)).clone()))).toBe(encoded);
      }),
    );
  });

  it("are refused in any form that is not the one they are written in, or where they exceed their bounds", () => {
    const refused = (decode: (value: unknown) => unknown, value: unknown): void =>
      expect(() => decode(value)).toThrow(MalformedStateError);
    refused(decodeAccess, [
      [
        ["b", "", 0],
        ["a", "", 0],
      ],
      [],
      0,
    ]);
    refused(decodeAccess, [[["a", "", [0, 1]]], [], 0]);
    refused(decodeAccess, [[["a", "", [1, 9]]], [], 0]);
    refused(decodeAccess, [[["a", "x".repeat(65), 0]], [], 0]);
    refused(decodeAccess, [[["../a", "", 0]], [], 0]);
    refused(decodeAccess, [[], [["short", 1, 0, 1, false, [], []]], 0]);
    refused(decodeAccounts, [["a", "", 1, ["s", "k", [30, 8, 1]], [], []]]);
    refused(decodeAccounts, [["a", "", 1, ["s", "k", [17, 8, 1]], [], [["x", ""]]]]);
    refused(decodeDocument, [0, 0]);
    refused(decodeDocument, [0, 0, 0, 0]);
  });
});

describe("a document", () => {
  it("brings a reader level in one exchange, and two writers of its records in two", () => {
    fc.assert(
      fc.property(
        triplesOf(accessChange, () => new AccessRecord()),
        ([makeA, makeB]) => {
          const [a, b] = [new Document(undefined, makeA()), new Document(undefined, makeB())];
          b.join(a.lacking(b.position));
          expect(b.holds(a.position) || !a.isHeldAt(b.position)).toBe(true);
          a.join(b.lacking(a.position));
          expect(text(encodeDocument(a))).toBe(text(encodeDocument(b)));
          expect([a.holds(b.position), a.isHeldAt(b.position), a.includes(b)]).toEqual([true, true, true]);
          expect(a.lacking(b.position).isEmpty).toBe(true);
        },
      ),
    );
  });

  it("is written as it is, whatever it became that from", () => {
    fc.assert(
      fc.property(arbitraryScript, (script) => {
        const { deltas } = playScript(script);
        const document = new Document();
        for (const delta of deltas) {
          const read = Document.read(new Document(delta).text);
          document.join(read);
          for (const one of [document, document.clone(), document.lacking(NOWHERE), read])
            expect(one.text).toBe(text(encodeDocument(one)));
        }
      }),
      { numRuns: 30 },
    );
  });

  it("is the same unopened, whatever is done with it first", () => {
    fc.assert(
      fc.property(arbitraryScript, arbitraryScript, (here, there) => {
        const [own, other] = [here, there].map((script) => {
          const document = new Document();
          for (const delta of playScript(script).deltas) document.join(new Document(delta));
          return document;
        }) as [Document, Document];
        const unopened = (): Document => Document.unopened(own.text);
        const joined = own.clone();
        joined.join(other);
        const [first, second, copy] = [unopened(), other.clone(), new Document()];
        first.join(other);
        second.join(unopened());
        copy.join(unopened());
        copy.join(other);
        expect([first, second, copy].map((one) => one.text)).toEqual([joined.text, joined.text, joined.text]);
        expect(unopened().isEmpty).toBe(own.isEmpty);
        expect(unopened().lacking(other.position).text).toBe(own.lacking(other.position).text);
        expect(unopened().includes(other)).toBe(own.includes(other));
        expect(documentDigest(unopened())).toBe(documentDigest(own));
      }),
      { numRuns: 30 },
    );
    for (const text of ["", "[]", "[0,0]", '["a",0,0]', "{"]) expect(() => Document.unopened(text).open()).toThrow();
    expect(() => Document.unopened("[0,\n0,0]")).toThrow("one line");
  });

  it("never counts a record that somebody lacks as held", () => {
    const document = new Document();
    document.access.setRole("ann", "Ann", "owner");
    expect([document.isHeldAt(NOWHERE), new Document().holds(document.position)]).toEqual([false, false]);
  });
});
