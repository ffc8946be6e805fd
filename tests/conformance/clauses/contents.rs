//! What stands in names and scripts comes back whole.

use std::time::{Duration, Instant};

use crate::project::{Fresh, Project};

const HOSTILE_NAME: &str = "it's a \"täst\"; $(rm) `x` %s 🪜 -- \\ #";

pub fn hostile(fresh: &Fresh) {
    let project = fresh.project();
    let shelf = project.subject.shelf();
    project.pair("001_shelf", &[shelf], &[project.subject.comment("stays")]);
    let long: String = (0..).map(|n| format!("{n:09} \u{e9}'\"\\\n")).take(80_000).collect();
    assert!(long.len() > 1 << 20);
    let texts = [
        ("quotes", "it's \"so\" ''twice'' `and` $$dollars$$ $x$".to_owned()),
        ("backslashes", "a\\b\\\\c\\n\\' \\".to_owned()),
        ("blanks", "\ttab  two   three\t".to_owned()),
        ("emoji", "🪜 ünïcödé \u{202e}x\u{202c} \u{200d}".to_owned()),
        ("comments", "-- no /* no */ # no // no; ; :name :'x' %s {} ${HOME} \\q".to_owned()),
        ("lines", "one\n\n  two\n".to_owned()),
        ("long", long),
    ];
    for (at, (name, text)) in texts.iter().enumerate() {
        let back = format!("{name}_back");
        let pair = (project.subject.keep(name, text), project.subject.keep(&back, text));
        project.pair(&format!("{:03}_{name}", at + 2), &[pair.0], &[pair.1]);
    }
    odd_files(&project);
    project.noting_name();
    project.run("up").expect(0);
    for (name, text) in &texts {
        assert!(project.subject.kept(name).as_ref() == Some(text), "the text `{name}` did not come back whole");
    }
    for name in ["crlf", "bom", "no_newline", "comment_end"] {
        assert_eq!(project.subject.kept(name).as_deref(), Some("as it was"), "{name}");
    }
    let label = format!("100_{HOSTILE_NAME}");
    assert!(project.done("up").contains(&label), "{:?}", project.done("up"));
    assert_eq!(project.standing(&label), "applied");
    project.run("status --all").expect(0).says(HOSTILE_NAME);
    project.run("check").expect(0);

    // The way back, from the ledger alone.
    for entry in std::fs::read_dir(project.world.path("migrations/main")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    project.run("down --all --yes").expect(0);
    for (name, text) in &texts {
        let back = project.subject.kept(&format!("{name}_back"));
        assert!(back.as_ref() == Some(text), "the down script of `{name}` did not come back whole");
    }
}

impl Project {
    fn noting_name(&self) {
        let label = format!("100_{HOSTILE_NAME}");
        self.pair(&label, &[self.subject.keep("name", "x")], &[self.subject.keep("name_back", "x")]);
    }
}

/// Files that an editor or another system writes.
fn odd_files(project: &Project) {
    let subject = &project.subject;
    let keep = |name: &str| subject.keep(name, "as it was");
    let comment = subject.comment("it's the end");
    let files = [
        ("050_crlf", format!("{}\r\n{}\r\n\r\n", subject.comment("top"), keep("crlf"))),
        ("051_bom", format!("\u{feff}{}\n", keep("bom"))),
        ("052_no_newline", keep("no_newline")),
        ("053_comment_end", format!("{}\n{comment}", keep("comment_end"))),
        ("054_empty", String::new()),
        ("055_only_comments", comment.clone()),
        ("056_bom_crlf", format!("\u{feff}{comment}\r\n\r\n")),
    ];
    for (label, text) in files {
        project.world.write(project.up_path(label), text);
        project.world.write(project.down_path(label), &comment);
    }
}

pub fn noise(fresh: &Fresh) {
    let project = fresh.project();
    let subject = &project.subject;
    let loud = [subject.noise(1 << 20), subject.create("loud"), subject.noise(1 << 20)];
    project.pair("001_loud", &loud, &[subject.noise(1 << 20), subject.remove("loud")]);
    let line = "head -c 1048576 /dev/zero | tr '\\0' 'x' >&2\nhead -c 1048576 /dev/zero | tr '\\0' 'y'\n";
    project.world.write("migrations/main/002_loud.up.sh", line);
    project.world.write("migrations/main/002_loud.down.sh", line);
    for flags in ["", " -v", " --json"] {
        let began = Instant::now();
        project.run(&format!("up{flags}")).expect(0);
        assert_eq!(subject.things(), ["loud"]);
        let output = project.run(&format!("down --all --yes{flags}")).expect(0);
        assert_eq!(subject.things(), Vec::<String>::new());
        assert!(flags == " -v" || flags == " --json" || output.all().len() < 10_000, "it is noisy by itself");
        assert!(began.elapsed() < Duration::from_secs(60), "it took {:?}", began.elapsed());
    }
    // A script that is rejected amid its noise is still told with its line.
    let noise = subject.noise(1 << 20);
    let line = noise.lines().count() + 1;
    project.pair("001_loud", &[noise, subject.reject()], &[subject.comment("nothing")]);
    project.run("up").expect(1).says(&format!("{}:{line}\n", project.up_path("001_loud")));
}
