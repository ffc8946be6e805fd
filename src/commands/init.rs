//! `init`.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::End;
use super::call::Call;
use crate::config::FILE_NAME;
use crate::domain::Failure;

const CONFIG: &str = include_str!("init/stepladder.toml");
const UP: (&str, &str) = ("migrations/sqlite/001_create_notes.up.sql", include_str!("init/up.sql"));
const DOWN: (&str, &str) = ("migrations/sqlite/001_create_notes.down.sql", include_str!("init/down.sql"));

/// Writes `stepladder.toml` and a first pair, and overwrites nothing.
pub(super) fn init(call: &Call) -> Result<End, Failure> {
    let here =
        std::env::current_dir().map_err(|e| Failure::usage(format!("the current folder cannot be used: {e}")))?;
    let root = call.globals.folder.as_ref().map_or_else(|| here.clone(), |f| here.join(f));
    if root.join(FILE_NAME).exists() {
        return Err(Failure::usage(format!("{FILE_NAME} is there already; nothing was written"))
            .hint("`stepladder generate STORE NAME` writes the next migration"));
    }
    let mut created = vec![FILE_NAME];
    write_new(&root, FILE_NAME, CONFIG)?;
    let has_migrations = std::fs::read_dir(root.join("migrations")).is_ok_and(|mut d| d.next().is_some());
    if !has_migrations {
        for (path, text) in [UP, DOWN] {
            write_new(&root, path, text)?;
            created.push(path);
        }
    }
    let next = if has_migrations { "stepladder status" } else { "stepladder up" };
    call.screen.answer(
        || {
            let lines: Vec<String> = created.iter().map(|c| format!("created  {c}")).collect();
            format!("{}\nnext: `{next}`", lines.join("\n"))
        },
        || json!({ "created": created }),
    );
    Ok(End::Done)
}

/// Writes a file that must not be there yet, with the folders above it.
pub(super) fn write_new(root: &Path, path: &str, text: &str) -> Result<(), Failure> {
    let full = root.join(path);
    let wrong = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::usage(format!("{path} is there already; it was not overwritten")),
        _ => Failure::failed(format!("{path} cannot be written: {e}")),
    };
    if let Some(folder) = full.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    let mut file = std::fs::File::create_new(&full).map_err(wrong)?;
    file.write_all(text.as_bytes()).map_err(wrong)
}
