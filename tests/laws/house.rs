//! What every kind must bring along, and what the pure core must not touch.

use std::fs;
use std::path::{Path, PathBuf};

use stepladder::stores::KINDS;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(sources(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

#[test]
fn the_pure_core_touches_no_file_process_environment_or_clock() {
    let banned = [
        "std::fs",
        "std::process",
        "std::env",
        "std::net",
        "std::io",
        "std::thread",
        "SystemTime",
        "Instant",
        "jiff",
        "env!(",
        "println!",
        "eprintln!",
        "crate::config",
        "crate::process",
        "crate::stores",
        "crate::execute",
    ];
    let files = sources(&root().join("src/domain"));
    assert!(files.len() > 20, "the core has moved");
    let is_test = |f: &PathBuf| {
        f.strip_prefix(root()).unwrap().components().any(|c| c.as_os_str().to_string_lossy().starts_with("tests"))
    };
    for file in files.into_iter().filter(|f| !is_test(f)) {
        let text = fs::read_to_string(&file).unwrap();
        // What a file's own tests use is their affair.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for word in banned {
            assert!(!code.contains(word), "{} uses {word}", file.display());
        }
    }
}

#[test]
fn every_kind_has_templates_samples_and_a_row_in_the_docs() {
    let docs = fs::read_to_string(root().join("docs/stores.md")).unwrap();
    for kind in KINDS {
        let card = &kind.card;
        let extension = card.extensions[0];
        for way in ["up", "down"] {
            let template = root().join(format!("templates/{}/default.{way}.{extension}", card.name));
            assert!(template.is_file(), "{} is missing", template.display());
        }
        assert!(docs.contains(&format!("| `{}` |", card.name)), "docs/stores.md has no row for {}", card.name);
        // The quickstart runs the sample set, and what is kept in memory only would be gone at its end.
        let remembers = card.default_url.is_none_or(|url| !url.starts_with("memory:"));
        let samples = root().join("migrations").join(card.name);
        assert!(!remembers || samples.is_dir(), "{} is missing", samples.display());
    }
}

#[test]
fn every_kind_says_how_to_connect_and_how_to_get_its_client() {
    for kind in KINDS {
        let card = &kind.card;
        assert!(!card.extensions.is_empty() && !card.schemes.is_empty() && !card.title.is_empty());
        assert!(!card.variables.is_empty(), "{} has no variable", card.name);
        assert!(!card.example_url.is_empty(), "{} has no example", card.name);
        assert!(card.client.is_none_or(|c| !c.programs.is_empty() && !c.install.is_empty()));
    }
}

#[test]
fn no_test_file_is_forgotten() {
    for folder in ["cli", "conformance", "laws", "crash", "docs"] {
        let folder = root().join("tests").join(folder);
        for file in sources(&folder).into_iter().filter(|f| f.extension().is_some_and(|e| e == "rs")) {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            if name == "main" || name == "mod" {
                continue;
            }
            let parent = file.parent().unwrap();
            let owners = [parent.join("main.rs"), parent.join("mod.rs"), parent.with_extension("rs")];
            let declared = owners
                .iter()
                .filter_map(|o| fs::read_to_string(o).ok())
                .any(|text| text.contains(&format!("mod {name};")));
            assert!(declared, "{} is no module of its test", file.display());
        }
    }
}
