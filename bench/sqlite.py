"""Writes a second of a SQLite database: FOLDER WRITERS BYTES SECONDS, one transaction for what all writers bring at a time."""
import sqlite3
import sys
import time

path, writers, size, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
db = sqlite3.connect(path, isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE deltas (n INTEGER PRIMARY KEY, list TEXT, delta TEXT)")
delta = "x" * size
written = 0
began = time.monotonic()
while time.monotonic() - began < seconds:
    db.execute("BEGIN")
    db.executemany("INSERT INTO deltas (list, delta) VALUES (?, ?)", [("list", delta)] * writers)
    db.execute("COMMIT")
    written += writers
print(written / (time.monotonic() - began))
