//! MongoDB: scripts in JavaScript and JSON against a real server, and what a person reads when one goes wrong. The tests
//! that need the server are left out without `STEPLADDER_TEST_MONGODB_URL`; in CI that is a failure.

use crate::world::{World, says};

/// A project with a store on the server whose ledger is empty, and the URL of its database.
fn project(database: &str) -> Option<World> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (wish, ci) = (variable("STEPLADDER_TEST_SERVERS"), variable("CI"));
    let needed = wish == "all" || wish != "none" && !ci.is_empty() && ci != "false";
    let url = Some(variable("STEPLADDER_TEST_MONGODB_URL")).filter(|url| !url.is_empty() && wish != "none");
    assert!(url.is_some() || !needed, "STEPLADDER_TEST_MONGODB_URL is not set");
    let url = format!("{}cli_{database}_{}?authSource=admin", url?, std::process::id());
    let world = World::new().file("stepladder.toml", "[stores.mongodb]\n").variable("MONGODB_URL", &url);
    // mongosh lies where the servers' script put it.
    Some(world.variable("PATH", &variable("PATH")))
}

fn script(world: &World, label: &str, text: &str) {
    world.write(&format!("migrations/mongodb/{label}.up.js"), text);
    world.write(&format!("migrations/mongodb/{label}.down.js"), "// nothing\n");
}

/// Leaves the server as it was.
fn clean(world: &World) {
    std::fs::remove_dir_all(world.path("migrations")).unwrap();
    world.write("migrations/mongodb/999_end.up.json", "{ \"dropDatabase\": 1 }\n");
    world.run("fresh --yes");
}

#[test]
fn what_a_script_changes_in_its_shell_is_gone_for_the_next() {
    let Some(world) = project("state") else { return };
    script(
        &world,
        "0010_messy",
        "const name = db.getName();\n\
         function helper() { return db.messy.insertOne({ _id: 1 }); }\n\
         helper();\n\
         if (await db.messy.countDocuments() !== 1) throw new Error('count');\n\
         if (!__filename.endsWith('0010_messy.up.js') || !__dirname.endsWith('migrations/mongodb')) throw new Error(__filename);\n\
         if (process.env.STEPLADDER_VERSION !== '10' || !process.env.MONGODB_URL) throw new Error('environment');\n\
         leaked = 1; globalThis.leakedToo = 2; var three = 3;\n\
         process.env.LEAKED = 'x'; delete process.env.MONGODB_DATABASE; process.chdir('/');\n\
         print = null; load = undefined;\n\
         use('elsewhere'); db = db.getSiblingDB('elsewhere2');\n",
    );
    // Without `await` and `return` outside of functions a script is loaded as it is; its last promise is waited for.
    script(
        &world,
        "0015_plain",
        "const name = 'plain'; let plain = 1; class klass {}\n\
         function helper() { return name; }\n\
         if (typeof leaked !== 'undefined' || helper() !== 'plain') throw new Error('leaked');\n\
         if (!__filename.endsWith('0015_plain.up.js') || !db.getName().startsWith('cli_state_')) throw new Error(__filename);\n\
         if (process.env.LEAKED || process.cwd() === '/') throw new Error('process');\n\
         print = null; db = db.getSiblingDB('elsewhere3');\n\
         async function main() {\n\
           await new Promise(done => setTimeout(done, 300));\n\
           connect(process.env.MONGODB_URL).late.insertOne({ _id: 1 });\n\
         }\n\
         main();\n",
    );
    script(
        &world,
        "0020_clean",
        "const name = db.getName();\n\
         var db = db.getSiblingDB(name);\n\
         for (const leak of ['leaked', 'leakedToo', 'three', 'helper', 'klass', 'plain']) if (globalThis[leak] !== undefined) throw new Error(leak);\n\
         if (!name.startsWith('cli_state_')) throw new Error(name);\n\
         if (process.env.LEAKED || !process.env.MONGODB_DATABASE || process.cwd() === '/') throw new Error('process');\n\
         if (process.env.STEPLADDER_VERSION !== '20') throw new Error('version');\n\
         if (db.messy.findOne({ _id: 1 }) === null || db.late.findOne() === null) throw new Error('data');\n\
         print('printed', name);\n\
         return;\n",
    );
    says(&world.run("up -v"), 0, &["0020_clean", "printed cli_state_"]);
    says(&world.run("check"), 0, &[]);
    clean(&world);
}

#[test]
fn errors_are_told_at_the_scripts_own_lines() {
    let Some(world) = project("lines") else { return };
    let cases = [
        (
            "001_call",
            "// top\n\ndb.things.insertOne({ _id: 1 });\n\ndb.things\n  .insertOne({ _id: 1 });\n",
            6,
            "11000",
        ),
        ("002_helper", "function f(x) {\n  return `\n${x\n    .nothing}`;\n}\n\nf(null);\n", 4, "TypeError"),
        (
            "003_template",
            "const a = `\n/* no\n${[1]\n  .map(x => x)}\n`;\nconst b = /`'/.test(a);\nmissing();\n",
            7,
            "missing",
        ),
        ("004_thrown", "const x = { a: 1,\n  b: 2 };\nthrow new RangeError('too far');\n", 3, "RangeError: too far"),
        ("005_callback", "[1].forEach(n => {\n  db.things.drop();\n  db.runCommand({ no: 1 });\n});\n", 3, "no"),
        (
            "007_awaited",
            "const n = await db.things.countDocuments();\n\n[n].forEach(() => {\n  null.x;\n});\n",
            4,
            "TypeError",
        ),
        ("008_crlf", "let a = 1;\r\n// x\r\nnull.x;\r\n", 3, "TypeError"),
    ];
    for (label, text, line, words) in cases {
        script(&world, label, text);
        says(&world.run("up"), 1, &[&format!("mongodb/{label}"), &format!("{label}.up.js:{line}"), words]);
        assert_eq!(world.standing(label), "half-applied");
        let version = label.split('_').next().unwrap_or_default();
        says(&world.run(&format!("repair mongodb/{version} --mark applied --yes")), 0, &[]);
    }
    clean(&world);
}

#[test]
fn what_is_no_javascript_leaves_nothing_behind() {
    let Some(world) = project("syntax") else { return };
    script(&world, "001_one", "db.one.insertOne({ _id: 1 });\n");
    for (text, line) in [
        ("db.two.insertOne({ _id: 1 });\nlet b = {;\n", Some(2)),
        ("db.two.insertOne({ _id: 1 });\n}); (async () => {\n", None),
        ("const a = 1;\nconst a = 2;\n", Some(2)),
        ("import fs from 'fs';\n", Some(1)),
    ] {
        script(&world, "002_two", text);
        let place = line.map_or("SyntaxError".to_owned(), |line| format!("002_two.up.js:{line}"));
        says(&world.run("up"), 1, &["mongodb/002_two cannot be compiled", &place]);
        assert_eq!(world.standing("002_two"), "pending");
        assert_eq!(world.standing("001_one"), "applied");
    }
    script(&world, "002_two", "if (db.two.countDocuments() !== 0) throw new Error('something ran');\n");
    says(&world.run("up"), 0, &[]);
    clean(&world);
}

#[test]
fn only_the_scripts_own_end_is_success() {
    let Some(world) = project("ends") else { return };
    for (text, words) in [
        ("quit();\n", "ended mongosh before its end, with exit code 0"),
        ("exit(0);\n", "exit code 0"),
        ("process.exit(3);\n", "exit code 3"),
        ("process.kill(process.pid, 'SIGKILL');\n", "ended by a signal"),
        ("Promise.reject(new Error('nobody waited'));\n", "nobody waited"),
        ("throw { odd: 1 };\n", "odd: 1"),
        ("await 1;\nthrow { odd: 2 };\n", "thrown: {\"odd\":2}"),
        ("throw 'a word';\n", "a word"),
    ] {
        script(&world, "001_end", text);
        script(&world, "002_next", "db.next.insertOne({ _id: 1 });\n");
        says(&world.run("up"), 1, &["mongodb/001_end", words, "half-applied"]);
        assert_eq!(
            (world.standing("001_end").as_str(), world.standing("002_next").as_str()),
            ("half-applied", "pending")
        );
        says(&world.run("repair mongodb/1 --mark reverted --yes"), 0, &[]);
    }
    // A script that takes the ledger away cannot be recorded.
    script(&world, "001_end", "db.dropDatabase();\n");
    says(&world.run("up"), 1, &["mongodb/001_end", "lease"]);
    clean(&world);
}

#[test]
fn commands_in_json_are_counted_and_resumed() {
    let Some(world) = project("json") else { return };
    let up = |second: &str| {
        format!(
            "// stepladder: timeout 30s\n[\n  {{ \"create\": \"things\" }},\n  {second},\n  {{ \"insert\": \"things\",\n    \
             \"documents\": [{{ \"_id\": 2, \"at\": {{ \"$date\": \"2024-01-02T03:04:05Z\" }} }}] }}\n]\n"
        )
    };
    world.write("migrations/mongodb/001_json.up.json", up("{ \"noSuchCommand\": 1 }"));
    world.write("migrations/mongodb/001_json.down.json", "{ \"drop\": \"things\" }\n");
    // Nothing here needs a shell.
    world.write("stepladder.toml", "[stores.mongodb]\nclient = \"no-such-mongosh\"\n");
    says(&world.run("up"), 1, &["001_json.up.json:4", "noSuchCommand", "1 of 3", "--resume"]);
    says(&world.run("up"), 5, &["1 of 3", "--resume"]);
    world.write(
        "migrations/mongodb/001_json.up.json",
        up("{ \"insert\": \"things\", \"documents\": [{ \"_id\": 1 }] }"),
    );
    says(&world.run("repair mongodb/1 --resume --yes"), 0, &[]);
    assert_eq!(world.standing("001_json"), "applied");
    says(&world.run("fresh --dry-run"), 0, &["collection things (2 documents)"]);
    says(&world.run("up --dry-run"), 0, &[]);
    // What is no command is found before anything began.
    world.write("migrations/mongodb/002_bad.up.json", "[\n  { \"create\": \"a\" },\n  7\n]\n");
    world.write("migrations/mongodb/002_bad.down.json", "[]\n");
    says(&world.run("up"), 1, &["002_bad.up.json:3", "cannot be read"]);
    assert_eq!(world.standing("002_bad"), "pending");
    says(&world.run("down --yes"), 0, &["001_json"]);
    // A script for the shell does need one.
    script(&world, "000_shell", "print(1);\n");
    let said = world.run("up");
    says(&said, 6, &["`no-such-mongosh` was not found, and mongodb/000_shell needs it", "npm install -g mongosh"]);
    says(&said, 6, &["000_shell.up.js", "nothing was run"]);
    world.write("stepladder.toml", "[stores.mongodb]\n");
    clean(&world);
}

#[test]
fn doctor_names_the_shell_and_what_the_server_can() {
    let Some(world) = project("doctor") else { return };
    script(&world, "001_one", "print(1);\n");
    says(&world.run("doctor"), 0, &["mongosh 2.", "MongoDB ", "transactions"]);
    says(&world.run("up --dry-run"), 0, &["mongosh --quiet --norc --nodb --file", "print(1);"]);
    clean(&world);
}

#[test]
fn an_old_shell_is_told() {
    let Some(world) = project("old") else { return };
    script(&world, "001_one", "print(1);\n");
    world.write("old-mongosh", "#!/bin/sh\necho 1.10.6\n");
    std::process::Command::new("chmod").arg("+x").arg(world.path("old-mongosh")).status().unwrap();
    world.write("stepladder.toml", "[stores.mongodb]\nclient = \"./old-mongosh\"\n");
    says(&world.run("doctor"), 6, &["mongosh 1.10.6 is too old: 2.0 or newer is needed"]);
    world.write("stepladder.toml", "[stores.mongodb]\n");
    clean(&world);
}

#[test]
fn a_connection_that_means_nothing_is_refused() {
    for (url, words) in [
        ("localhost:27017/shop", "it has no scheme"),
        ("mongodb+srv://me:s3cret@h/shop", "names one host of a domain"),
        ("mongodb://me:s3cret@h", "names no database"),
        ("mongodb://me:s3cret@h/local", "belongs to the server"),
        ("mongodb://me:s3cret@h/shop?authMechanism=MONGODB-X509", "`MONGODB-X509` is not understood"),
    ] {
        let world = World::new().file("stepladder.toml", format!("[stores.mongodb]\nurl = {url:?}\n"));
        script(&world, "001_one", "print(1);\n");
        let said = world.run("status");
        assert!(said.code != 0 && said.all().contains(words), "{url}: {}", said.all());
        assert!(!said.all().contains("s3cret"), "{}", said.all());
    }
}

/// Documents for the templates to work on, but for those that make the collection.
const GROUND: &str = "const n = parseInt(__filename.replace(/.*\\//, ''), 10);\n\
                      if (![21, 71].includes(n)) db.things.insertMany([1, 2, 3].map(n => ({ _id: n, name: `n${n}`, email: `e${n}`, price: n, quantity: 2 })));\n";
/// FerretDB takes the validator of a new collection and forgets it; MongoDB's own server does not.
const CHECKED: &str =
    "(db.adminCommand({ buildInfo: 1 }).ferretdb || db.getCollectionInfos({ name: 'things' })[0].options.validator)";
const GONE: &str = "db.getCollectionInfos({ name: 'things' }).length === 0";

/// Each template, and what is true after its up and after its down script.
const TEMPLATES: [(&str, &str, &str, &str); 7] = [
    ("default", "js", "true", "true"),
    ("collection", "js", CHECKED, GONE),
    (
        "index",
        "js",
        "db.things.getIndexes().some(i => i.name === 'things_email' && i.unique)",
        "db.things.getIndexes().length === 1",
    ),
    (
        "validator",
        "js",
        "db.getCollectionInfos({ name: 'things' })[0].options.validator.$jsonSchema.required.length === 2",
        "!db.getCollectionInfos({ name: 'things' })[0].options.validator?.$jsonSchema",
    ),
    (
        "backfill",
        "js",
        "db.things.countDocuments({ total: { $exists: true } }) === 3 && db.things.findOne({ _id: 3 }).total === 6",
        "db.things.countDocuments({ total: { $exists: true } }) === 0",
    ),
    (
        "rename-field",
        "js",
        "db.things.countDocuments({ title: /^n/, name: { $exists: false } }) === 3",
        "db.things.countDocuments({ name: /^n/, title: { $exists: false } }) === 3",
    ),
    ("commands", "json", "db.things.getIndexes().some(i => i.name === 'things_email')", GONE),
];

#[test]
fn templates_do_what_they_say_there_and_back() {
    let Some(world) = project("templates") else { return };
    let files = stepladder::commands::templates::FILES;
    let count = files.iter().filter(|(path, _)| path.starts_with("mongodb/")).count();
    assert_eq!(count, 2 * TEMPLATES.len(), "a template is not run here");
    let text = |path: &str| files.iter().find(|(name, _)| *name == path).expect("the template is there").1;
    let check = |condition: &str| format!("if (!({condition})) throw new Error('the check failed');\n");
    for (at, (template, extension, after_up, after_down)) in (1..).zip(TEMPLATES) {
        let table = format!("t{at}");
        let place = |n: i32, name: &str, way: &str, end: &str| format!("migrations/mongodb/{at}{n}_{name}.{way}.{end}");
        // Around each template: what is looked at on the way back, and on the way there.
        world.write(&place(1, "before", "up", "js"), GROUND.replace("things", &table));
        world.write(&place(1, "before", "down", "js"), check(&after_down.replace("things", &table)));
        for way in ["up", "down"] {
            let template_text = text(&format!("mongodb/{template}.{way}.{extension}"));
            world.write(&place(2, template, way, extension), template_text.replace("{{table}}", &table));
        }
        world.write(&place(3, "after", "up", "js"), check(&after_up.replace("things", &table)));
        world.write(&place(3, "after", "down", "js"), "// nothing\n");
    }
    says(&world.run("up"), 0, &["21 applied"]);
    says(&world.run("down --all --yes"), 0, &["21 reverted"]);
    clean(&world);
}

#[test]
fn the_sample_goes_up_and_down_and_up() {
    let Some(world) = project("sample") else { return };
    let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/mongodb");
    for file in std::fs::read_dir(sample).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        world.write(&format!("migrations/mongodb/{name}"), std::fs::read(file.path()).unwrap());
    }
    says(&world.run("validate"), 0, &[]);
    says(&world.run("up"), 0, &["4 applied"]);
    says(&world.run("down --all --yes"), 0, &["4 reverted"]);
    says(&world.run("fresh --dry-run"), 0, &[]);
    says(&world.run("up"), 0, &["4 applied"]);
    says(&world.run("check"), 0, &[]);
    clean(&world);
}

/// A name server of our own; it goes with this.
struct Names(std::process::Child, String);

impl Names {
    fn with(records: &[[&str; 3]]) -> Self {
        use std::io::BufRead;
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/name_server.py");
        let mut server = std::process::Command::new("python3")
            .arg(program)
            .args(records.iter().flatten())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut port = String::new();
        std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self(server, format!("127.0.0.1:{}", port.trim()))
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_name_in_the_dns_stands_for_servers_and_options() {
    if project("srv").is_none() {
        return;
    }
    let url = std::env::var("STEPLADDER_TEST_MONGODB_URL").unwrap();
    let (login, place) = url.strip_prefix("mongodb://").unwrap().rsplit_once('@').unwrap();
    let port = place.split('/').next().unwrap().rsplit_once(':').unwrap().1;
    let server = format!("0:{port}:127.0.0.1");
    let secret = login.split_once(':').unwrap().1.to_owned();
    // A name of digits, so that its servers need no other name than their address.
    let names = Names::with(&[
        ["_mongodb._tcp.good.0.0.1", "SRV", &server],
        ["good.0.0.1", "TXT", "authSource=admin"],
        // Of this one the answer does not fit into a datagram.
        ["_mongodb._tcp.big.0.0.1", "SRV", &server],
        ["big.0.0.1", "TXT", "authSource=admin"],
        ["_shop._tcp.good.0.0.1", "SRV", &server],
        ["_mongodb._tcp.stranger.0.0.1", "SRV", "0:27017:db.evil.example"],
        ["_mongodb._tcp.bare.0.0.1", "SRV", &server],
        ["_mongodb._tcp.chatty.0.0.1", "SRV", &server],
        ["chatty.0.0.1", "TXT", "tls=false"],
        ["_mongodb._tcp.set.0.0.1", "SRV", &server],
        ["set.0.0.1", "TXT", "authSource=admin&replicaSet=rs0"],
    ]);
    let database = format!("cli_srv_{}", std::process::id());
    let world = &World::new().variable("PATH", &std::env::var("PATH").unwrap_or_default());
    let connect = |host: &str, options: &str, dns: &str| {
        let url = format!("mongodb+srv://{login}@{host}/{database}?{options}");
        world.write("stepladder.toml", format!("[stores.mongodb]\nurl = \"{url}\"\ndns = \"{dns}\"\n"));
    };
    // mongosh is given the servers, and the database that knows the user.
    script(world, "001_shell", "db.srv.insertOne({ _id: 1 });\n");
    world.write("migrations/mongodb/002_json.up.json", "{ \"insert\": \"srv\", \"documents\": [{ \"_id\": 2 }] }\n");
    world.write("migrations/mongodb/002_json.down.json", "{ \"drop\": \"srv\" }\n");
    world.write("migrations/mongodb/001_shell.down.json", "{ \"ping\": 1 }\n");
    std::fs::remove_file(world.path("migrations/mongodb/001_shell.down.js")).unwrap();
    connect("good.0.0.1", "tls=false", &names.1);
    assert!(!world.ok("up --dry-run").all().contains(&secret));
    world.ok("up");
    world.ok("check");
    connect("big.0.0.1", "tls=false", &names.1);
    assert!(world.ok("status").all().contains("@big.0.0.1/"), "{}", world.shows("status"));
    world.ok("down --all --yes");
    connect("good.0.0.1", "tls=false&srvServiceName=shop&srvMaxHosts=1", &names.1);
    world.ok("status");
    for (host, options, words) in [
        ("stranger.0.0.1", "tls=false", "names db.evil.example for stranger.0.0.1"),
        ("nobody.0.0.1", "tls=false", "knows no servers under _mongodb._tcp.nobody.0.0.1 (SRV)"),
        ("chatty.0.0.1", "tls=false", "says `tls=false`, and may say authSource, replicaSet, loadBalanced alone"),
        // Nobody said that it is not encrypted.
        ("good.0.0.1", "", "if it speaks none on this port, say `tls=false`"),
        // The set is what the text says.
        ("set.0.0.1", "tls=false", "belongs to no replica set, and the connection wants rs0"),
    ] {
        connect(host, options, &names.1);
        let said = world.run("up");
        says(&said, 6, &[words]);
        assert!(!said.all().contains(&secret), "{}", said.all());
    }
    connect("good.0.0.1", "tls=false", "127.0.0.1:9");
    says(&world.run("up"), 6, &["127.0.0.1:9 has no answer to `_mongodb._tcp.good.0.0.1`"]);
    connect("good.0.0.1", "tls=false", "ns.example");
    says(&world.run("up"), 2, &["is no name server"]);
    connect("good.0.0.1", "tls=false", &names.1);
    clean(world);
}

#[test]
fn two_ledgers_in_one_database_leave_each_other_alone() {
    let Some(world) = project("two") else { return };
    let url = format!(
        "{}cli_two_{}?authSource=admin",
        std::env::var("STEPLADDER_TEST_MONGODB_URL").unwrap(),
        std::process::id()
    );
    world.write(
        "stepladder.toml",
        format!(
            "[stores.one]\nkind = \"mongodb\"\nurl = {url:?}\n[stores.two]\nkind = \"mongodb\"\nurl = {url:?}\nledger = \"ops\"\n"
        ),
    );
    for store in ["one", "two"] {
        let put = format!("{{ \"insert\": \"things\", \"documents\": [{{ \"_id\": \"{store}\" }}] }}\n");
        let take = format!(
            "{{ \"delete\": \"things\", \"deletes\": [{{ \"q\": {{ \"_id\": \"{store}\" }}, \"limit\": 1 }}] }}\n"
        );
        world.write(&format!("migrations/{store}/001_a.up.json"), put);
        world.write(&format!("migrations/{store}/001_a.down.json"), take);
    }
    let collections = || {
        let output = std::process::Command::new("mongosh")
            .args(["--quiet", "--norc", &url, "--eval", "EJSON.stringify(db.getCollectionNames().sort())"])
            .output()
            .expect("mongosh runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    // One lease each: both stores in one run.
    world.ok("up");
    world.ok("check");
    assert_eq!(
        collections(),
        "[\"ops_lease\",\"ops_ledger\",\"ops_scripts\",\"stepladder_lease\",\"stepladder_ledger\",\"stepladder_scripts\",\"things\"]"
    );
    assert!(world.ok("fresh --dry-run -s two").all().contains("collection things (2 documents)"));
    // `fresh` of either knows the other's ledger, whose things it drops as well.
    for (fresh, other) in [("two", "one"), ("one", "two")] {
        world.ok(&format!("fresh --yes -s {fresh}"));
        let entries = world.ok(&format!("history --json -s {other}")).json();
        assert!(!entries["entries"].as_array().unwrap().is_empty(), "the ledger of {other} is gone: {entries}");
    }
    world.ok("down --all --yes");
    world.write("stepladder.toml", format!("[stores.two]\nkind = \"mongodb\"\nurl = {url:?}\nledger = \"a$b\"\n"));
    says(&world.run("status"), 2, &["cannot begin the names of collections", "ops_ledger"]);
    world.write("stepladder.toml", format!("[stores.mongodb]\nurl = {url:?}\n"));
    clean(&world);
}

#[test]
fn idle_connections_that_are_cut_are_not_relied_upon() {
    let Some(world) = project("idle") else { return };
    let world = crate::relay::between(world, "MONGODB_URL");
    crate::relay::outlives_idle_connections(
        &world,
        "mongodb",
        "json",
        "{ \"insert\": \"a\", \"documents\": [{ \"n\": 1 }] }\n",
    );
    clean(&world);
}
