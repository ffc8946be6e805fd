//! The kinds under test, a file each.

mod chromadb;
mod elasticsearch;
mod influxdb;
mod kafka;
mod kept;
mod memory;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "mysql")]
mod mysql;
mod neo4j;
mod postgres;
mod redis;
mod shell;
mod sqlite;

use crate::subject::Source;

/// Every column of the table.
pub const SOURCES: &[Source] = &[
    memory::SOURCE,
    sqlite::SOURCE,
    postgres::POSTGRES,
    postgres::PGBOUNCER,
    postgres::TIMESCALEDB,
    #[cfg(feature = "mysql")]
    mysql::MARIADB,
    #[cfg(feature = "mysql")]
    mysql::MYSQL,
    redis::SOURCE,
    redis::CLUSTER,
    neo4j::SOURCE,
    chromadb::SOURCE,
    elasticsearch::ELASTICSEARCH,
    elasticsearch::OPENSEARCH,
    #[cfg(feature = "mongodb")]
    mongodb::SOURCE,
    shell::SOURCE,
    kept::IN_SQLITE,
    kept::IN_POSTGRES,
    influxdb::FIRST,
    influxdb::SECOND,
    kafka::TOOLS,
    kafka::BUILTIN,
];

/// Text from hexadecimal digits; none from none.
fn from_hex(hex: &str) -> Option<String> {
    let digits = hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16));
    let bytes: Vec<u8> = digits.collect::<Result<_, _>>().unwrap();
    (!bytes.is_empty()).then(|| String::from_utf8(bytes).unwrap())
}

/// Event, direction and label, apart by the unit separator.
fn three(line: &str) -> (String, String, String) {
    let mut parts = line.splitn(3, '\u{1f}').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    (next(), next(), next())
}
