"""A client of Aisle's protocol, version 1, written from docs/protocol.md and docs/crdt.md alone.

It shows that the documents say enough for another language: python.test.ts beside it plays `main` against a cluster of
real processes. It needs the standard library and pyzmq, nothing else.
"""

import base64
import hashlib
import hmac
import json
import random
import secrets
import sys
import time
import unicodedata
import uuid
from dataclasses import dataclass

import zmq
from zmq.utils import monitor, z85

VERSION = "AISLE/1"
# The numbers of a row: two of dots, then the four of each of two counters.
ROW_LENGTH, TOUCHED, NEEDED, ACQUIRED = 10, 0, slice(2, 6), slice(6, 10)
KINDS = ("add", "need", "got", "ungot", "note", "aisle", "remove", "name", "delete", "restore")


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def written(words, body):
    """A message: a line of words, and the body."""
    return " ".join(words).encode() + b"\n" + body


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# Ids and secrets


def new_secret():
    return base64url(secrets.token_bytes(16))


def new_id():
    return str(uuid.uuid4())


def fold_name(text):
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).upper().lower())
    return " ".join(folded.split())


def hashed_id(domain, text, version):
    digest = bytearray(hashlib.sha256(f"{domain}\0{text}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | version << 4
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def accounts_id(name):
    return hashed_id("aisle account", fold_name(name), 8)


def list_id(founder, nonce):
    return hashed_id("aisle list", f"{founder}\0{nonce}", 4)


def device_id(secret):
    return "_d" + base64url(hashlib.sha256(f"aisle device\0{secret}".encode()).digest())[:22]


def secret_hash(secret):
    return hashlib.sha256(f"aisle secret\0{secret}".encode()).hexdigest()


def write_invitation(subject, secret):
    return "inv-" + base64url(uuid.UUID(subject).bytes + from_base64url(secret))


def read_invitation(text):
    """The list's id and the secret that is sent."""
    data = from_base64url(text.removeprefix("inv-"))
    return str(uuid.UUID(bytes=data[:16])), base64url(data[16:])


# Requests


class Refused(Exception):
    def __init__(self, body):
        super().__init__(f"{body['code']}: {body['message']}")
        self.code = body["code"]
        self.body = body


class NoAnswer(Exception):
    """What was asked may have happened or not."""


@dataclass(frozen=True)
class Address:
    endpoint: str
    key: bytes | None

    @staticmethod
    def parse(text):
        endpoint, _, key = text.partition("#")
        return Address(endpoint, z85.encode(from_base64url(key)) if key else None)


def connect(address):
    socket = zmq.Context.instance().socket(zmq.REQ)
    socket.linger = 0
    if address.key is not None:
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.curve_serverkey = address.key
    socket.connect(address.endpoint)
    return socket


def attempt(address, message, seconds):
    """The answer, or None where none comes in time. The socket is gone after, with what it has not sent."""
    with connect(address) as socket:
        socket.send(message)
        return socket.recv() if socket.poll(seconds * 1_000) else None


def read_answer(answer, request_id):
    line, body = answer.decode().split("\n", 1)
    version, kind, answered_id = line.split(" ")
    if version != VERSION or answered_id not in (request_id, ""):
        raise ValueError(f"not an answer to this: {answer}")
    if kind == "error":
        raise Refused(json.loads(body))
    return json.loads(body)


class Client:
    """One device, and the account that is logged in on it."""

    def __init__(self, brokers, device=None):
        self.texts = brokers
        self.brokers = [Address.parse(text) for text in brokers]
        self.device = device or new_secret()
        self.account = None
        self.token = None

    @property
    def who(self):
        words = [f"device:{self.device}"]
        if self.token is not None:
            words.append(f"account:{self.token}")
        return " ".join(words)

    def message(self, kind, subject, body, seconds, who=None):
        line = (VERSION, kind, new_id(), subject, str(int(seconds * 1_000)), self.who if who is None else who)
        return written(line, compact(body))

    def ask(self, kind, subject="", body=None, seconds=3, who=None):
        return self.send(self.message(kind, subject, {} if body is None else body, seconds, who), seconds)

    def send(self, message, seconds=3, attempts=6):
        for count in range(attempts):
            if count > 0:
                time.sleep(0.1 * 2**count * random.uniform(0.5, 1.5))
            answer = attempt(self.brokers[count % len(self.brokers)], message, seconds)
            if answer is None:
                continue
            try:
                return read_answer(answer, message.split(b" ")[2].decode())
            except Refused as refused:
                if refused.code != "unavailable" or count == attempts - 1:
                    raise
        raise NoAnswer

    # Accounts

    def _log_in(self, do, name, **more):
        login = {"id": new_id(), "label": "Python"}
        body = {"do": do, "name": name, "login": login, **more}
        answer = self.ask("account", accounts_id(name), body, seconds=10)
        self.account, self.token = answer["account"], answer["token"]["text"]

    def register(self, name, password):
        self._log_in("register", name, nonce=new_secret(), password=password, recoveryCodes=[])

    def login(self, name, password):
        self._log_in("login", name, password=password)

    # Lists

    def found(self):
        nonce = new_secret()
        by = "device" if self.account is None else "account"
        founder = device_id(self.device) if self.account is None else self.account["id"]
        return SharedList(self, list_id(founder, nonce), {"nonce": nonce, "by": by, "open": False})

    def invite(self, subject, role="editor", hours=1):
        """The text of an invitation that one person may use."""
        secret = new_secret()
        expires = int((time.time() + hours * 3_600) * 1_000)
        terms = {"hash": secret_hash(secret), "role": role, "expires": expires, "uses": 1}
        self.ask("access", subject, {"do": "invite", **terms})
        return write_invitation(subject, secret)

    def join(self, invitation):
        subject, secret = read_invitation(invitation)
        self.ask("access", subject, {"do": "join", "secret": secret})
        return SharedList(self, subject)


# The list as data: the canonical form with replica ids in place of indices, so that it can be changed


def by_code_units(text):
    return text.encode("utf-16-be")


def without_trailing_zeros(numbers):
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers


class ListState:
    """`context` is {replica: [prefix, from, to, ...]}, `newest` {replica: [counter, operation id]}, and `items`
    {key: ([label, note, aisle], {replica: the ten numbers of its row})}; a register is None or [time, replica, value].
    """

    def __init__(self):
        self.context = {}
        self.newest = {}
        self.name = None
        self.deleted = None
        self.items = {}
        self.history = []
        self.order = None
        self.staples = {}

    @staticmethod
    def decode(form):
        version, table, prefixes, cloud, newest, name, deleted, items, history, *extras = form
        if version != 1:
            raise ValueError(f"a form of another version: {version}")

        def register(written):
            return None if written == 0 else [written[0], table[written[1]], written[2]]

        state = ListState()
        state.context = {replica: [prefix] for replica, prefix in zip(table, prefixes) if prefix > 0}
        for index, *ranges in cloud:
            state.context.setdefault(table[index], [0]).extend(ranges)
        state.newest = {table[index]: rest for index, *rest in newest}
        state.name, state.deleted = register(name), register(deleted)
        for key, label, note, aisle, *rows in items:
            padded = {table[index]: numbers + [0] * (ROW_LENGTH - len(numbers)) for index, *numbers in rows}
            state.items[key] = ([register(each) for each in (label, note, aisle)], padded)
        state.history = [read_operation(entry, table.__getitem__) for entry in history]
        order, staples = [*extras, 0, []][:2] if len(extras) != 1 else [extras[0], []]
        state.order = register(order)
        state.staples = {key: register(staple) for key, staple in staples}
        return state

    def encode(self):
        table = sorted(self._replicas(), key=by_code_units)
        at = {replica: index for index, replica in enumerate(table)}

        def register(written):
            return 0 if written is None else [written[0], at[written[1]], written[2]]

        def rows(numbers):
            ordered = sorted(numbers, key=at.__getitem__)
            return [[at[replica], *without_trailing_zeros(numbers[replica])] for replica in ordered]

        prefixes = without_trailing_zeros([self.context.get(replica, [0])[0] for replica in table])
        ahead = {replica: dots[1:] for replica, dots in self.context.items() if len(dots) > 1}
        cloud = [[at[replica], *ahead[replica]] for replica in sorted(ahead, key=at.__getitem__)]
        newest = [[at[replica], *self.newest[replica]] for replica in sorted(self.newest, key=at.__getitem__)]
        items = [
            [key, *map(register, self.items[key][0]), *rows(self.items[key][1])]
            for key in sorted(self.items, key=by_code_units)
        ]
        history = [read_operation(entry, at.__getitem__) for entry in sorted(self.history, key=history_order)]
        staples = [[key, register(self.staples[key])] for key in sorted(self.staples, key=by_code_units)]
        extras = [register(self.order), staples] if staples else [register(self.order)] if self.order else []
        return [1, table, prefixes, cloud, newest, register(self.name), register(self.deleted), items, history, *extras]

    def _replicas(self):
        named = {*self.context, *self.newest, *(entry[0] for entry in self.history)}
        named.update(replica for entry in self.history for replica in entry[11::2])
        registers = [self.name, self.deleted, self.order, *self.staples.values()]
        for details, rows in self.items.values():
            registers += details
            named.update(rows)
        return named | {written[1] for written in registers if written is not None}

    @property
    def last_time(self):
        registers = [self.name, self.deleted, self.order, *self.staples.values(), *(each for details, _ in self.items.values() for each in details)]
        return max([0, *(each[0] for each in registers if each), *(entry[2] for entry in self.history)])

    def shown(self):
        """{key: (label, thousandths needed, thousandths acquired)} of the items that are on the list."""
        present = {key: item for key, item in self.items.items() if is_present(item[1])}
        return {
            key: (details[0][2] if details[0] else key, total(rows, NEEDED), total(rows, ACQUIRED))
            for key, (details, rows) in present.items()
        }


def read_operation(entry, named):
    """An operation with its replicas named otherwise: its author, and those of the operations before it, from the 12th on."""
    return [named(entry[0]), *entry[1:11], *(named(cell) if at % 2 == 0 else cell for at, cell in enumerate(entry[11:]))]


def history_order(entry):
    replica, counter, moment, _, operation = entry[:5]
    return moment, by_code_units(replica), counter, by_code_units(operation)


def is_present(rows):
    return any(touched > removed for touched, removed, *_ in rows.values())


def total(rows, counter):
    """The value of a counter: what was counted, less what was cancelled."""
    numbers = [row[counter] for row in rows.values()]
    return sum(up - down - (cancelled_up - cancelled_down) for up, down, cancelled_up, cancelled_down in numbers)


def digest(form):
    return hashlib.sha256(compact(form)).hexdigest()


class SharedList:
    """A list in the cluster. It keeps no copy: each change is made to what the cluster has at the moment."""

    def __init__(self, client, subject, founding=None):
        self.client = client
        self.id = subject
        self.founding = founding
        self._begin_replica()

    def _begin_replica(self):
        self.replica = base64url(secrets.token_bytes(8))
        self.counter = 0
        self.basis = None

    def sync(self, delta=None, seen=(), who=None):
        return self.client.ask("sync", self.id, self.sync_body(delta, seen), who=who)

    def sync_body(self, delta=None, seen=()):
        form = None if delta is None else delta.encode()
        founding = self.founding
        return {"replica": self.replica, "basis": self.basis, "seen": seen, "delta": form, "founding": founding}

    def read_form(self):
        return self.sync()["delta"]

    def read(self):
        form = self.read_form()
        return ListState() if form is None else ListState.decode(form)

    def rename(self, name):
        def change(state, delta, moment):
            delta.name = [moment, self.replica, name]
            return ["name", None, 0, name]

        return self._write(change)

    def add(self, name, pieces):
        key, amount = fold_name(name), pieces * 1_000

        def change(state, delta, moment):
            details, rows = state.items.get(key, ([None, None, None], {}))
            label, note, aisle = details
            if not is_present(rows):
                label = [moment, self.replica, name]
                note = note and [moment, self.replica, ""]
            row = list(rows.get(self.replica, [0] * ROW_LENGTH))
            row[TOUCHED] = self.counter
            row[NEEDED.start] += amount
            delta.items[key] = ([label, note, aisle], {**rows, self.replica: row})
            return ["add", key, amount, None]

        return self._write(change)

    def _write(self, change):
        """Makes one operation, and sends it until it is stored on enough servers."""
        state, delta = self.read(), ListState()
        self.counter += 1
        dot, operation, moment = self.counter, base64url(secrets.token_bytes(8)), state.last_time + 1
        delta.context = {self.replica: [dot] if dot == 1 else [0, dot, dot]}
        delta.newest = {self.replica: [dot, operation]}
        kind, key, amount, text = change(state, delta, moment)
        now = int(time.time() * 1_000)
        delta.history = [[self.replica, dot, moment, now, operation, KINDS.index(kind), key, amount, 0, text]]
        context = {**state.context, self.replica: [dot]}
        try:
            return self._store(delta, [[replica, *context[replica]] for replica in sorted(context, key=by_code_units)])
        except (Refused, NoAnswer):
            # Nobody knows whether this dot is taken, so it is not used again; before another it might be a gap.
            self._begin_replica()
            raise

    def _store(self, delta, seen):
        for _ in range(10):
            reply = self.sync(delta, seen)
            if reply["stored"] >= reply["wanted"]:
                self.basis = reply["newest"]
                return reply
        raise NoAnswer


# The scenario


class Checks:
    def __init__(self):
        self.all_ok = True

    def tell(self, name, got):
        """What the other side looks at."""
        self.equal(name, got, got)

    def equal(self, name, got, expected):
        ok = got == expected
        self.all_ok = self.all_ok and ok
        line = {"check": name, "ok": ok, "got": got}
        print(json.dumps(line if ok else {**line, "expected": expected}), flush=True)


def outcome(action, *arguments, **named):
    """What becomes of a request: `answered`, `no answer` or the code of the refusal."""
    try:
        action(*arguments, **named)
        return "answered"
    except Refused as refused:
        return refused.code
    except NoAnswer:
        return "no answer"


def raw(address, message, seconds=2):
    """What becomes of a message that no proper client would send."""
    answer = attempt(address, message, seconds)
    if answer is None:
        return "no answer"
    line, body = answer.split(b"\n", 1)
    return json.loads(body)["code"] if line.split(b" ")[1] == b"error" else "answered"


def accounts(check, client, name):
    client.register(name, "correct horse")
    check.equal("registers", client.account["name"], name)
    other = Client(client.texts)
    check.equal("refuses a wrong password", outcome(other.login, name, "battery staple"), "unauthenticated")
    other.login(name, "correct horse")
    check.equal("logs in with the right password", other.account, client.account)


def own_list(check, client):
    own = client.found()
    check.equal("founds a list", own.rename("Pythons")["role"], "owner")
    reply = own.add("Milk", 2)
    check.equal("has an item stored on enough servers", reply["stored"] >= reply["wanted"], True)
    form = own.read_form()
    state = ListState.decode(form)
    check.equal("reads its item back", state.shown(), {"milk": ("Milk", 2_000, 0)})
    check.equal("makes the same canonical form", digest(state.encode()), digest(form))
    check.tell("invites to its list", client.invite(own.id))
    return own


def others_list(check, client, invitation):
    joined = client.join(invitation)
    check.equal("reads what the command line wrote", joined.read().shown().get("eggs"), ("eggs", 6_000, 2_000))
    joined.add("Milk", 2)
    joined.add("eggs", 6)
    form = joined.read_form()
    state = ListState.decode(form)
    check.equal("adds to an item of another", state.shown().get("eggs"), ("eggs", 12_000, 2_000))
    check.equal("makes the same canonical form of a shared list", digest(state.encode()), digest(form))
    check.tell("has this digest of a shared list", digest(form))
    copied = SharedList(client, joined.id)
    copied.replica = joined.replica
    check.equal("refuses a replica that does not name its newest operation", outcome(copied.read), "stale-basis")
    return joined


def signed_with_another_key(token):
    head, payload, _ = token.split(".")
    signature = hmac.digest(secrets.token_bytes(32), f"{head}.{payload}".encode(), "sha256")
    return f"{head}.{payload}.{base64url(signature)}"


def unsigned(token):
    return f"{base64url(compact({'alg': 'none'}))}.{token.split('.')[1]}."


def strangers(check, client, own):
    words = {
        "a token signed with another key": f"account:{signed_with_another_key(client.token)}",
        "a token without a signature": f"account:{unsigned(client.token)}",
        "a token of nonsense": "account:nonsense",
    }
    for name, who in words.items():
        check.equal(f"refuses {name}", outcome(own.sync, who=who), "unauthenticated")
    stranger = Client(client.texts)
    check.equal("refuses a stranger", outcome(SharedList(stranger, own.id).read), "not-allowed")
    check.equal("refuses who says nothing of themselves", outcome(own.sync, who=""), "not-allowed")
    check.equal("refuses the id of no list", outcome(SharedList(client, new_id()).read), "not-allowed")
    elsewhere = SharedList(client, new_id(), own.founding)
    check.equal("refuses to found a list under another id", outcome(elsewhere.rename, "Mine"), "not-allowed")


def is_cut_off(address, message, seconds=5):
    """Whether the other side closes the connection on this, in place of an answer."""
    with connect(address) as socket:
        events = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        socket.send(message)
        poller = zmq.Poller()
        poller.register(events, zmq.POLLIN)
        poller.register(socket, zmq.POLLIN)
        ready = dict(poller.poll(seconds * 1_000))
        cut_off = events in ready and monitor.recv_monitor_message(events)["event"] == zmq.EVENT_DISCONNECTED
        socket.disable_monitor()
        return cut_off and socket not in ready


def wrong_messages(check, client, own):
    broker = client.brokers[0]
    good = client.message("sync", own.id, own.sync_body(), 2)
    line, body = good.split(b"\n", 1)
    words = line.split(b" ")
    cases = {
        "a token that is too long": (line[: -len(client.who)] + b"x" * 4_097 + b"\n" + body, "too-large"),
        "a body that is too deep": (line + b"\n" + b"[" * 13 + b"]" * 13, "too-large"),
        "a body that is not JSON": (line + b"\n{", "malformed"),
        "an unknown version": (good.replace(b"/1", b"/2", 1), "unsupported-version"),
        "an unknown version of another shape": (b"AISLE/99 hello", "unsupported-version"),
        "an unknown kind": (good.replace(b"sync", b"dance", 1), "unknown-kind"),
        "too few words": (b" ".join(words[:4]) + b"\n" + body, "malformed"),
        "a line without an end": (line, "malformed"),
    }
    for name, (message, code) in cases.items():
        check.equal(f"refuses {name}", raw(broker, message), code)
    too_large = line + b"\n" + b" " * (32 * 2**20 + 8_192)
    check.equal("closes on a message over 32 MiB and 8 KiB", is_cut_off(broker, too_large), True)
    check.equal("serves a new connection afterwards", raw(broker, good), "answered")


def wrong_keys(check, client):
    broker, good = client.brokers[0], client.message("ping", "", {}, 2)
    other_key = Address(broker.endpoint, zmq.curve_keypair()[0])
    check.equal("does not speak to a broker of another key", raw(other_key, good, 1), "no answer")
    check.equal("is not spoken to in clear text", raw(Address(broker.endpoint, None), good, 1), "no answer")


def after_revocation(check, client, joined):
    """Replays a request that was good: word for word under its old id, and anew."""
    old = client.message("sync", joined.id, joined.sync_body(), 3)
    check.equal("is let in before", outcome(client.send, old), "answered")
    check.tell("waits for its revocation", joined.id)
    sys.stdin.readline()
    check.equal("refuses a replay after the revocation", outcome(client.send, old), "not-allowed")
    check.equal("refuses a new request after the revocation", outcome(joined.sync), "not-allowed")


def main(name, invitation, *brokers):
    """Plays it under a new account of this name. The invitation, to a list with 2 of 6 eggs, is by somebody else, who
    revokes the membership and then writes a line to standard input."""
    check, client = Checks(), Client(brokers)
    accounts(check, client, name)
    own = own_list(check, client)
    strangers(check, client, own)
    wrong_messages(check, client, own)
    wrong_keys(check, client)
    joined = others_list(check, client, invitation)
    after_revocation(check, client, joined)
    return 0 if check.all_ok else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
