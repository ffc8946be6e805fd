//! Transactions of a script's own, and what a connection keeps.

use super::*;

const PG: Dialect = Dialect::Postgres;
const LITE: Dialect = Dialect::Sqlite;

#[test]
fn what_begins_or_ends_a_transaction_is_found_in_every_spelling() {
    let both = ["begin", "BEGIN TRANSACTION", "commit", "end", "END TRANSACTION", "rollback", "Rollback Transaction"];
    for text in both {
        for dialect in [PG, LITE] {
            let found = shape(&format!("-- begin\nselect 1;\n/* x */ {text};"), dialect).own_transaction;
            assert_eq!(shown(found.as_ref()), format!("3: {text}"));
        }
    }
    let postgres = [
        "start transaction isolation level serializable",
        "begin work",
        "commit and chain",
        "commit and no chain",
        "abort",
        "prepare transaction 'a'",
        "end work",
    ];
    for text in postgres {
        assert!(shape(text, PG).own_transaction.is_some(), "{text}");
    }
    for text in ["begin immediate", "begin exclusive transaction"] {
        assert!(shape(text, LITE).own_transaction.is_some(), "{text}");
    }
}

#[test]
fn whether_a_transaction_is_open_is_known_after_every_statement() {
    let cases = [
        (PG, "select 1; begin; select 2; commit; select 3", "01100"),
        (PG, "begin; commit and chain; select 1; rollback and no chain; commit and chain", "11100"),
        (PG, "begin; savepoint a; rollback to a; release a; abort; savepoint b", "111100"),
        (PG, "start transaction; prepare transaction 'a'; commit prepared 'a'", "100"),
        (PG, "begin; rollback prepared 'a'; end", "110"),
        (LITE, "begin; select 1; end; savepoint a; savepoint b; release B; release \"A\"; select 1", "11011100"),
        (LITE, "savepoint a; rollback to a; rollback; savepoint a; release savepoint x; commit", "110110"),
        (LITE, "create trigger a after insert on b begin select 1; end; select 1", "00"),
    ];
    for (dialect, text, expected) in cases {
        let open = transaction_open_after(&scan(text, dialect).statements, dialect);
        let open: String = open.into_iter().map(|open| if open { '1' } else { '0' }).collect();
        assert_eq!(open, expected, "{text}");
    }
}

#[test]
fn settings_of_the_connection_are_told_from_those_of_a_transaction() {
    let cases = [
        (PG, "set search_path = ''", true),
        (PG, "SET SESSION x TO y", true),
        (PG, "set session characteristics as transaction read only", true),
        (PG, "set role a", true),
        (PG, "reset all", true),
        (PG, "set local x = y", false),
        (PG, "set transaction read only", false),
        (PG, "set constraints all deferred", false),
        (PG, "select set_config('a', 'b', false)", false),
        (PG, "update a set b = 1", false),
        (LITE, "pragma foreign_keys = off", true),
        (LITE, "pragma main.cache_size(3)", true),
        (LITE, "attach 'a' as b", true),
        (LITE, "pragma foreign_key_check", false),
        (LITE, "pragma user_version = 4", false),
        (LITE, "set x = y", false),
        (Dialect::Mysql, "/*!40101 SET NAMES utf8 */", true),
        (Dialect::Mysql, "/*M!100616 set x = y */", true),
        (Dialect::Mysql, "use a", true),
        (Dialect::Mysql, "set @a = 1", true),
        (Dialect::Mysql, "set global a = 1", false),
    ];
    for (dialect, text, expected) in cases {
        let scan = scan(text, dialect);
        assert_eq!(is_session_setting(&scan.statements[0], dialect), expected, "{text}");
    }
}
