//! Every `console` block of the README and of `docs/` is run, and must print what it says.
//!
//! The blocks of one page share a world: a copy of this repository's sample project with its own HOME, in which
//! `cargo run --release --` means the binary under test. Durations, run ids, dates and paths may differ; a line
//! `...` stands for any lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_readme_prints_what_it_says() {
    check(&Path::new(ROOT).join("README.md"), 1);
}

#[test]
fn the_pages_under_docs_print_what_they_say() {
    let mut pages: Vec<PathBuf> =
        fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|e| e.unwrap().path()).collect();
    pages.sort();
    pages.retain(|p| p.extension().is_some_and(|e| e == "md"));
    assert!(!pages.is_empty());
    for page in pages {
        check(&page, 0);
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages: Vec<PathBuf> =
        fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|e| e.unwrap().path()).collect();
    pages.push(Path::new(ROOT).join("README.md"));
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") || link.starts_with('#') {
                continue;
            }
            let target = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{} links to {link}, which is not there", page.display());
        }
    }
}

/// Runs the blocks of one page; a page that should have some must have them.
fn check(page: &Path, at_least: usize) {
    let text = fs::read_to_string(page).unwrap();
    let blocks = blocks(&text);
    assert!(blocks.len() >= at_least, "{} has no console block", page.display());
    if blocks.is_empty() {
        return;
    }
    let world = tempfile::tempdir().unwrap();
    prepare(world.path());
    for (line, block) in blocks {
        for (command, expected) in commands(&block) {
            let got = run(world.path(), &command);
            let (want, have) = (normal(&expected), normal(&got));
            assert!(
                matches(&want, &have),
                "{}:{line}: `{command}`\n--- the page says\n{}\n--- it printed\n{}\n",
                page.display(),
                want.join("\n"),
                have.join("\n")
            );
        }
    }
}

/// The `console` blocks with the line they begin at.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        match &mut open {
            Some(_) if line.trim_end() == "```" => found.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line.trim_end() == "```console" => open = Some((index + 1, String::new())),
            None => {}
        }
    }
    found
}

fn commands(block: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push((command.to_owned(), String::new()));
        } else if let Some((_, expected)) = found.last_mut() {
            expected.push_str(line);
            expected.push('\n');
        } else {
            panic!("a console block begins with a `$ ` line, found: {line}");
        }
    }
    found
}

/// A copy of the sample project, and a folder with the binary under its name.
fn prepare(world: &Path) {
    for folder in ["migrations", "seeds"] {
        copy(&Path::new(ROOT).join(folder), &world.join("project").join(folder));
    }
    fs::copy(Path::new(ROOT).join("stepladder.toml"), world.join("project/stepladder.toml")).unwrap();
    fs::create_dir_all(world.join("bin")).unwrap();
    fs::create_dir_all(world.join("home")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_stepladder"), world.join("bin/stepladder")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// What a command prints, both streams as a terminal would show them.
fn run(world: &Path, command: &str) -> String {
    let path = format!("{}:{}", world.join("bin").display(), std::env::var("PATH").unwrap());
    let command = command.replace("cargo run --release --", "stepladder");
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(world.join("project"))
        .env_clear()
        .env("PATH", path)
        .env("HOME", world.join("home"))
        .env("USER", "you")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).replace(&world.join("project").display().to_string(), "~/project")
}

/// Lines without what differs from run to run: times, ids, and the blanks that line columns up.
fn normal(text: &str) -> Vec<String> {
    let words = |line: &str| {
        let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        for i in 0..words.len() {
            let is_unit = words.get(i + 1).is_some_and(|w| ["ms", "s", "ms)", "s,"].contains(&w.trim_end_matches(',')));
            if is_unit && words[i].parse::<f64>().is_ok() {
                words[i] = "N".to_owned();
                if words[i + 1] == "s" {
                    words[i + 1] = "ms".to_owned();
                }
            }
            if i > 0 && words[i - 1] == "run" && words[i].chars().all(|c| c.is_ascii_hexdigit()) {
                words[i] = "ID".to_owned();
            }
            let digits = |w: &str| w.chars().all(|c| c.is_ascii_digit() || "-:TZ".contains(c)) && w.len() >= 5;
            if digits(&words[i]) && (words[i].contains(':') || words[i].matches('-').count() == 2) {
                words[i] = "TIME".to_owned();
            }
            if words[i].contains('@') && words[i].starts_with("you@") {
                words[i] = "you@HOST".to_owned();
            }
        }
        words.join(" ")
    };
    text.lines().map(words).filter(|l| !l.is_empty()).collect()
}

/// `...` on a line of its own stands for any lines.
fn matches(want: &[String], have: &[String]) -> bool {
    match want.split_first() {
        None => have.is_empty(),
        Some((first, rest)) if first == "..." => (0..=have.len()).any(|skip| matches(rest, &have[skip..])),
        Some((first, rest)) => have.split_first().is_some_and(|(h, tail)| h == first && matches(rest, tail)),
    }
}
