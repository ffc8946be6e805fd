//! PostgreSQL, the same behind PgBouncer, and TimescaleDB, observed with `psql`. Each subject is a database of its own.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use stepladder::stores::Card;

use crate::subject::{Source, Subject, random_name};

pub const POSTGRES: Source = Source {
    name: "postgres",
    kind: "postgres",
    variable: Some("STEPLADDER_TEST_POSTGRES_URL"),
    make: || Postgres::make("postgres", "POSTGRES", "POSTGRES"),
};

/// The binary talks to the pooler, the observer to the server behind it.
pub const PGBOUNCER: Source = Source {
    name: "pgbouncer",
    kind: "postgres",
    variable: Some("STEPLADDER_TEST_PGBOUNCER_URL"),
    make: || Postgres::make("postgres", "PGBOUNCER", "POSTGRES"),
};

pub const TIMESCALEDB: Source = Source {
    name: "timescaledb",
    kind: "timescaledb",
    variable: Some("STEPLADDER_TEST_TIMESCALEDB_URL"),
    make: || Postgres::make("timescaledb", "TIMESCALEDB", "TIMESCALEDB"),
};

struct Postgres {
    kind: &'static str,
    /// Where the binary goes.
    way_in: Address,
    /// Where the observer goes.
    direct: Address,
    database: String,
}

/// `postgres://user:password@host:port/database`, taken apart.
#[derive(Clone)]
struct Address {
    user: String,
    password: String,
    host: String,
    port: String,
    database: String,
}

impl Address {
    fn of(variable: &str) -> Option<Self> {
        let url = std::env::var(variable).ok().filter(|url| !url.is_empty())?;
        let rest = url.split_once("://")?.1;
        let (login, place) = rest.rsplit_once('@')?;
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (server, database) = place.split_once('/')?;
        let (host, port) = server.rsplit_once(':').unwrap_or((server, "5432"));
        let own = |text: &str| text.to_owned();
        let database = own(database.split('?').next()?);
        Some(Self { user: own(user), password: own(password), host: own(host), port: own(port), database })
    }

    fn url(&self, database: &str) -> String {
        let Self { user, password, host, port, .. } = self;
        format!("postgres://{user}:{password}@{host}:{port}/{database}")
    }

    /// Runs SQL; what it prints without its last newline.
    fn ask(&self, database: &str, sql: &str) -> String {
        self.try_ask(database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn try_ask(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", &self.host, "-p", &self.port])
            .args(["-U", &self.user, "-d", database, "-f", "-"])
            .env("PGPASSWORD", &self.password)
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql is needed to look from outside");
        // A client that could not log in has gone before it reads.
        let _ = psql.stdin.take().expect("its input").write_all(format!("{sql}\n;\n").as_bytes());
        let output = psql.wait_with_output().expect("its end");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let text = String::from_utf8(output.stdout).unwrap();
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }
}

/// The ledger's own tables and functions.
const OURS: &str = "^stepladder_(?!litter)";

impl Postgres {
    fn make(kind: &'static str, way_in: &str, direct: &str) -> Box<dyn Subject> {
        let address = |name: &str| Address::of(&format!("STEPLADDER_TEST_{name}_URL"));
        let direct_name = format!("STEPLADDER_TEST_{direct}_URL");
        let way_in = address(way_in).expect("it was looked for before");
        let direct_address = address(direct).unwrap_or_else(|| panic!("{direct_name} is needed too"));
        let database = random_name();
        direct_address.ask(&direct_address.database, &format!("create database {database}"));
        let subject = Self { kind, way_in, direct: direct_address, database };
        if kind == "timescaledb" {
            // Only a superuser may; a server that was brought along may let its user.
            let admin = Address::of("STEPLADDER_TEST_TIMESCALEDB_ADMIN_URL");
            let admin = admin.unwrap_or_else(|| subject.direct.clone());
            admin.ask(&subject.database, "set client_min_messages = error; create extension if not exists timescaledb");
        }
        Box::new(subject)
    }

    fn ask(&self, sql: &str) -> String {
        self.direct.ask(&self.database, sql)
    }

    fn lines(&self, sql: &str) -> Vec<String> {
        self.ask(sql).lines().map(str::to_owned).collect()
    }

    fn exists(&self, table: &str) -> bool {
        self.ask(&format!("select to_regclass('public.{table}') is not null")) == "t"
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // TimescaleDB's own workers may be connected, and those only a superuser may end.
        let admin = match self.kind {
            "timescaledb" => Address::of("STEPLADDER_TEST_TIMESCALEDB_ADMIN_URL"),
            _ => None,
        };
        let address = admin.as_ref().unwrap_or(&self.direct);
        for name in [self.database.clone(), format!("{}_other", self.database)] {
            let drop = format!("drop database if exists {name} with (force)");
            if let Err(error) = address.try_ask(&address.database, &drop) {
                eprintln!("{name} could not be dropped: {error}");
            }
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Subject for Postgres {
    fn url(&self) -> String {
        self.way_in.url(&self.database)
    }

    fn card(&self) -> &'static Card {
        &stepladder::stores::kind(self.kind).unwrap().card
    }

    fn create(&self, thing: &str) -> String {
        match self.kind {
            "timescaledb" => format!(
                "create table \"{thing}\" (at timestamptz not null, n integer); \
                 select create_hypertable('\"{thing}\"', 'at');"
            ),
            _ => format!("create table \"{thing}\" (n integer);"),
        }
    }

    fn remove(&self, thing: &str) -> String {
        format!("drop table \"{thing}\";")
    }

    fn notebook(&self) -> String {
        "create table notes (n integer generated always as identity primary key, word text not null);".to_owned()
    }

    fn note(&self, word: &str) -> String {
        format!("insert into notes (word) values ({});", quoted(word))
    }

    fn reject(&self) -> String {
        "insert into no_such_thing values (1);".to_owned()
    }

    fn sleep(&self, time: Duration) -> String {
        format!("select pg_sleep({});", time.as_secs_f64())
    }

    fn shelf(&self) -> String {
        "create table shelf (name text, content text);".to_owned()
    }

    fn keep(&self, name: &str, text: &str) -> String {
        format!("insert into shelf values ('{name}', {});", quoted(text))
    }

    fn noise(&self, bytes: usize) -> String {
        let times = bytes / 1024;
        format!("do $$ begin for i in 1..{times} loop raise notice '%', repeat('noise ', 170); end loop; end $$;")
    }

    fn comment(&self, text: &str) -> String {
        format!("-- {text}")
    }

    fn picture(&self) -> String {
        self.ask(
            "select c.oid::regclass || ' ' || c.relkind::text || ' ' || c.oid || ' ' || c.xmin from pg_class c
             join pg_namespace n on n.oid = c.relnamespace
             where n.nspname !~ '^(pg_|information_schema|_timescaledb|timescaledb)' order by 1;
             select nspname from pg_namespace where nspname !~ '^pg_(toast_)?temp' order by 1;
             select oid::regprocedure from pg_proc where oid >= 16384 order by 1;
             select format('select %L, t::text from %s t order by 2', c.oid::regclass, c.oid::regclass)
             from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname !~ '^(pg_|information_schema|_timescaledb|timescaledb)' and c.relkind in ('r', 'p')
             order by c.oid \\gexec",
        )
    }

    fn things(&self) -> Vec<String> {
        let sql = format!(
            "with ext as (select classid, objid from pg_depend where deptype = 'e'),
             ours as (select oid from pg_namespace
               where nspname !~ '^(pg_|information_schema|_timescaledb|timescaledb|toolkit_)')
             select relname from pg_class c where relnamespace in (select oid from ours)
               and relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c') and relname !~ '{OURS}'
               and relname not in ('notes', 'shelf', 'notes_n_seq')
               and (c.oid not in (select objid from ext where classid = 'pg_class'::regclass))
             union all select proname || '()' from pg_proc where pronamespace in (select oid from ours)
               and proname !~ '{OURS}'
               and oid not in (select objid from ext where classid = 'pg_proc'::regclass)
             union all select typname from pg_type where typnamespace in (select oid from ours) and typtype in ('e', 'd', 'r')
               and oid not in (select objid from ext where classid = 'pg_type'::regclass)
             union all select 'schema ' || nspname from pg_namespace where oid in (select oid from ours)
               and nspname <> 'public' and oid not in (select objid from ext where classid = 'pg_namespace'::regclass)
             union all select 'collation ' || collname from pg_collation where collnamespace in (select oid from ours)
             union all select 'operator ' || oprname from pg_operator where oprnamespace in (select oid from ours)
               and oid not in (select objid from ext where classid = 'pg_operator'::regclass)
             union all select 'text search ' || cfgname from pg_ts_config where cfgnamespace in (select oid from ours)
             union all select 'large object' from pg_largeobject_metadata
             union all select 'publication ' || pubname from pg_publication
             order by 1"
        );
        let mut things = self.lines(&sql);
        things.sort();
        things
    }

    fn notes(&self) -> Vec<String> {
        if self.exists("notes") { self.lines("select word from notes order by n") } else { Vec::new() }
    }

    fn kept(&self, name: &str) -> Option<String> {
        if !self.exists("shelf") {
            return None;
        }
        let sql = format!("select encode(convert_to(content, 'UTF8'), 'hex') from shelf where name = '{name}'");
        super::from_hex(&self.ask(&sql))
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        if !self.exists("stepladder_ledger") {
            return Vec::new();
        }
        let sql = "select event || chr(31) || direction || chr(31) || label from stepladder_ledger order by seq";
        self.lines(sql).iter().map(|line| super::three(line)).collect()
    }

    fn dump(&self) -> String {
        self.picture()
    }

    fn lease_pid(&self) -> Option<u32> {
        if !self.exists("stepladder_lease") {
            return None;
        }
        self.ask("select pid from stepladder_lease").parse().ok()
    }

    fn at_work(&self) -> usize {
        let sql = format!(
            "select count(*) from pg_stat_activity where datname = '{}' and state = 'active' and query ~ 'pg_sleep' \
             and pid <> pg_backend_pid()",
            self.database
        );
        self.ask(&sql).parse().unwrap()
    }

    fn give_lease_away(&self, time: Duration) {
        self.ask(&format!(
            "update stepladder_lease set host = 'elsewhere', token = 'somebody-else', \
             expires = clock_timestamp() + interval '{} ms'",
            time.as_millis()
        ));
    }

    fn delete_lease(&self) {
        self.ask("delete from stepladder_lease");
    }

    fn move_lease_elsewhere(&self) {
        self.ask("update stepladder_lease set host = 'elsewhere'");
    }

    fn raise_format(&self) {
        self.ask("update stepladder_meta set format = 99");
    }

    fn litter(&self) {
        self.ask(
            "create table litter (a serial primary key, b text); insert into litter (b) values ('x');
             create index litter_index on litter (b); create view litter_view as select * from litter;
             create materialized view litter_rows as select * from litter_view;
             create type litter_mood as enum ('good', 'bad'); create domain litter_plz as text check (value ~ '^[0-9]+$');
             create type litter_pair as (a integer, b litter_mood); create type litter_span as range (subtype = integer);
             create function litter_f(litter_pair) returns integer language sql as 'select 1';
             create procedure litter_p() language sql as 'select 1';
             create aggregate litter_sum(integer) (sfunc = int4pl, stype = integer);
             create function litter_t() returns trigger language plpgsql as 'begin return new; end';
             create trigger litter_trigger before insert on litter for each row execute function litter_t();
             create rule litter_rule as on delete to litter do instead nothing;
             create table litter_parts (a integer) partition by range (a);
             create table litter_part partition of litter_parts for values from (1) to (10);
             create table litter_one (a integer primary key, b integer); create table litter_two (a integer primary key
               references litter_one (a)); alter table litter_one add foreign key (b) references litter_two (a);
             create schema \"litter \"\"schema\"\"\"; create table \"litter \"\"schema\"\"\".\"in 🪜\" (a litter_mood);
             create operator === (leftarg = integer, rightarg = integer, function = int4eq);
             create collation litter_words from \"C\"; create text search configuration litter_search (copy = simple);
             create table stepladder_litter (a integer); create table \"litter '; drop\" (a integer);
             select lo_create(0); create sequence litter_numbers; create statistics litter_statistics on a, b from litter;
             create publication litter_publication for table litter",
        );
    }

    fn plant_foreign(&self) {
        let other = format!("{}_other", self.database);
        self.direct.ask(&self.direct.database, &format!("create database {other}"));
        self.direct.ask(&other, "create table foreign_thing (a integer)");
    }

    fn foreign_is_there(&self) -> bool {
        let other = format!("{}_other", self.database);
        let table = self.direct.ask(&other, "select to_regclass('foreign_thing') is not null") == "t";
        let extensions = self.lines("select extname from pg_extension order by 1");
        table && extensions.contains(&"plpgsql".to_owned()) && {
            self.kind != "timescaledb" || extensions.contains(&"timescaledb".to_owned())
        }
    }

    fn wrong_password(&self) -> Option<(String, String)> {
        let secret = "wrong-secret-8472".to_owned();
        let wrong = Address { password: secret.clone(), ..self.way_in.clone() };
        Some((wrong.url(&self.database), secret))
    }

    fn unreachable(&self) -> Option<(String, Option<String>)> {
        let secret = "unseen-secret-2951".to_owned();
        let nowhere = Address { password: secret.clone(), port: "1".to_owned(), ..self.way_in.clone() };
        Some((nowhere.url(&self.database), Some(secret)))
    }

    fn secret(&self) -> Option<String> {
        Some(self.way_in.password.clone()).filter(|p| !p.is_empty())
    }
}
