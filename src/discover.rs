//! Reads a store's folder: a catalog, or every problem found.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use crate::config::{Config, StoreConfig};
use crate::domain::catalog::Found;
use crate::domain::comments::{leading, style_of};
use crate::domain::file_name::NameError;
use crate::domain::http;
use crate::domain::influxql;
use crate::domain::lines;
use crate::domain::mode::{ANY, PROGRAMS};
use crate::domain::redis;
use crate::domain::sql::{self, Shape};
use crate::domain::{
    Catalog, Checksum, Direction, FileName, Finding, Migration, Script, Version, Wrong, cypher, directive, guest,
};
use crate::files::Reader;
use crate::stores::Card;

/// The catalog of a store.
pub fn catalog(config: &Config, store: &StoreConfig) -> Catalog {
    let card = &store.kind.card;
    let mut findings = Vec::new();
    let mut named = Vec::new();
    let shown_folder = config.shown(&store.folder);
    for path in list(&store.folder, config, &mut findings) {
        match FileName::parse(&base(&path)) {
            Ok(name) => named.push((name, path)),
            Err(why) => findings.extend(not_a_migration(&why, &path, shown(&shown_folder, &path), card)),
        }
    }
    named.sort_unstable_by(|a, b| (a.0.version, a.1.as_os_str()).cmp(&(b.0.version, b.1.as_os_str())));
    let (files, problems) = read_all(named, &shown_folder, card);
    findings.extend(problems);
    let mut catalog = Catalog::pair(&store.name, files, config.require_down);
    findings.append(&mut catalog.findings);
    if store.keeper.is_some() {
        findings.extend(catalog.migrations.values().filter_map(|m| unkept(&store.name, m)));
    }
    for finding in &mut findings {
        finding.store.get_or_insert_with(|| store.name.clone());
    }
    findings.sort_by(|a, b| (&a.place, a.line).cmp(&(&b.place, b.line)));
    catalog.findings = findings;
    catalog
}

/// A migration whose number another store's ledger cannot keep.
fn unkept(store: &str, migration: &Migration) -> Option<Finding> {
    let failure = guest::key(store, migration.version).err()?;
    let finding = Finding::error("long-version", &migration.up.path, failure.message);
    Some(failure.hints.into_iter().fold(finding, Finding::hint))
}

/// A seed script of a store.
#[derive(Clone, Debug)]
pub struct SeedScript {
    /// The store's name.
    pub store: String,
    /// Its number.
    pub version: Version,
    /// `NNN_name`.
    pub label: String,
    /// What it holds.
    pub script: Arc<Script>,
}

/// The seed scripts of a store in order, and what is wrong with the files beside them. No folder means no seeds.
pub fn seeds(config: &Config, store: &StoreConfig) -> (Vec<SeedScript>, Vec<Finding>) {
    let (mut seeds, mut findings) = (Vec::new(), Vec::new());
    if !store.seeds.exists() {
        return (seeds, findings);
    }
    let card = &store.kind.card;
    let mut reader = Reader::default();
    let shown_folder = config.shown(&store.seeds);
    for path in list(&store.seeds, config, &mut findings) {
        let (file, shown) = (base(&path), shown(&shown_folder, &path));
        // `NNN_name.EXT` is `NNN_name.up.EXT` without its direction.
        let name = file.rsplit_once('.').and_then(|(stem, end)| FileName::parse(&format!("{stem}.up.{end}")).ok());
        let Some(name) = name else {
            findings.push(Finding::problem("not-a-seed", shown, "is not a seed script: expected NNN_name.EXT"));
            continue;
        };
        if let Some(script) = read_file(&path, &shown, &name, card, &mut reader, &mut findings) {
            seeds.push(SeedScript {
                store: store.name.clone(),
                version: name.version,
                label: name.label(),
                script: Arc::new(script),
            });
        }
    }
    seeds.sort_by(|a, b| (a.version, &a.label).cmp(&(b.version, &b.label)));
    (seeds, findings)
}

/// Reading is mostly waiting for the system, so two threads halve the time of a large set.
fn read_all(named: Vec<(FileName, PathBuf)>, shown_folder: &str, card: &Card) -> (Vec<Found>, Vec<Finding>) {
    let read = |files: Vec<(FileName, PathBuf)>| {
        let (mut found, mut problems, mut reader) = (Vec::with_capacity(files.len()), Vec::new(), Reader::default());
        for (name, path) in files {
            let script = read_file(&path, &shown(shown_folder, &path), &name, card, &mut reader, &mut problems);
            found.extend(script.map(|script| Found { name, script: Arc::new(script) }));
        }
        (found, problems)
    };
    if named.len() < 200 {
        return read(named);
    }
    let mut first = named;
    let second = first.split_off(first.len() / 2);
    thread::scope(|scope| {
        let other = scope.spawn(|| read(second));
        let (mut found, mut problems) = read(first);
        let (others, their_problems) = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        found.extend(others);
        problems.extend(their_problems);
        (found, problems)
    })
}

/// A file's name alone.
fn base(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// A file of a folder as shown to a person.
fn shown(folder: &str, path: &Path) -> String {
    [folder, "/", &base(path)].concat()
}

/// The files of a folder that could be migrations, in the order in which the system has them.
fn list(folder: &Path, config: &Config, findings: &mut Vec<Finding>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let shown_folder = config.shown(folder);
    for entry in walkdir::WalkDir::new(folder).min_depth(1).max_depth(1).follow_links(true) {
        match entry {
            Ok(entry) => {
                let file = entry.file_name().to_string_lossy();
                let shown = || shown(&shown_folder, entry.path());
                match entry.file_type() {
                    _ if is_ignored(&file) => {}
                    kind if kind.is_dir() => findings.push(folder_in_folder(&file, shown())),
                    kind if !kind.is_file() => {
                        findings.push(Finding::error("unreadable", shown(), "is not a regular file"));
                    }
                    _ => files.push(entry.into_path()),
                }
            }
            Err(error) if error.depth() == 0 => findings.extend(folder_problem(folder, config, &error)),
            Err(error) => {
                let path = error.path().unwrap_or(folder);
                if is_ignored(&base(path)) {
                    continue;
                }
                let why = match error.loop_ancestor() {
                    Some(_) => "is a symbolic link that leads in a circle".to_owned(),
                    None => format!("cannot be read: {}", io_words(&error)),
                };
                findings.push(Finding::error("unreadable", config.shown(path), why));
            }
        }
    }
    files
}

fn io_words(error: &walkdir::Error) -> String {
    error.io_error().map_or_else(|| error.to_string(), ToString::to_string)
}

fn folder_problem(folder: &Path, config: &Config, error: &walkdir::Error) -> Option<Finding> {
    let missing = error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound);
    let shown = config.shown(folder);
    if missing && config.stores.values().any(|store| store.folder == folder && config.is_host(&store.name)) {
        // It is there to keep other stores' ledgers.
        return None;
    }
    Some(match missing {
        true => Finding::problem("no-folder", shown, "does not exist")
            .hint("make the folder, or take the store out of the configuration"),
        false => Finding::error("unreadable", shown, format!("cannot be read: {}", io_words(error))),
    })
}

/// A folder is no migration; one that is named like a file deserves a word.
fn folder_in_folder(name: &str, shown: String) -> Finding {
    match FileName::parse(name) {
        Ok(_) => Finding::error("folder", shown, "is a folder with the name of a migration's file"),
        Err(_) => Finding::note("folder", shown, "is a folder, and folders inside a store's folder are not read"),
    }
}

const LEFT_BEHIND: [&str; 6] = ["md", "swp", "swo", "orig", "bak", "rej"];

/// Hidden files, documentation and what editors leave behind.
pub fn is_ignored(name: &str) -> bool {
    name.starts_with('.')
        || name.ends_with('~')
        || name.starts_with('#') && name.ends_with('#')
        || name.rsplit_once('.').is_some_and(|(_, end)| LEFT_BEHIND.iter().any(|known| known.eq_ignore_ascii_case(end)))
}

fn not_a_migration(why: &NameError, path: &Path, shown: String, card: &Card) -> Option<Finding> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let ours = card.extensions.contains(&extension.as_str());
    Some(match why {
        NameError::TooManyDigits(_) => Finding::error("bad-version", shown, why.to_string()),
        // Sets carry other tools' files beside the scripts: those are somebody else's.
        NameError::Pattern if ours => Finding::problem("not-a-migration", shown, why.to_string()),
        NameError::Pattern => Finding::note("not-a-migration", shown, why.to_string()),
    })
}

fn read_file(
    path: &Path,
    shown: &str,
    name: &FileName,
    card: &Card,
    reader: &mut Reader,
    findings: &mut Vec<Finding>,
) -> Option<Script> {
    let runnable = [name.extension.as_str(), ANY].iter().any(|e| card.extensions.contains(e))
        || PROGRAMS.contains(&&*name.extension);
    if !runnable {
        let known: Vec<String> = card.extensions.iter().chain(&PROGRAMS).map(|e| format!(".{e}")).collect();
        let message = format!("has the extension .{}, which {} does not run", name.extension, card.title);
        findings.push(Finding::error("unknown-extension", shown, message).hint(format!(
            "{} runs {}",
            card.title,
            crate::domain::plan::list(&known)
        )));
        return None;
    }
    match reader.read(path) {
        Ok(stamp) => {
            let script = script(shown, &name.extension, name.direction, reader.bytes(), card, findings);
            Some(Script { kept: stamp.and_then(|stamp| reader.keep(stamp)), ..script })
        }
        Err(error) => {
            findings.push(Finding::error("unreadable", shown, format!("cannot be read: {error}")));
            None
        }
    }
}

/// What a script's bytes say, with every problem found in them.
pub fn script(
    shown: &str,
    extension: &str,
    direction: Direction,
    bytes: &[u8],
    card: &Card,
    findings: &mut Vec<Finding>,
) -> Script {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let line = bytes[..at].iter().filter(|b| **b == b'\n').count() + 1;
            let message = format!("is not UTF-8: byte {} is 0x{:02x}", at + 1, bytes[at]);
            findings.push(Finding::error("not-utf8", shown, message).at(line).hint("save it as UTF-8"));
            ""
        }
    };
    let (directives, wrong) = directive::parse(&leading(text, style_of(extension)));
    findings
        .extend(wrong.into_iter().map(|e| Finding::error("bad-directive", shown, e.message).at(e.line).hint(e.hint)));
    let shape = shape(text, extension, card);
    if let Some(unclosed) = &shape.unclosed {
        let message = format!("a {} is opened here and never closed", unclosed.what);
        findings.push(Finding::error("unclosed", shown, message).at(unclosed.line));
    }
    if let Err(wrong) = readable(text, extension) {
        findings.push(Finding::error("unreadable-line", shown, wrong.message).at(wrong.line).hint(wrong.hint));
    }
    if let Some((line, why)) = influxql::scan(if extension == "influxql" { text } else { "" }).wrong {
        findings.push(Finding::error("unreadable-line", shown, why).at(line));
    }
    if direction == Direction::Down && directives.irreversible.is_some() {
        let message = "says `irreversible`, which belongs into the up script";
        findings.push(Finding::problem("irreversible-down", shown, message));
    }
    let empty = text.trim_start_matches('\u{feff}').trim().is_empty();
    if empty && std::str::from_utf8(bytes).is_ok() {
        findings.push(Finding::note("empty", shown, "is empty: it will count as done without doing anything"));
    }
    if text.contains('\0') {
        findings.push(Finding::error("nul", shown, "holds a NUL byte, which no client takes"));
    }
    Script {
        path: shown.to_owned(),
        extension: extension.to_owned(),
        checksum: Checksum::of(bytes),
        size: bytes.len() as u64,
        directives,
        shape,
        empty,
        kept: None,
    }
}

/// Whether a script of requests or commands is one, for the formats that we read by ourselves.
fn readable(text: &str, extension: &str) -> Result<(), Wrong> {
    match extension {
        "redis" => redis::commands(text).map(drop),
        "kafka" => lines::parts(text).map(drop),
        "http" => http::requests(text).map(drop),
        _ => Ok(()),
    }
}

/// What the statements of a text say, where the kind has a dialect.
pub fn shape(text: &str, extension: &str, card: &Card) -> Shape {
    match card.dialect {
        Some(dialect) if extension == "sql" => sql::shape(text, dialect),
        _ if matches!(extension, "cypher" | "cql") => cypher::shape(text),
        // Each request is answered for by itself, whatever the store can do besides.
        _ if extension == "http" => Shape { outside_transaction: http::first(text), ..Shape::default() },
        _ if extension == "influxql" => Shape { unclosed: influxql::scan(text).unclosed, ..Shape::default() },
        _ => Shape::default(),
    }
}
