//! ChromaDB: scripts in Python against a real server, and what a person reads when one goes wrong. The tests that need
//! the server are left out without `STEPLADDER_TEST_CHROMADB_URL`; in CI that is a failure.

use crate::world::{World, says};

/// A variable that the servers' script sets.
fn variable(name: &str) -> Option<String> {
    std::env::var(format!("STEPLADDER_TEST_CHROMADB_{name}")).ok().filter(|v| !v.is_empty())
}

/// A project with a store on the server whose ledger is empty, and the names of its collections beginning alike.
fn project(database: &str) -> Option<World> {
    let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
    let needed = wish == "all" || wish != "none" && std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    let url = variable("URL").filter(|_| wish != "none");
    assert!(url.is_some() || !needed, "STEPLADDER_TEST_CHROMADB_URL is not set");
    let python = variable("PYTHON").unwrap_or_else(|| "python3".to_owned());
    let database = format!("cli_{database}_{}", std::process::id());
    let url = url?;
    make_database(&python, &url, &database);
    Some(
        World::new()
            .file("stepladder.toml", format!("[stores.chromadb]\nclient = {python:?}\n"))
            .variable("CHROMA_URL", &format!("{url}/{database}")),
    )
}

fn make_database(python: &str, url: &str, database: &str) {
    let script = "import chromadb, sys, urllib.parse as u\n\
                  url = u.urlparse(sys.stdin.read())\n\
                  headers = {'x-chroma-token': url.username} if url.username else {}\n\
                  settings = chromadb.Settings(chroma_api_impl='chromadb.api.fastapi.FastAPI', chroma_server_host=url.hostname, \
                  chroma_server_http_port=url.port, chroma_server_headers=headers)\n\
                  chromadb.AdminClient(settings).create_database(sys.argv[1])\n";
    let mut child = std::process::Command::new(python)
        .args(["-c", script, database])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), url.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn script(world: &World, label: &str, text: &str) {
    world.write(&format!("migrations/chromadb/{label}.up.py"), text);
    world.write(&format!("migrations/chromadb/{label}.down.py"), "pass\n");
}

#[test]
fn what_a_script_changes_in_its_interpreter_is_gone_for_the_next() {
    let Some(world) = project("state") else { return };
    world.write("migrations/chromadb/helper.py", "VALUE = 'first'\n");
    script(
        &world,
        "001_messy",
        "import builtins, helper, os, signal, sys, threading, time\n\
         assert (__name__, helper.VALUE, len(sys.argv)) == ('__main__', 'first', 1)\n\
         assert __file__ == sys.argv[0] and os.path.isfile(__file__)\n\
         assert sys.modules['__main__'].__dict__ is globals()\n\
         assert os.environ['STEPLADDER_VERSION'] == '1' and os.environ['CHROMA_PORT']\n\
         client.create_collection('messy', embedding_function=None)\n\
         client.set_database('elsewhere') if False else None\n\
         client.database = 'elsewhere'\n\
         leaked = 1\n\
         os.chdir('/'); os.environ['LEAKED'] = 'x'; del os.environ['CHROMA_PORT']; os.umask(0o777)\n\
         builtins.print = None; builtins.leaked = 1; builtins.open = None\n\
         sys.path.clear(); sys.argv.append('x'); sys.setrecursionlimit(5000)\n\
         signal.signal(signal.SIGINT, signal.SIG_IGN)\n\
         open_at_end = lambda: (time.sleep(0.3), client.get_or_create_collection('late', embedding_function=None))\n\
         client.database = client.tenant and os.environ['CHROMA_DATABASE']\n\
         threading.Thread(target=open_at_end).start()\n\
         open(helper.__file__, 'w').write(\"VALUE = 'second'\\n\") if open else os.write(os.open(helper.__file__, os.O_WRONLY | os.O_TRUNC), b\"VALUE = 'second'\\n\")\n\
         sys.stdout.close(); os.close(1); os.close(2); sys.stdout = None\n",
    );
    script(
        &world,
        "002_clean",
        "import helper, os, signal, sys, builtins\n\
         assert 'leaked' not in globals() and not hasattr(builtins, 'leaked') and open and print\n\
         assert helper.VALUE == 'second', helper.VALUE\n\
         assert 'LEAKED' not in os.environ and os.environ['CHROMA_PORT'] and os.environ['STEPLADDER_VERSION'] == '2'\n\
         assert len(sys.argv) == 1 and os.path.samefile(os.getcwd(), os.path.dirname(os.path.dirname(os.path.dirname(__file__))))\n\
         assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n\
         assert client.database == os.environ['CHROMA_DATABASE']\n\
         assert client.get_collection('late', embedding_function=None), 'a thread was not waited for'\n\
         print('all clean')\n",
    );
    says(&world.run("up -v"), 0, &["001_messy", "all clean"]);
    assert!(!world.path("migrations/chromadb/__pycache__").exists(), "something was written beside the scripts");
}

#[test]
fn no_way_out_of_a_script_is_a_success() {
    let Some(world) = project("exits") else { return };
    for (text, words) in [
        ("import sys\nsys.exit(0)\n", &["called sys.exit before its end", "001_out.up.py:2"][..]),
        ("raise SystemExit\n", &["called sys.exit", "001_out.up.py:1"]),
        ("import os\nos._exit(0)\n", &["ended Python before its end, with exit code 0"]),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", &["was ended by a signal"]),
        (
            "def f():\n    client.get_collection('none')\n\nf()\n",
            &["was rejected at line 2", "line 4, in <module>", "in f"],
        ),
        ("raise KeyboardInterrupt\n", &["KeyboardInterrupt", ":1"]),
        ("def f(): f()\nf()\n", &["RecursionError"]),
    ] {
        script(&world, "001_out", text);
        says(&world.run("up"), 1, words);
        assert_eq!(world.standing("001_out"), "half-applied", "{text}");
        world.run("repair chromadb/1 --mark reverted --yes");
    }
    // What does not even compile leaves nothing.
    for (text, words) in [("x = 1\nx = (\n", ":2"), ("\tx = 1\n", ":1"), ("return\n", ":1")] {
        script(&world, "001_out", text);
        says(&world.run("up"), 1, &["cannot be compiled", words]);
        assert_eq!(world.standing("001_out"), "pending", "{text}");
    }
}

#[test]
fn prints_and_children_neither_forge_nor_break_what_python_answers() {
    let Some(world) = project("forge") else { return };
    script(
        &world,
        "001_forge",
        "import os, subprocess, sys\n\
         print('done {}', 'x' * (1 << 20), sep='', end='')\n\
         os.write(1, b'\\x00\\xff no text'); sys.stdout.buffer.write(b'\\xfe'); sys.stderr.write('no end')\n\
         subprocess.run(['sh', '-c', 'echo from a child; sleep 60 & exit 0'], stdin=subprocess.DEVNULL)\n\
         assert sys.stdin.read() == ''\n\
         if os.fork() == 0:\n    print('the child runs on')\n    client.get_or_create_collection('child', embedding_function=None)\n\
         else:\n    os.wait()\n    client.get_collection('child', embedding_function=None)\n",
    );
    script(&world, "002_after", "client.delete_collection('child')\n");
    let began = std::time::Instant::now();
    says(&world.run("up"), 0, &["001_forge", "2 applied"]);
    assert!(began.elapsed().as_secs() < 40, "it waited for a child that stayed behind");
}

#[test]
fn what_chroma_refuses_is_told_in_its_own_words() {
    let Some(world) = project("refused") else { return };
    script(
        &world,
        "001_two",
        "both = client.create_collection('both', embedding_function=None)\nboth.add(ids=['a'], embeddings=[[1.0, 2.0]])\n",
    );
    says(&world.run("up"), 0, &[]);
    script(&world, "002_bad", "client.create_collection('both', embedding_function=None)\n");
    says(&world.run("up"), 1, &["002_bad.up.py:1", "already exists"]);
    world.run("repair chromadb/2 --mark reverted --yes");
    let wrong = "client.get_collection('both', embedding_function=None).add(ids=['b'], embeddings=[[1.0]])\n";
    script(&world, "002_bad", wrong);
    says(&world.run("up"), 1, &["002_bad.up.py:1", "dimension"]);
    world.run("repair chromadb/2 --mark reverted --yes");
    // A script that drops the ledger with everything else is no success either.
    script(&world, "002_bad", "for c in client.list_collections():\n    client.delete_collection(c.name)\n");
    says(&world.run("up"), 1, &["chromadb/002_bad", "lease"]);
}

#[test]
fn an_interpreter_that_cannot_be_used_is_told_before_anything_begins() {
    let Some(world) = project("python") else { return };
    script(&world, "001_one", "pass\n");
    let bare = variable("BARE_PYTHON").expect("servers.sh says it");
    world.write("stepladder.toml", format!("[stores.chromadb]\nclient = {bare:?}\n"));
    says(
        &world.run("up"),
        6,
        &["has no package chromadb", "chromadb/001_one", &format!("{bare} -m pip install chromadb")],
    );
    says(&world.run("doctor"), 6, &["has no package chromadb", "-m pip install"]);
    assert_eq!(world.standing("001_one"), "pending");
    world.write("stepladder.toml", "[stores.chromadb]\nclient = \"no-such-python\"\n");
    says(&world.run("up"), 6, &["`no-such-python` was not found, and chromadb/001_one needs it", "nothing was run"]);
    world.write("stepladder.toml", "[stores.chromadb]\n");
    let python = variable("PYTHON").expect("servers.sh says it");
    let folder = std::path::Path::new(&python).parent().and_then(std::path::Path::parent).expect("an environment");
    std::os::unix::fs::symlink(folder, world.path(".venv")).unwrap();
    says(&world.run("up"), 0, &["001_one"]);
    says(&world.run("doctor"), 0, &[".venv/bin/python3", "chromadb 1."]);
}

#[test]
fn a_database_that_is_not_there_is_told() {
    let Some(url) = variable("URL") else { return };
    let world = World::new().file("stepladder.toml", "[stores.chromadb]\n");
    script(&world, "001_one", "pass\n");
    let world = world.variable("CHROMA_URL", &format!("{url}/no_such_database"));
    for command in ["status", "up", "check"] {
        let said = world.run(command);
        assert!([1, 6].contains(&said.code) && said.all().contains("no_such_database"), "{}", said.all());
        assert!(said.all().contains("create_database"), "{}", said.all());
    }
}

#[test]
fn a_connection_that_means_nothing_is_refused() {
    for (section, words) in [
        ("url = \"localhost:8000\"", "`://`"),
        ("url = \"chroma://:s3cret@h:8000/a/b/c\"", "more than a tenant and a database"),
        ("url = \"https://h?tenent=x\"", "`tenent` is no key"),
    ] {
        let world = World::new().file("stepladder.toml", format!("[stores.chromadb]\n{section}\n"));
        script(&world, "001_one", "pass\n");
        let said = world.run("status");
        assert!(said.code != 0 && said.all().contains(words), "{section}: {}", said.all());
        assert!(!said.all().contains("s3cret"), "{}", said.all());
    }
}

#[test]
fn requests_are_journalled_and_resumed() {
    let Some(world) = project("requests") else { return };
    let write = |second: &str| {
        let up = format!(
            "POST /collections\n\n{{\"name\": \"one\"}}\n###\n# the second\n{second}\n###\nPOST /collections\n\n{{\"name\": \"three\"}}\n"
        );
        world.write("migrations/chromadb/001_requests.up.http", up);
    };
    let down = "DELETE /collections/three\n###\nDELETE /collections/two\n###\nDELETE /collections/one\n";
    world.write("migrations/chromadb/001_requests.down.http", down);
    script(&world, "002_python", "client.get_collection('three', embedding_function=None)\n");
    write("POST /collections\n\n{\"name\": \"one\"}");
    says(
        &world.run("up"),
        1,
        &[
            "001_requests.up.http:6",
            "request 2 of 3",
            "HTTP 409",
            "done and kept: part 1 of 3",
            "repair chromadb/1 --resume",
        ],
    );
    write("POST /collections\n\n{\"name\": \"two\"}");
    says(&world.run("repair chromadb/1 --resume --yes"), 0, &[]);
    says(&world.run("up"), 0, &["002_python"]);
    says(&world.run("down --all --yes"), 0, &[]);
    says(&world.run("up"), 0, &["001_requests", "002_python"]);
    for (text, words) in [
        ("DELETE /collections/stepladder_lease", "names a collection of the ledger"),
        ("GET https://elsewhere/collections", "would go to elsewhere"),
    ] {
        world.write("migrations/chromadb/003_bad.up.http", text);
        world.write("migrations/chromadb/003_bad.down.http", "# nothing\n");
        says(&world.run("up"), 1, &["003_bad.up.http:1", words]);
        assert_eq!(world.standing("003_bad"), "pending");
    }
    world.write("migrations/chromadb/003_bad.up.http", "GET /collections/gone\n");
    says(&world.run("up --dry-run"), 0, &["built in", "GET /api/v2/tenants/default_tenant/databases/cli_requests"]);
}

#[test]
fn idle_connections_that_are_cut_are_not_relied_upon() {
    let Some(world) = project("idle") else { return };
    let world = crate::relay::between(world, "CHROMA_URL");
    crate::relay::outlives_idle_connections(
        &world,
        "chromadb",
        "py",
        "client.get_or_create_collection(\"idle\", embedding_function=None)\n",
    );
}
