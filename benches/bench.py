#!/usr/bin/env python3
"""Whole commands, side by side with a peer in one run. See README.md beside this file."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STEPLADDER = os.environ.get("STEPLADDER", os.path.join(ROOT, "target", "release", "stepladder"))
ROUNDS = int(os.environ.get("ROUNDS", "7"))
DBMATE = os.environ.get("DBMATE") or shutil.which("dbmate")
POSTGRES = os.environ.get("STEPLADDER_TEST_POSTGRES_URL")
NEO4J = os.environ.get("STEPLADDER_TEST_NEO4J_URL")


def timed(argv, cwd, env=None, stdin=None):
    """Runs one command; seconds and peak memory in MB. A failure ends the bench: it would measure an error."""
    everything = dict(os.environ, **(env or {}))
    source = open(stdin, "rb") if stdin else subprocess.DEVNULL
    began = time.perf_counter()
    child = subprocess.Popen(argv, cwd=cwd, env=everything, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    took = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(argv)} failed ({child.returncode}): {said.decode(errors='replace')}")
    return took, usage.ru_maxrss / 1024


def pair(title, sides, rounds=ROUNDS):
    """`sides`: name -> (prepare, run). Alternates them and prints medians and ratios to the first peer."""
    took = {name: [] for name in sides}
    memory = {name: 0.0 for name in sides}
    for turn in range(rounds + 1):
        for name, (prepare, run) in sides.items():
            prepare()
            seconds, peak = run()
            if turn:
                took[name].append(seconds)
                memory[name] = max(memory[name], peak)
    first = statistics.median(next(iter(took.values())))
    print(f"\n{title}")
    for name, values in took.items():
        middle = statistics.median(values)
        ratio = "" if name == next(iter(took)) else f"   stepladder/this {first / middle:5.2f}"
        print(f"  {name:34} {middle * 1000:9.1f} ms  (min {min(values) * 1000:.1f}, max {max(values) * 1000:.1f})  {memory[name]:6.1f} MB{ratio}")


def nothing():
    pass


def statement(n, way):
    return f"CREATE TABLE t{n} (id integer PRIMARY KEY, name text NOT NULL);\n" if way == "up" else f"DROP TABLE t{n};\n"


def write_set(folder, count):
    os.makedirs(folder)
    for n in range(1, count + 1):
        for way in ("up", "down"):
            with open(os.path.join(folder, f"{n:05}_t{n}.{way}.sql"), "w") as f:
                f.write(statement(n, way))


def write_dbmate(folder, count):
    os.makedirs(folder)
    for n in range(1, count + 1):
        with open(os.path.join(folder, f"{n:05}_t{n}.sql"), "w") as f:
            f.write(f"-- migrate:up\n{statement(n, 'up')}\n-- migrate:down\n{statement(n, 'down')}")


def write_plain(path, count):
    with open(path, "w") as f:
        f.write("CREATE TABLE ledger (id text PRIMARY KEY, at timestamp DEFAULT current_timestamp);\n")
        for n in range(1, count + 1):
            f.write(f"BEGIN;\n{statement(n, 'up')}INSERT INTO ledger (id) VALUES ('{n:05}');\nCOMMIT;\n")


def start(_):
    run = lambda *argv: (nothing, lambda: timed(list(argv), ROOT))
    pair("start", {"stepladder --version": run(STEPLADDER, "--version"), "stepladder --help": run(STEPLADDER, "--help"),
                   "sqlite3 --version": run("sqlite3", "--version")}, 21)


def validate(work):
    write_set(f"{work}/migrations/sqlite", 10_000)
    peer = ["sh", "-c", "find migrations -type f | xargs cat | wc -c"]
    pair("validate, 10,000 pairs", {"stepladder validate": (nothing, lambda: timed([STEPLADDER, "validate"], work)),
                                    "cat of the same files": (nothing, lambda: timed(peer, work))})


def sqlite(work):
    write_set(f"{work}/migrations/sqlite", 1000)
    write_plain(f"{work}/plain.sql", 1000)

    def clean():
        for name in ("stepladder.db", "plain.db", "dbmate.db"):
            for end in ("", "-wal", "-shm", "-journal"):
                if os.path.exists(f"{work}/{name}{end}"):
                    os.remove(f"{work}/{name}{end}")

    sides = {"stepladder up": (clean, lambda: timed([STEPLADDER, "up"], work)),
             "sqlite3 < plain.sql": (clean, lambda: timed(["sqlite3", "-bail", "plain.db"], work, stdin=f"{work}/plain.sql"))}
    if DBMATE:
        write_dbmate(f"{work}/dbmate", 1000)
        argv = [DBMATE, "--url", "sqlite:dbmate.db", "--migrations-dir", "dbmate", "--no-dump-schema", "up"]
        sides["dbmate up"] = (clean, lambda: timed(argv, work))
    pair("SQLite, 1,000 pending migrations", sides)


def databases():
    url = urllib.parse.urlparse(POSTGRES)
    at = lambda name: url._replace(path="/" + name).geturl()

    def fresh():
        for name in ("bench_a", "bench_b", "bench_c"):
            for sql in (f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}"):
                subprocess.run([psql(), "-X", "-q", "-d", POSTGRES, "-c", sql], check=True, stderr=subprocess.DEVNULL)

    return at, fresh


def psql():
    """The program behind Debian's wrapper, as stepladder uses it."""
    base = "/usr/lib/postgresql"
    versions = sorted(int(v) for v in os.listdir(base) if v.isdigit()) if os.path.isdir(base) else []
    real = [f"{base}/{v}/bin/psql" for v in reversed(versions) if os.path.exists(f"{base}/{v}/bin/psql")]
    return real[0] if real else shutil.which("psql")


def postgres(work):
    if not POSTGRES:
        return print("\npostgres: left out, STEPLADDER_TEST_POSTGRES_URL is not set")
    at, fresh = databases()
    write_set(f"{work}/migrations/postgres", 1000)
    write_plain(f"{work}/plain.sql", 1000)
    plain = [psql(), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", at("bench_b"), "-f", f"{work}/plain.sql"]
    sides = {"stepladder up": (fresh, lambda: timed([STEPLADDER, "up"], work, {"POSTGRES_URL": at("bench_a")})),
             "psql -f plain.sql": (nothing, lambda: timed(plain, work))}
    if DBMATE:
        write_dbmate(f"{work}/dbmate", 1000)
        url = at("bench_c") + ("&" if "?" in at("bench_c") else "?") + "sslmode=disable"
        argv = [DBMATE, "--url", url, "--migrations-dir", "dbmate", "--no-dump-schema", "up"]
        sides["dbmate up"] = (nothing, lambda: timed(argv, work))
    pair("PostgreSQL, 1,000 pending migrations", sides)


def neo4j(work):
    """50 migrations through stepladder and the same statements through one cypher-shell; and a look."""
    if not NEO4J:
        return print("\nneo4j: left out, STEPLADDER_TEST_NEO4J_URL is not set")
    url = urllib.parse.urlsplit(NEO4J)
    shell = ["cypher-shell", "--address", f"neo4j://{url.hostname}:{url.port}", "--format", "plain", "--non-interactive"]
    login = {"NEO4J_USERNAME": url.username, "NEO4J_PASSWORD": url.password}
    folder = f"{work}/migrations/neo4j"
    os.makedirs(folder)
    for n in range(1, 51):
        with open(f"{folder}/{n:03}_b{n}.up.cypher", "w") as f:
            f.write(f"CREATE (:Bench {{n: {n}}});\n")
        with open(f"{folder}/{n:03}_b{n}.down.cypher", "w") as f:
            f.write(f"MATCH (b:Bench {{n: {n}}}) DELETE b;\n")
    with open(f"{work}/plain.cypher", "w") as f:
        f.write("".join(f"CREATE (:Bench {{n: {n}}});\n" for n in range(1, 51)))
    with open(f"{work}/clean.cypher", "w") as f:
        f.write("MATCH (n:Bench) DELETE n; MATCH (e:StepladderMigration) DELETE e;\n")
    url = {"NEO4J_URL": NEO4J}

    def clean():
        timed(shell, work, login, f"{work}/clean.cypher")

    pair("Neo4j, 50 migrations", {
        "stepladder up": (clean, lambda: timed([STEPLADDER, "up"], work, url)),
        "one cypher-shell, same statements": (clean, lambda: timed(shell, work, login, f"{work}/plain.cypher"))}, min(ROUNDS, 5))
    clean()
    timed([STEPLADDER, "up"], work, url)
    pair("Neo4j, nothing pending of 50", {"stepladder status": (nothing, lambda: timed([STEPLADDER, "status"], work, url))})
    clean()


def idle(work):
    write_set(f"{work}/migrations/sqlite", 1000)
    timed([STEPLADDER, "up"], work)
    pair("nothing pending of 1,000, SQLite", {
        "stepladder up": (nothing, lambda: timed([STEPLADDER, "up"], work)),
        "sqlite3 'select 1'": (nothing, lambda: timed(["sqlite3", "stepladder.db", "select 1"], work))}, 15)
    if not POSTGRES:
        return
    at, fresh = databases()
    fresh()
    shutil.move(f"{work}/migrations/sqlite", f"{work}/migrations/postgres")
    env = {"POSTGRES_URL": at("bench_a")}
    timed([STEPLADDER, "up"], work, env)
    pair("nothing pending of 1,000, PostgreSQL", {
        "stepladder up": (nothing, lambda: timed([STEPLADDER, "up"], work, env)),
        "psql -c 'select 1'": (nothing, lambda: timed([psql(), "-X", "-d", at("bench_a"), "-c", "select 1"], work))}, 15)


BENCHES = {"start": start, "validate": validate, "sqlite": sqlite, "postgres": postgres, "neo4j": neo4j, "idle": idle}

if __name__ == "__main__":
    if not os.path.exists(STEPLADDER):
        sys.exit("no release build: cargo build --release")
    for name in sys.argv[1:] or BENCHES:
        if name not in BENCHES:
            sys.exit(f"no bench {name}: there are {', '.join(BENCHES)}")
        with tempfile.TemporaryDirectory() as work:
            BENCHES[name](work)
