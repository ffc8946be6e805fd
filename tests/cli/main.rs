//! The command line as people use it: standard output, standard error and exit code pinned together, in a sealed
//! world.

mod relay;
mod world;

mod aliases;
#[cfg(feature = "chromadb")]
mod chromadb;
mod configuration;
mod dry_run;
#[cfg(feature = "elasticsearch")]
mod elasticsearch;
#[cfg(feature = "elasticsearch")]
mod elasticsearch_login;
#[cfg(feature = "elasticsearch")]
mod elasticsearch_red;
mod failures;
mod fresh;
mod generate;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "redis"))]
mod going_down;
#[cfg(feature = "shell")]
mod guests;
#[cfg(feature = "influxdb")]
mod influxdb;
#[cfg(feature = "influxdb")]
mod influxdb_login;
mod init;
mod json;
#[cfg(feature = "kafka")]
mod kafka;
mod leases;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "neo4j")]
mod neo4j;
mod output;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_templates;
#[cfg(feature = "postgres")]
mod postgres_tls;
#[cfg(feature = "elasticsearch")]
mod proxies;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_faults;
#[cfg(feature = "redis")]
mod redis_places;
#[cfg(feature = "redis")]
mod redis_servers;
mod repair;
mod seed;
mod sqlite;
mod status;
mod templates;
mod terminal;
mod up_down;
mod usage;
mod validate;
