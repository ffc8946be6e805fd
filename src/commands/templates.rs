//! The templates, embedded in the binary.

use crate::domain::Direction;
use crate::domain::comments::style_of;

/// A file of `templates/`: its path there, and its text.
pub type File = (&'static str, &'static str);

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $path)))),*]
    };
}

/// Every file of `templates/`; a test fails when one is not listed.
pub static FILES: &[File] = files![
    "chromadb/collection.down.py",
    "chromadb/collection.up.py",
    "chromadb/default.down.py",
    "chromadb/default.up.py",
    "chromadb/metadata.down.py",
    "chromadb/metadata.up.py",
    "chromadb/reembed.down.py",
    "chromadb/reembed.up.py",
    "elasticsearch/backfill.down.http",
    "elasticsearch/backfill.up.http",
    "elasticsearch/default.down.http",
    "elasticsearch/default.up.http",
    "elasticsearch/ilm-policy.down.http",
    "elasticsearch/ilm-policy.up.http",
    "elasticsearch/index-template.down.http",
    "elasticsearch/index-template.up.http",
    "elasticsearch/index.down.http",
    "elasticsearch/index.up.http",
    "elasticsearch/ism-policy.down.http",
    "elasticsearch/ism-policy.up.http",
    "elasticsearch/mapping.down.http",
    "elasticsearch/mapping.up.http",
    "elasticsearch/pipeline.down.http",
    "elasticsearch/pipeline.up.http",
    "elasticsearch/reindex.down.http",
    "elasticsearch/reindex.up.http",
    "influxdb/bucket-keep-longer.down.http",
    "influxdb/bucket-keep-longer.up.http",
    "influxdb/bucket.down.http",
    "influxdb/bucket.up.http",
    "influxdb/continuous-query.down.influxql",
    "influxdb/continuous-query.up.influxql",
    "influxdb/database.down.influxql",
    "influxdb/database.up.influxql",
    "influxdb/default.down.influxql",
    "influxdb/default.up.influxql",
    "influxdb/downsampling.down.influxql",
    "influxdb/downsampling.up.influxql",
    "influxdb/keep-longer.down.influxql",
    "influxdb/keep-longer.up.influxql",
    "influxdb/retention-policy.down.influxql",
    "influxdb/retention-policy.up.influxql",
    "influxdb/task-downsampling.down.http",
    "influxdb/task-downsampling.up.http",
    "influxdb/task.down.http",
    "influxdb/task.up.http",
    "kafka/acl.down.kafka",
    "kafka/acl.up.kafka",
    "kafka/compacted.down.kafka",
    "kafka/compacted.up.kafka",
    "kafka/config.down.kafka",
    "kafka/config.up.kafka",
    "kafka/default.down.kafka",
    "kafka/default.up.kafka",
    "kafka/partitions.down.kafka",
    "kafka/partitions.up.kafka",
    "kafka/records.down.kafka",
    "kafka/records.up.kafka",
    "kafka/topic.down.kafka",
    "kafka/topic.up.kafka",
    "memory/default.down.mem",
    "memory/default.up.mem",
    "mongodb/backfill.down.js",
    "mongodb/backfill.up.js",
    "mongodb/collection.down.js",
    "mongodb/collection.up.js",
    "mongodb/commands.down.json",
    "mongodb/commands.up.json",
    "mongodb/default.down.js",
    "mongodb/default.up.js",
    "mongodb/index.down.js",
    "mongodb/index.up.js",
    "mongodb/rename-field.down.js",
    "mongodb/rename-field.up.js",
    "mongodb/validator.down.js",
    "mongodb/validator.up.js",
    "mysql/backfill.down.sql",
    "mysql/backfill.up.sql",
    "mysql/column.down.sql",
    "mysql/column.up.sql",
    "mysql/default.down.sql",
    "mysql/default.up.sql",
    "mysql/foreign-key.down.sql",
    "mysql/foreign-key.up.sql",
    "mysql/index.down.sql",
    "mysql/index.up.sql",
    "mysql/rename-column.down.sql",
    "mysql/rename-column.up.sql",
    "mysql/table.down.sql",
    "mysql/table.up.sql",
    "mysql/trigger.down.sql",
    "mysql/trigger.up.sql",
    "neo4j/backfill.down.cypher",
    "neo4j/backfill.up.cypher",
    "neo4j/constraint.down.cypher",
    "neo4j/constraint.up.cypher",
    "neo4j/default.down.cypher",
    "neo4j/default.up.cypher",
    "neo4j/index.down.cypher",
    "neo4j/index.up.cypher",
    "neo4j/relationship.down.cypher",
    "neo4j/relationship.up.cypher",
    "postgres/backfill.down.sql",
    "postgres/backfill.up.sql",
    "postgres/column.down.sql",
    "postgres/column.up.sql",
    "postgres/default.down.sql",
    "postgres/default.up.sql",
    "postgres/enum-value.down.sql",
    "postgres/enum-value.up.sql",
    "postgres/function.down.sql",
    "postgres/function.up.sql",
    "postgres/index.down.sql",
    "postgres/index.up.sql",
    "postgres/rename-column.down.sql",
    "postgres/rename-column.up.sql",
    "postgres/required-column.down.sql",
    "postgres/required-column.up.sql",
    "postgres/table.down.sql",
    "postgres/table.up.sql",
    "postgres/view.down.sql",
    "postgres/view.up.sql",
    "redis/backfill.down.lua",
    "redis/backfill.up.lua",
    "redis/default.down.redis",
    "redis/default.up.redis",
    "redis/index.down.lua",
    "redis/index.up.lua",
    "redis/keys.down.redis",
    "redis/keys.up.redis",
    "redis/library.down.redis",
    "redis/library.up.lua",
    "redis/rename-field.down.lua",
    "redis/rename-field.up.lua",
    "shell/default.down.sh",
    "shell/default.up.sh",
    "shell/http.down.sh",
    "shell/http.up.sh",
    "sqlite/backfill.down.sql",
    "sqlite/backfill.up.sql",
    "sqlite/column.down.sql",
    "sqlite/column.up.sql",
    "sqlite/default.down.sql",
    "sqlite/default.up.sql",
    "sqlite/index.down.sql",
    "sqlite/index.up.sql",
    "sqlite/rebuild.down.sql",
    "sqlite/rebuild.up.sql",
    "sqlite/table.down.sql",
    "sqlite/table.up.sql",
    "sqlite/trigger.down.sql",
    "sqlite/trigger.up.sql",
    "sqlite/view.down.sql",
    "sqlite/view.up.sql",
    "timescaledb/compression.down.sql",
    "timescaledb/compression.up.sql",
    "timescaledb/continuous-aggregate.down.sql",
    "timescaledb/continuous-aggregate.up.sql",
    "timescaledb/default.down.sql",
    "timescaledb/default.up.sql",
    "timescaledb/hypertable.down.sql",
    "timescaledb/hypertable.up.sql",
    "timescaledb/refresh.down.sql",
    "timescaledb/refresh.up.sql",
    "timescaledb/retention.down.sql",
    "timescaledb/retention.up.sql",
];

/// The template that is used unless another one is named.
pub const DEFAULT: &str = "default";

/// A pair of scripts to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The kind's name.
    pub kind: &'static str,
    /// Its own name.
    pub name: &'static str,
    /// Extension and text of both scripts.
    pub up: (&'static str, &'static str),
    /// As `up`.
    pub down: (&'static str, &'static str),
}

impl Template {
    /// What it is for: its first comment line.
    pub fn description(&self) -> String {
        let comments = crate::domain::comments::leading(self.up.1, style_of(self.up.0));
        comments.into_iter().map(|(_, text)| text).find(|t| !t.is_empty()).unwrap_or_default()
    }
}

/// The templates of a kind, in order of name.
pub fn of_kind(kind: &str) -> Vec<Template> {
    let up = |file: &File| parts(file).filter(|p| p.kind == kind && p.direction == Direction::Up);
    let mut templates: Vec<Template> = FILES.iter().filter_map(up).filter_map(|up| with_down(&up)).collect();
    templates.sort_by_key(|t| (t.name != DEFAULT, t.name));
    templates
}

struct Parts {
    kind: &'static str,
    name: &'static str,
    direction: Direction,
    extension: &'static str,
    text: &'static str,
}

fn parts(file: &File) -> Option<Parts> {
    let (kind, base) = file.0.split_once('/')?;
    let (stem, extension) = base.rsplit_once('.')?;
    let (name, direction) = stem.rsplit_once('.')?;
    Some(Parts { kind, name, direction: Direction::from_word(direction)?, extension, text: file.1 })
}

fn with_down(up: &Parts) -> Option<Template> {
    let is_down = |p: &Parts| p.kind == up.kind && p.name == up.name && p.direction == Direction::Down;
    let down = FILES.iter().filter_map(parts).find(is_down)?;
    Some(Template { kind: up.kind, name: up.name, up: (up.extension, up.text), down: (down.extension, down.text) })
}

/// A template's text for a migration.
pub fn fill(text: &str, name: &str, version: &str) -> String {
    text.replace("{{name}}", name).replace("{{table}}", table_of(name)).replace("{{version}}", version)
}

/// The table that a migration is most likely about: `users` of `create_users_table`, `add_users`, `add_email_to_users`.
fn table_of(name: &str) -> &str {
    let name = name.strip_suffix("_table").unwrap_or(name);
    if let Some(at) = ["_to_", "_from_", "_on_", "_in_"].iter().filter_map(|w| Some(name.rfind(w)? + w.len())).max() {
        return &name[at..];
    }
    let verbs = ["create_", "add_", "drop_", "alter_", "make_", "new_", "rebuild_", "change_"];
    verbs.iter().find_map(|v| name.strip_prefix(v)).filter(|rest| !rest.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_out_of_the_name() {
        let cases = [
            ("create_users_table", "users"),
            ("add_users_table", "users"),
            ("add_email_to_users", "users"),
            ("drop_zip_from_addresses", "addresses"),
            ("create_", "create_"),
            ("orders", "orders"),
        ];
        for (name, table) in cases {
            assert_eq!(table_of(name), table, "{name}");
        }
    }
}
