#!/usr/bin/env python3
"""Whole commands, side by side with a peer in one run. See README.md beside this file."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STEPLADDER = os.environ.get("STEPLADDER", os.path.join(ROOT, "target", "release", "stepladder"))
ROUNDS = int(os.environ.get("ROUNDS", "7"))
DBMATE = os.environ.get("DBMATE") or shutil.which("dbmate")
POSTGRES = os.environ.get("STEPLADDER_TEST_POSTGRES_URL")
CHROMA = os.environ.get("STEPLADDER_TEST_CHROMADB_OPEN_URL")
KAFKA = os.environ.get("STEPLADDER_TEST_KAFKA_OPEN_URL")
KAFKA_BIN = os.environ.get("STEPLADDER_TEST_KAFKA_BIN")
MARIADB = os.environ.get("STEPLADDER_TEST_MARIADB_URL")
MONGODB = os.environ.get("STEPLADDER_TEST_MONGODB_OPEN_URL")
REDIS = os.environ.get("STEPLADDER_TEST_REDIS_URL")
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
    """`sides`: name -> (prepare, run). Alternates them, each round in the other order, and prints medians; a ratio is the
    median of the rounds' ratios, since a round's sides share whatever else the machine was doing."""
    took = {name: [] for name in sides}
    memory = {name: 0.0 for name in sides}
    for turn in range(rounds + 1):
        order = list(sides.items())
        for name, (prepare, run) in order if turn % 2 else reversed(order):
            prepare()
            os.sync()
            seconds, peak = run()
            if turn:
                took[name].append(seconds)
                memory[name] = max(memory[name], peak)
    ours = next(iter(took.values()))
    print(f"\n{title}")
    for name, values in took.items():
        ratios = sorted(a / b for a, b in zip(ours, values))
        ratio = "" if values is ours else f"   stepladder/this {statistics.median(ratios):5.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"  {name:34} {statistics.median(values) * 1000:9.1f} ms  "
              f"(min {min(values) * 1000:.1f}, max {max(values) * 1000:.1f})  {memory[name]:6.1f} MB{ratio}")


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


def settle():
    """Nobody runs a set in the seconds in which it was written, when files are read twice since their times do not tell whether they have changed."""
    time.sleep(4)


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
    settle()
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

    def fresh(name):
        def prepare():
            for sql in (f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}"):
                subprocess.run([psql(), "-X", "-q", "-d", POSTGRES, "-c", sql], check=True, stderr=subprocess.DEVNULL)
        return prepare

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
    sides = {"stepladder up": (fresh("bench_a"), lambda: timed([STEPLADDER, "up"], work, {"POSTGRES_URL": at("bench_a")})),
             "psql -f plain.sql": (fresh("bench_b"), lambda: timed(plain, work))}
    if DBMATE:
        write_dbmate(f"{work}/dbmate", 1000)
        url = at("bench_c") + ("&" if "?" in at("bench_c") else "?") + "sslmode=disable"
        argv = [DBMATE, "--url", url, "--migrations-dir", "dbmate", "--no-dump-schema", "up"]
        sides["dbmate up"] = (fresh("bench_c"), lambda: timed(argv, work))
    pair("PostgreSQL, 1,000 pending migrations", sides)


# The options of a JVM in a launcher.
JVM_OPTIONS = (r" -X\S+", "")


def as_installed(work, place, *changes):
    """A folder with a JVM client that is started as its own packages start it. The tests' JVMs start in a fraction of the time, which nobody else's do."""
    with open(place) as f:
        launcher = f.read()
    for pattern, text in changes:
        launcher = re.sub(pattern, text, launcher)
    os.makedirs(f"{work}/bin")
    path = f"{work}/bin/{os.path.basename(place)}"
    with open(path, "w") as f:
        f.write(launcher)
    os.chmod(path, 0o755)
    return f"{work}/bin"


def plain_tools(work):
    """kafka-topics with the options of Kafka's own scripts."""
    options = ("-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 "
               "-XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true")
    place = os.path.join(KAFKA_BIN, "kafka-topics") if KAFKA_BIN else shutil.which("kafka-topics")
    return as_installed(work, place, JVM_OPTIONS, ("exec java ", f"exec java {options} "), ("-Xmx128m", "-Xmx256M"))


def kafka(work):
    """50 topics: Kafka's tools through stepladder and through a shell, then built in; and a look."""
    if not KAFKA:
        return print("\nkafka: left out, STEPLADDER_TEST_KAFKA_OPEN_URL is not set")
    brokers = KAFKA.split("://")[1].split("?")[0]
    tools_folder = plain_tools(work)
    topics = f"{tools_folder}/kafka-topics"
    folder = f"{work}/migrations/kafka"
    os.makedirs(folder)
    for n in range(1, 51):
        for way in ("create", "delete"):
            with open(f"{folder}/{n:03}_t{n}.{'up' if way == 'create' else 'down'}.kafka", "w") as f:
                f.write(f"kafka-topics --{way} --topic bench.t{n}\n")
    with open(f"{work}/plain.sh", "w") as f:
        f.write("set -e\n" + "".join(f"{topics} --bootstrap-server {brokers} --create --topic bench.t{n}\n" for n in range(1, 51)))
    tools = {"KAFKA_BROKERS": f"{brokers}?prefix=bench.&ledger=bench_ledger&client={tools_folder}"}
    builtin = {"KAFKA_BROKERS": f"{brokers}?prefix=bench.&ledger=bench_ledger&client=builtin"}

    def clean():
        subprocess.run([topics, "--bootstrap-server", brokers, "--delete", "--if-exists", "--topic", "bench[._].*"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    pair("Kafka, 50 topics", {
        "stepladder up": (clean, lambda: timed([STEPLADDER, "up"], work, tools)),
        "the same calls in a shell": (clean, lambda: timed(["sh", "plain.sh"], work)),
        "stepladder up, built in": (clean, lambda: timed([STEPLADDER, "up"], work, builtin))}, min(ROUNDS, 3))
    pair("Kafka, nothing pending of 50", {
        "stepladder status": (nothing, lambda: timed([STEPLADDER, "status"], work, tools)),
        "kafka-topics --list": (nothing, lambda: timed([topics, "--bootstrap-server", brokers, "--list"], work))})
    clean()


CHROMA_PLAIN = """import os, sys, time, chromadb
client = chromadb.HttpClient(host=os.environ["CHROMA_HOST"], port=int(os.environ["CHROMA_PORT"]), database="bench_plain")
ledger = client.get_or_create_collection("ledger", embedding_function=None) if sys.argv[1] == "ledger" else None
for n in range(1, 51):
    client.create_collection(f"bench_{n}", metadata={"n": n}, embedding_function=None)
    if ledger:
        ledger.add(ids=[f"{n:05}"], embeddings=[[0.0]], metadatas=[{"name": f"bench_{n}", "at": time.time()}])
"""


def chromadb(work):
    """50 collections: through stepladder, and by one Python with and without a ledger of its own; and a look."""
    if not CHROMA:
        return print("\nchromadb: left out, STEPLADDER_TEST_CHROMADB_OPEN_URL is not set")
    host, port = CHROMA.split("://")[1].split(":")
    python = os.environ.get("STEPLADDER_TEST_CHROMADB_PYTHON", "python3")
    folder = f"{work}/migrations/chromadb"
    os.makedirs(folder)
    for n in range(1, 51):
        with open(f"{folder}/{n:03}_bench.up.py", "w") as f:
            f.write(f"client.create_collection('bench_{n}', metadata={{'n': {n}}}, embedding_function=None)\n")
        with open(f"{folder}/{n:03}_bench.down.py", "w") as f:
            f.write(f"client.delete_collection('bench_{n}')\n")
    with open(f"{work}/plain.py", "w") as f:
        f.write(CHROMA_PLAIN)
    with open(f"{work}/stepladder.toml", "w") as f:
        f.write(f"[stores.chromadb]\nclient = '{python}'\n")
    env = {"CHROMA_URL": f"{CHROMA}/bench_stepladder", "CHROMA_HOST": host, "CHROMA_PORT": port}

    def clean():
        for name in ("bench_stepladder", "bench_plain"):
            for method, path, body in (("DELETE", f"/{name}", None), ("POST", "", json.dumps({"name": name}).encode())):
                url = f"http://{host}:{port}/api/v2/tenants/default_tenant/databases{path}"
                request = urllib.request.Request(url, body, {"content-type": "application/json"}, method=method)
                try:
                    urllib.request.urlopen(request).read()
                except urllib.error.HTTPError as error:
                    if method == "POST":
                        raise error

    pair("ChromaDB, 50 collections", {
        "stepladder up": (clean, lambda: timed([STEPLADDER, "up"], work, env)),
        "one Python, with a ledger": (clean, lambda: timed([python, "plain.py", "ledger"], work, env)),
        "one Python, without": (clean, lambda: timed([python, "plain.py", "none"], work, env))})
    clean()
    timed([STEPLADDER, "up"], work, env)
    pair("ChromaDB, nothing pending of 50", {
        "stepladder status": (nothing, lambda: timed([STEPLADDER, "status"], work, env)),
        "python -c 'import chromadb'": (nothing, lambda: timed([python, "-c", "import chromadb"], work))})


ELASTIC_PLAIN = """import http.client, json, os, sys, time
connection = http.client.HTTPConnection(os.environ["ELASTIC_HOST"], int(os.environ["ELASTIC_PORT"]))
def ask(method, path, body=None):
    connection.request(method, path, json.dumps(body) if body else None, {"content-type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status < 300, said
ask("PUT", "/bench-plain-ledger", {"settings": {"number_of_shards": 1, "number_of_replicas": 0}})
for n in range(1, 101):
    with open(f"migrations/elasticsearch/{n:03}_bench.up.http") as f:
        head, body = f.read().split("\\n\\n")
    method, path = head.split()
    ask(method, path, json.loads(body))
    if sys.argv[1] == "ledger":
        ask("PUT", f"/bench-plain-ledger/_create/{n}", {"name": f"bench_{n}", "at": time.time()})
"""


def elasticsearch(work):
    """100 migrations of one request: through stepladder, and by one Python that keeps its connection; and a look."""
    server = os.environ.get("STEPLADDER_TEST_OPENSEARCH_URL")
    if not server:
        return print("\nelasticsearch: left out, STEPLADDER_TEST_OPENSEARCH_URL is not set")
    host, port = server.split("://")[1].split(":")
    folder = f"{work}/migrations/elasticsearch"
    os.makedirs(folder)
    for n in range(1, 101):
        with open(f"{folder}/{n:03}_bench.up.http", "w") as f:
            # The first makes the index, the others give it a field.
            index = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}
            field = {"properties": {f"field_{n}": {"type": "keyword"}}}
            f.write(f"PUT /bench-one\n\n{json.dumps(index)}" if n == 1 else f"PUT /bench-one/_mapping\n\n{json.dumps(field)}")
        with open(f"{folder}/{n:03}_bench.down.http", "w") as f:
            f.write("DELETE /bench-one\n" if n == 1 else "# a field stays\n")
    with open(f"{work}/plain.py", "w") as f:
        f.write(ELASTIC_PLAIN)
    env = {"ELASTICSEARCH_URL": f"{server}?prefix=bench-&ledger=bench-ledger", "ELASTIC_HOST": host, "ELASTIC_PORT": port}

    def clean():
        for index in ("bench-one", "bench-ledger", "bench-plain-ledger"):
            try:
                urllib.request.urlopen(urllib.request.Request(f"{server}/{index}", method="DELETE")).read()
            except urllib.error.HTTPError:
                pass

    python = sys.executable
    pair("OpenSearch, 100 migrations of one request", {
        "stepladder up": (clean, lambda: timed([STEPLADDER, "up"], work, env)),
        "one Python, with a ledger": (clean, lambda: timed([python, "plain.py", "ledger"], work, env)),
        "one Python, without": (clean, lambda: timed([python, "plain.py", "none"], work, env))})
    clean()
    timed([STEPLADDER, "up"], work, env)
    pair("OpenSearch, nothing pending of 100", {
        "stepladder status": (nothing, lambda: timed([STEPLADDER, "status"], work, env))})
    clean()


def mongodb(work):
    """100 migrations through stepladder and the same files through one mongosh; and a look."""
    if not MONGODB:
        return print("\nmongodb: left out, STEPLADDER_TEST_MONGODB_OPEN_URL is not set")
    url = f"{MONGODB}bench"
    shell = ["mongosh", "--quiet", "--norc", url]
    folder = f"{work}/migrations/mongodb"
    os.makedirs(folder)
    for n in range(1, 101):
        with open(f"{folder}/{n:03}_b{n}.up.js", "w") as f:
            f.write(f"db.bench.insertOne({{ n: {n} }});\n")
        with open(f"{folder}/{n:03}_b{n}.down.js", "w") as f:
            f.write(f"db.bench.deleteOne({{ n: {n} }});\n")
    files = [f"{folder}/{n:03}_b{n}.up.js" for n in range(1, 101)]
    env = {"MONGODB_URL": url}

    def clean():
        timed(shell + ["--eval", "db.dropDatabase()"], work)

    pair("MongoDB, 100 migrations", {
        "stepladder up": (clean, lambda: timed([STEPLADDER, "up"], work, env)),
        "one mongosh, same files": (clean, lambda: timed(shell + files, work))}, min(ROUNDS, 5))
    clean()
    timed([STEPLADDER, "up"], work, env)
    pair("MongoDB, nothing pending of 100", {
        "stepladder status": (nothing, lambda: timed([STEPLADDER, "status"], work, env)),
        "mongosh --eval 1": (nothing, lambda: timed(shell + ["--eval", "1"], work))}, min(ROUNDS, 5))


def mysql(work):
    """100 migrations through stepladder, the same statements with an entry each through one client, and dbmate."""
    if not MARIADB:
        return print("\nmysql: left out, STEPLADDER_TEST_MARIADB_URL is not set")
    at = urllib.parse.urlsplit(MARIADB)
    client = ["mariadb", "--no-defaults", "--protocol=tcp", "--ssl=0", "-h", at.hostname, "-P", str(at.port), "-u", at.username]
    login = {"MYSQL_PWD": at.password}
    url = lambda name: MARIADB.rsplit("/", 1)[0] + "/" + name
    env = {"MYSQL_URL": url("conf_bench_a")}

    def fresh(name):
        return lambda: timed(client + ["-e", f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}"], work, login)

    for title, up, down in (("a table each", "CREATE TABLE t{n} (id integer PRIMARY KEY, name varchar(100) NOT NULL);\n", "DROP TABLE t{n};\n"),
                            ("rows each", "INSERT INTO t VALUES ({n});\nINSERT INTO t VALUES (-{n});\n", "DELETE FROM t WHERE id IN ({n}, -{n});\n")):
        first = "CREATE TABLE t (id integer PRIMARY KEY);\n"
        shutil.rmtree(f"{work}/migrations", ignore_errors=True)
        shutil.rmtree(f"{work}/dbmate", ignore_errors=True)
        os.makedirs(f"{work}/migrations/mysql")
        os.makedirs(f"{work}/dbmate")
        with open(f"{work}/plain.sql", "w") as plain:
            plain.write("CREATE TABLE ledger (id varchar(100) PRIMARY KEY, at timestamp(6) DEFAULT current_timestamp(6));\n")
            for n in range(101):
                texts = (first, "DROP TABLE t;\n") if n == 0 else (up.format(n=n), down.format(n=n))
                for way, text in zip(("up", "down"), texts):
                    with open(f"{work}/migrations/mysql/{n + 1:03}_t{n}.{way}.sql", "w") as f:
                        f.write(text)
                with open(f"{work}/dbmate/{n + 1:03}_t{n}.sql", "w") as f:
                    f.write(f"-- migrate:up\n{texts[0]}\n-- migrate:down\n{texts[1]}")
                plain.write(f"BEGIN;\n{texts[0]}INSERT INTO ledger (id) VALUES ('{n:05}');\nCOMMIT;\n")
        sides = {"stepladder up": (fresh("conf_bench_a"), lambda: timed([STEPLADDER, "up"], work, env)),
                 "mariadb < plain.sql": (fresh("conf_bench_b"), lambda: timed(client + ["conf_bench_b"], work, login, f"{work}/plain.sql"))}
        if DBMATE:
            argv = [DBMATE, "--url", url("conf_bench_c"), "--migrations-dir", "dbmate", "--no-dump-schema", "up"]
            sides["dbmate up"] = (fresh("conf_bench_c"), lambda: timed(argv, work))
        pair(f"MariaDB, 100 pending migrations, {title}", sides)
    pair("MariaDB, nothing pending of 100", {
        "stepladder up": (nothing, lambda: timed([STEPLADDER, "up"], work, env)),
        "mariadb -e 'select 1'": (nothing, lambda: timed(client + ["-e", "select 1"], work, login))})


def redis(work):
    """1,000 migrations through stepladder, and the same as MULTI ... EXEC blocks with an entry each through one pipelined client."""
    if not REDIS:
        return print("\nredis: left out, STEPLADDER_TEST_REDIS_URL is not set")
    at = urllib.parse.urlsplit(REDIS)
    client = ["redis-cli", "-h", at.hostname, "-p", str(at.port), "--user", at.username, "-n", "99"]
    login = {"REDISCLI_AUTH": at.password}
    folder = f"{work}/migrations/redis"
    os.makedirs(folder)
    blocks = []
    for n in range(1, 1001):
        command = f"HSET bench:{n} name n{n} size {n}"
        with open(f"{folder}/{n:04}_b{n}.up.redis", "w") as f:
            f.write(command + "\n")
        with open(f"{folder}/{n:04}_b{n}.down.redis", "w") as f:
            f.write(f"DEL bench:{n}\n")
        entry = f"XADD bench-ledger * event done direction up version {n} label {n:04}_b{n} run r checksum {n:064} at {n}"
        blocks.append(f"MULTI\r\n{command}\r\n{entry}\r\nEXEC\r\n")
    with open(f"{work}/plain.txt", "w") as f:
        f.write("".join(blocks))
    settle()
    env = {"REDIS_URL": f"{REDIS}/99"}

    def clean():
        timed(client + ["flushdb"], work, login)

    pair("Redis, 1,000 pending migrations", {
        "stepladder up": (clean, lambda: timed([STEPLADDER, "up"], work, env)),
        "redis-cli --pipe, MULTI/EXEC with an entry": (clean, lambda: timed(client + ["--pipe"], work, login, f"{work}/plain.txt"))})
    clean()
    timed([STEPLADDER, "up"], work, env)
    pair("Redis, nothing pending of 1,000", {"stepladder up": (nothing, lambda: timed([STEPLADDER, "up"], work, env))})
    clean()


def neo4j(work):
    """50 migrations through stepladder and the same statements through one cypher-shell; and a look."""
    if not NEO4J:
        return print("\nneo4j: left out, STEPLADDER_TEST_NEO4J_URL is not set")
    url = urllib.parse.urlsplit(NEO4J)
    path = as_installed(work, shutil.which("cypher-shell"), (r"\$\{JAVA_OPTS:-[^}]*\}", "$JAVA_OPTS"), JVM_OPTIONS)
    shell = [f"{path}/cypher-shell", "--address", f"neo4j://{url.hostname}:{url.port}", "--format", "plain", "--non-interactive"]
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
    url = {"NEO4J_URL": NEO4J, "PATH": f"{path}:{os.environ['PATH']}"}

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
    fresh("bench_a")()
    shutil.move(f"{work}/migrations/sqlite", f"{work}/migrations/postgres")
    env = {"POSTGRES_URL": at("bench_a")}
    timed([STEPLADDER, "up"], work, env)
    pair("nothing pending of 1,000, PostgreSQL", {
        "stepladder up": (nothing, lambda: timed([STEPLADDER, "up"], work, env)),
        "psql -c 'select 1'": (nothing, lambda: timed([psql(), "-X", "-d", at("bench_a"), "-c", "select 1"], work))}, 15)


# Kind -> the variable of its test server, the store's own variable, and a pair with its extension.
EVERY = {
    "sqlite": (None, None, "sql", "CREATE TABLE bench_one (id integer);\n", "DROP TABLE bench_one;\n"),
    "postgres": ("POSTGRES", "POSTGRES_URL", "sql", "CREATE TABLE bench_one (id integer);\n", "DROP TABLE bench_one;\n"),
    "mysql": ("MARIADB", "MYSQL_URL", "sql", "CREATE TABLE bench_one (a integer);\n", "DROP TABLE bench_one;\n"),
    "redis": ("REDIS", "REDIS_URL", "redis", "SET bench:one 1\n", "DEL bench:one\n"),
    "mongodb": ("MONGODB_OPEN", "MONGODB_URL", "js", "db.createCollection('bench_one');\n", "db.bench_one.drop();\n"),
    "neo4j": ("NEO4J", "NEO4J_URL", "cypher", "CREATE (:BenchOne);\n", "MATCH (n:BenchOne) DELETE n;\n"),
    "chromadb": ("CHROMADB_OPEN", "CHROMA_URL", "py", "client.create_collection('bench_one', embedding_function=None)\n",
                 "client.delete_collection('bench_one')\n"),
    "elasticsearch": ("OPENSEARCH", "ELASTICSEARCH_URL", "http", "PUT /bench-one\n", "DELETE /bench-one\n"),
    "kafka": ("KAFKA_OPEN", "KAFKA_BROKERS", "kafka", "kafka-topics --create --topic bench.one\n",
              "kafka-topics --delete --topic bench.one\n"),
}


def status(work):
    """One look at every kind of store that has a server, one pair applied in each."""
    env, stores = {}, []
    for kind, (server, variable, extension, up, down) in EVERY.items():
        url = os.environ.get(f"STEPLADDER_TEST_{server}_URL") if server else None
        if server and not url:
            print(f"\nstatus: {kind} left out, STEPLADDER_TEST_{server}_URL is not set")
            continue
        stores.append(kind)
        os.makedirs(f"{work}/migrations/{kind}")
        for way, text in (("up", up), ("down", down)):
            with open(f"{work}/migrations/{kind}/001_one.{way}.{extension}", "w") as f:
                f.write(text)
        if variable:
            env[variable] = {"elasticsearch": f"{url}?prefix=bench-&ledger=bench-ledger",
                             "kafka": url.split("://")[1] + "?prefix=bench.&ledger=bench_ledger&client=builtin",
                             "mongodb": f"{url}bench"}.get(kind, url)
    if "postgres" in stores:
        at, fresh = databases()
        fresh("bench_a")()
        env["POSTGRES_URL"] = at("bench_a")
    if python := os.environ.get("STEPLADDER_TEST_CHROMADB_PYTHON"):
        with open(f"{work}/stepladder.toml", "w") as f:
            f.write(f"[stores.chromadb]\nclient = '{python}'\n")
    timed([STEPLADDER, "up"], work, env)
    try:
        pair(f"status of {', '.join(stores)}", {"stepladder status": (nothing, lambda: timed([STEPLADDER, "status"], work, env))}, 15)
    finally:
        timed([STEPLADDER, "down", "--all", "--yes"], work, env)


BENCHES = {"start": start, "validate": validate, "sqlite": sqlite, "postgres": postgres, "mysql": mysql, "redis": redis, "neo4j": neo4j,
           "chromadb": chromadb, "elasticsearch": elasticsearch, "kafka": kafka, "mongodb": mongodb, "idle": idle, "status": status}

if __name__ == "__main__":
    if not os.path.exists(STEPLADDER):
        sys.exit("no release build: cargo build --release")
    for name in sys.argv[1:] or BENCHES:
        if name not in BENCHES:
            sys.exit(f"no bench {name}: there are {', '.join(BENCHES)}")
        with tempfile.TemporaryDirectory() as work:
            BENCHES[name](work)
