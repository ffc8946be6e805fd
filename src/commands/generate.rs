//! `generate`.

use serde_json::json;

use super::End;
use super::call::Call;
use super::init::write_new;
use super::numbering;
use super::templates::{self, Template};
use crate::cli::GenerateArgs;
use crate::config::Config;
use crate::domain::comments::style_of;
use crate::domain::directive::closest;
use crate::domain::file_name::snake_case;
use crate::domain::{Direction, Failure, FileName};
use crate::report::words::list;
use crate::report::{Cell, Style, Table};
use crate::stores::{KINDS, Kind};

/// Bytes that a file's name may have on most file systems.
const LONGEST: usize = 255;

/// Where a pair goes.
struct Target {
    store: String,
    kind: &'static Kind,
    folder: std::path::PathBuf,
}

/// Writes the next pair of scripts.
pub(super) fn generate(call: &Call, args: &GenerateArgs) -> Result<End, Failure> {
    if args.list {
        return list_templates(call);
    }
    let config = Config::load(&call.flags())?;
    let (store, words) = match &args.words[..] {
        [store, name] => (Some(store.as_str()), name),
        [name] => (None, name),
        _ => return Err(Failure::usage("a migration needs a name")),
    };
    let target = target(&config, store, &call.globals.stores)?;
    let name = snake_case(words)
        .ok_or_else(|| Failure::usage(format!("`{words}` holds no letter and no digit, so it makes no name")))?;
    let now = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S").to_string();
    let digits = numbering::next(&numbering::existing(&target.folder), args.timestamp, &now)?;
    let created = write_pair(&config, &target, &digits, &name, args.template.as_deref())?;
    call.screen.answer(
        || {
            let lines: Vec<String> = created.iter().map(|c| format!("created  {c}")).collect();
            format!("{}\nnext: edit both, then `stepladder up --dry-run`", lines.join("\n"))
        },
        || json!({ "store": target.store, "migration": format!("{digits}_{name}"), "created": created }),
    );
    Ok(End::Done)
}

/// The store by position or flag; without either the only one, or sqlite.
fn target(config: &Config, word: Option<&str>, flags: &[String]) -> Result<Target, Failure> {
    let named = match (word, flags) {
        (Some(word), []) => Some(word),
        (None, [flag]) => Some(flag.as_str()),
        (None, []) => None,
        (Some(word), [flag]) if word == flag => Some(word),
        _ => return Err(Failure::usage("a migration goes into one store").hint("name one store only")),
    };
    let named = match named {
        Some(name) => name,
        None => match config.stores.keys().collect::<Vec<_>>()[..] {
            [only] => only,
            [] => "sqlite",
            _ if config.stores.contains_key("sqlite") => "sqlite",
            _ => return Err(which_store(config)),
        },
    };
    if let Some(store) = config.stores.get(named) {
        return Ok(Target { store: store.name.clone(), kind: store.kind, folder: store.folder.clone() });
    }
    match crate::stores::kind(named) {
        Some(kind) => Ok(Target { store: named.to_owned(), kind, folder: config.migrations.join(named) }),
        None => Err(unknown_store(config, named)),
    }
}

fn which_store(config: &Config) -> Failure {
    let known: Vec<String> = config.stores.keys().map(|k| format!("`{k}`")).collect();
    Failure::usage("which store is it for?")
        .detail(format!("the stores are {}", list(&known)))
        .hint("`stepladder generate STORE NAME`")
}

fn unknown_store(config: &Config, named: &str) -> Failure {
    let mut known: Vec<&str> = config.stores.keys().map(String::as_str).collect();
    known.extend(KINDS.iter().map(|k| k.card.name).filter(|k| !config.stores.contains_key(*k)));
    let failure = Failure::usage(format!("there is no store `{named}`, and no kind of store either"));
    let failure = match closest(named, known.iter().copied()) {
        Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
        None => failure,
    };
    failure.hint(format!("stores and kinds are {}", known.join(", ")))
}

fn write_pair(
    config: &Config,
    target: &Target,
    digits: &str,
    name: &str,
    template: Option<&str>,
) -> Result<Vec<String>, Failure> {
    let scripts = scripts(target.kind, template)?;
    let mut files = Vec::new();
    for (direction, extension, text) in scripts {
        let version =
            digits.parse().map_err(|e: crate::domain::version::VersionError| Failure::usage(e.to_string()))?;
        let extension = extension.to_owned();
        let file = FileName { digits: digits.to_owned(), version, name: name.to_owned(), direction, extension };
        let path = config.shown(&target.folder.join(file.to_string()));
        files.push((path, templates::fill(&text, name, digits)));
    }
    let longest = files.iter().filter_map(|(path, _)| path.rsplit('/').next()).map(str::len).max().unwrap_or(0);
    if longest > LONGEST {
        return Err(Failure::usage(format!(
            "the name makes a file name of {longest} bytes; at most {LONGEST} are possible"
        ))
        .hint("say it in fewer words"));
    }
    // Neither is written where one is there already.
    if let Some((there, _)) = files.iter().find(|(path, _)| config.root.join(path).exists()) {
        return Err(Failure::usage(format!("{there} is there already; nothing was written")));
    }
    for (path, text) in &files {
        write_new(&config.root, path, text)?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

type Script = (Direction, &'static str, String);

fn scripts(kind: &'static Kind, template: Option<&str>) -> Result<[Script; 2], Failure> {
    let all = templates::of_kind(kind.card.name);
    let wanted = template.unwrap_or(templates::DEFAULT);
    if let Some(Template { up, down, .. }) = all.iter().find(|t| t.name == wanted) {
        return Ok([(Direction::Up, up.0, up.1.to_owned()), (Direction::Down, down.0, down.1.to_owned())]);
    }
    if template.is_none() {
        let extension = kind.card.extensions.first().copied().unwrap_or("sql");
        let comment = style_of(extension).line.first().copied().unwrap_or("#");
        let up = format!("{comment} {{{{name}}}}\n");
        let down = format!("{comment} takes {{{{name}}}} back\n");
        return Ok([(Direction::Up, extension, up), (Direction::Down, extension, down)]);
    }
    let names: Vec<&str> = all.iter().map(|t| t.name).collect();
    let failure = Failure::usage(format!("there is no template `{wanted}` for {}", kind.card.title));
    let failure = match closest(wanted, names.iter().copied()) {
        Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
        None => failure,
    };
    Err(match names.is_empty() {
        true => failure.hint("there are none for it: leave `--template` out"),
        false => failure.hint(format!("the templates are {}", names.join(", "))),
    })
}

fn list_templates(call: &Call) -> Result<End, Failure> {
    let wanted = |kind: &str| call.globals.stores.is_empty() || call.globals.stores.iter().any(|s| s == kind);
    let templates: Vec<Template> =
        KINDS.iter().map(|k| k.card.name).filter(|k| wanted(k)).flat_map(templates::of_kind).collect();
    let text = || {
        let mut table = Table::new();
        for template in &templates {
            let name = Cell::new(template.name, Style::Strong);
            table.row([template.kind.into(), name, template.description().into()]);
        }
        table.text("", call.screen.paint)
    };
    let json = || {
        let value = |t: &Template| json!({ "kind": t.kind, "template": t.name, "description": t.description() });
        json!({ "templates": templates.iter().map(value).collect::<Vec<_>>() })
    };
    call.screen.answer(text, json);
    Ok(End::Done)
}
