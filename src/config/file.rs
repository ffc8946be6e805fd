//! `stepladder.toml`, read key by key so that each mistake is named with its place.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use toml::{Table, Value};

use super::{Environment, FILE_NAME};
use crate::domain::Failure;
use crate::domain::directive::{closest, duration};
use crate::stores::Kind;

/// What the file says, with the chosen environment's overrides on top.
#[derive(Debug, Default)]
pub struct Said {
    pub migrations: Option<String>,
    pub seeds: Option<String>,
    pub require_down: Option<bool>,
    pub protected: bool,
    pub stores: BTreeMap<String, Section>,
}

/// One `[stores.NAME]`.
#[derive(Debug, Default)]
pub struct Section {
    pub kind: Option<String>,
    pub url: Option<String>,
    pub folder: Option<String>,
    pub seeds: Option<String>,
    pub optional: Option<bool>,
    pub client: Option<String>,
    pub timeout: Option<Duration>,
    pub lease: Option<Duration>,
    pub options: BTreeMap<String, String>,
}

const TOP: [&str; 5] = ["migrations", "seeds", "require_down", "stores", "env"];
const SECTION: [&str; 8] = ["kind", "url", "folder", "seeds", "optional", "client", "timeout", "lease"];

/// Reads a file.
pub fn read(path: &Path, environment: Option<&str>, variables: &Environment) -> Result<Said, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::usage(format!("{} cannot be read: {e}", path.display())))?;
    let mut table: Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(1, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
        Failure::usage(format!("{FILE_NAME}:{line}: {}", e.message()))
    })?;
    let protected = override_with_environment(&mut table, environment)?;
    let keys = Keys { variables };
    let mut said = Said { protected, ..Said::default() };
    for (key, value) in &table {
        match key.as_str() {
            "migrations" => said.migrations = Some(keys.text(key, value)?),
            "seeds" => said.seeds = Some(keys.text(key, value)?),
            "require_down" => said.require_down = Some(keys.flag(key, value)?),
            "stores" => {
                for (name, section) in keys.table(key, value)? {
                    let place = format!("stores.{name}");
                    said.stores.insert(name.clone(), keys.section(&place, keys.table(&place, section)?)?);
                }
            }
            "env" => {}
            other => return Err(unknown("", other, &TOP, &[])),
        }
    }
    Ok(said)
}

/// Lays `[env.NAME]` over the rest; says whether the environment is protected.
fn override_with_environment(table: &mut Table, environment: Option<&str>) -> Result<bool, Failure> {
    let Some(name) = environment else { return Ok(false) };
    let Some(Value::Table(all)) = table.remove("env") else { return Ok(false) };
    let Some(chosen) = all.get(name) else {
        let known: Vec<String> = all.keys().map(|k| format!("`{k}`")).collect();
        // A slip here could run against the wrong system, so it is no default.
        return Err(Failure::usage(format!("there is no environment `{name}` in {FILE_NAME}"))
            .hint(format!("the environments are {}", crate::domain::plan::list(&known))));
    };
    let Value::Table(chosen) = chosen else {
        return Err(wrong(&format!("env.{name}"), "a table", chosen));
    };
    let mut chosen = chosen.clone();
    let protected = match chosen.remove("protected") {
        None => false,
        Some(Value::Boolean(protected)) => protected,
        Some(other) => return Err(wrong(&format!("env.{name}.protected"), "true or false", &other)),
    };
    merge(table, chosen);
    Ok(protected)
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

struct Keys<'a> {
    variables: &'a Environment,
}

impl Keys<'_> {
    fn section(&self, place: &str, table: &Table) -> Result<Section, Failure> {
        let mut section = Section::default();
        for (key, value) in table {
            let at = format!("{place}.{key}");
            match key.as_str() {
                "kind" => section.kind = Some(self.text(&at, value)?),
                "url" => section.url = Some(self.text(&at, value)?),
                "folder" => section.folder = Some(self.text(&at, value)?),
                "seeds" => section.seeds = Some(self.text(&at, value)?),
                "optional" => section.optional = Some(self.flag(&at, value)?),
                "client" => section.client = Some(self.text(&at, value)?),
                "timeout" => section.timeout = Some(self.time(&at, value)?),
                "lease" => section.lease = Some(self.time(&at, value)?),
                _ => {
                    section.options.insert(key.clone(), self.any(&at, value)?);
                }
            }
        }
        Ok(section)
    }

    fn text(&self, key: &str, value: &Value) -> Result<String, Failure> {
        let Value::String(text) = value else { return Err(wrong(key, "a text", value)) };
        self.variables.expand(text).map_err(|unset| match unset {
            Some(name) => Failure::usage(format!("{key} in {FILE_NAME} needs the variable {name}, which is not set"))
                .hint(format!("set {name}, or write it into .env")),
            None => Failure::usage(format!("{key} in {FILE_NAME} has a `${{` without its `}}`")),
        })
    }

    fn any(&self, key: &str, value: &Value) -> Result<String, Failure> {
        match value {
            Value::String(_) => self.text(key, value),
            Value::Integer(n) => Ok(n.to_string()),
            Value::Boolean(b) => Ok(b.to_string()),
            other => Err(wrong(key, "a text, a number, true or false", other)),
        }
    }

    fn flag(&self, key: &str, value: &Value) -> Result<bool, Failure> {
        value.as_bool().ok_or_else(|| wrong(key, "true or false", value))
    }

    fn time(&self, key: &str, value: &Value) -> Result<Duration, Failure> {
        let text = self.any(key, value)?;
        duration(&text).filter(|d| !d.is_zero()).ok_or_else(|| wrong(key, "a time such as \"30s\"", value))
    }

    fn table<'t>(&self, key: &str, value: &'t Value) -> Result<&'t Table, Failure> {
        value.as_table().ok_or_else(|| wrong(key, "a table", value))
    }
}

/// The value is not quoted: it may be a secret at the wrong place.
fn wrong(key: &str, expected: &str, found: &Value) -> Failure {
    Failure::usage(format!("{key} in {FILE_NAME} must be {expected}, and is a {}", found.type_str()))
}

/// An unknown key of a store's section.
pub fn unknown_key(place: &str, key: &str, kind: &Kind) -> Failure {
    let options: Vec<&str> = kind.card.options.iter().map(|(name, _)| *name).collect();
    unknown(place, key, &SECTION, &options)
}

fn unknown(place: &str, key: &str, known: &[&str], more: &[&str]) -> Failure {
    let known: Vec<&str> = known.iter().chain(more).copied().collect();
    let at = if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    let failure = Failure::usage(format!("unknown key `{at}` in {FILE_NAME}"));
    match closest(key, known.iter().copied()) {
        Some(meant) => failure.hint(format!("did you mean `{meant}`? The keys are {}", known.join(", "))),
        None => failure.hint(format!("the keys are {}", known.join(", "))),
    }
}
