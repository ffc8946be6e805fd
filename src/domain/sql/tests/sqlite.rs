//! Scripts as SQLite reads them.

use super::*;

const LITE: Dialect = Dialect::Sqlite;

#[test]
fn semicolons_end_statements_and_nothing_else_does() {
    let cases: &[(&str, &[&str])] = &[
        ("select ';', \";\", `;`, [;]; select 2", &["select ';', \";\", `;`, [;]", "select 2"]),
        ("select 'a\\'; select 'b''c;'", &["select 'a\\'", "select 'b''c;'"]),
        ("/* a /* b; */ select 1; -- c;\n select 2", &["select 1", "select 2"]),
        ("select a$b$; select $c$; select 3", &["select a$b$", "select $c$", "select 3"]),
        ("select 1;\u{feff}select 2", &["select 1", "select 2"]),
        ("select (1; select 2", &["select (1", "select 2"]),
        ("select e'a\\'; select 2", &["select e'a\\'", "select 2"]),
        ("select #a; select 2", &["select #a", "select 2"]),
    ];
    for (text, expected) in cases {
        assert_eq!(texts(text, LITE), *expected, "{text:?}");
        assert_eq!(unclosed(text, LITE), "", "{text:?}");
    }
}

#[test]
fn triggers_end_with_their_own_end() {
    let plain = "create trigger a after insert on b begin update c set d = 1; delete from e; end";
    let cases = "CREATE TEMP TRIGGER IF NOT EXISTS a AFTER UPDATE OF end ON b WHEN CASE WHEN new.begin THEN 1 END BEGIN\n\
                 UPDATE c SET d = CASE WHEN new.x > 1 THEN 2 ELSE 3 END;\n\
                 SELECT CASE (SELECT ';') WHEN 1 THEN new.end END; -- the end;\n\
                 END";
    let temporary = "create temporary trigger a after insert on b begin select 1; /* ; end; */\nend";
    let text = format!("{plain};\n{cases} ;\n{temporary};select 1");
    assert_eq!(texts(&text, LITE), [plain, cases, temporary, "select 1"]);
    assert_eq!(shape(&text, LITE).own_transaction, None);
    assert_eq!(unclosed("select 1;\ncreate trigger a after insert on b\nbegin select 1;", LITE), "3: trigger body");
    // A table by that name, and a transaction, have no body.
    assert_eq!(texts("create table trigger (begin); begin; end; create temp table a (b); end", LITE).len(), 5);
}

#[test]
fn dot_commands_stand_at_the_start_of_a_line_between_statements() {
    let text = ".bail on\nselect 1\n.5;\n  .read 'x;y'\nselect 2; .quit\n";
    let found = scan(text, LITE);
    let marks: Vec<String> = found.meta_commands.iter().map(|mark| shown(Some(mark))).collect();
    assert_eq!(marks, ["1: .bail on", "4: .read 'x;y'"]);
    assert_eq!(texts(text, LITE), ["select 1\n.5", "select 2", ".quit"]);
    assert_eq!(shown(shape("\u{feff}.quit", LITE).client_language.as_ref()), "1: .quit");
    assert_eq!(shape("select 1 \\ 2", LITE).client_language, None);
}

#[test]
fn what_is_never_closed_is_named_with_the_line_where_it_opens() {
    let comment = "`--` comment (a line feed ends it, the carriage returns of this file do not)";
    let cases = [
        ("select 1;\n/* a", "2: block comment".to_owned()),
        ("select\n'a", "2: string".to_owned()),
        ("select \"a", "1: quoted name".to_owned()),
        ("select `a", "1: quoted name".to_owned()),
        ("select [a", "1: quoted name".to_owned()),
        ("select 1;\r-- a\rselect 2;\r", format!("2: {comment}")),
        ("select 1;\r-- a\r \r", String::new()),
        ("select 1; -- a", String::new()),
        ("-- a\rb\nselect 1;", String::new()),
    ];
    for (text, expected) in cases {
        assert_eq!(unclosed(text, LITE), expected, "{text:?}");
    }
}

#[test]
fn statements_that_cannot_run_in_a_transaction() {
    let refused = [
        "VACUUM",
        "vacuum into 'a'",
        "detach database a",
        "PRAGMA journal_mode = WAL",
        "pragma main.journal_mode(delete)",
        "pragma synchronous = off",
    ];
    for text in refused {
        assert!(shape(text, LITE).outside_transaction.is_some(), "{text}");
    }
    let fine = [
        "pragma journal_mode",
        "attach 'a' as b",
        "pragma user_version = 3",
        "select 'vacuum'",
        "create index concurrently on a (b)",
        "savepoint a; rollback to a; rollback transaction to savepoint a; release a",
        "insert into a values ('commit;')",
    ];
    for text in fine {
        let shape = shape(text, LITE);
        assert_eq!(shown(shape.outside_transaction.as_ref()), "", "{text}");
        assert_eq!(shown(shape.own_transaction.as_ref()), "", "{text}");
    }
}

#[test]
fn the_foreign_keys_pragma_is_found_when_it_sets_something() {
    let text = "create table a (b);\nPRAGMA foreign_keys=OFF;\n";
    assert_eq!(shown(shape(text, LITE).foreign_keys_pragma.as_ref()), "2: PRAGMA foreign_keys=OFF");
    for text in ["pragma foreign_keys(1)", "pragma main.foreign_keys = on", "pragma \"foreign_keys\" = on"] {
        assert!(shape(text, LITE).foreign_keys_pragma.is_some(), "{text}");
    }
    for text in [
        "pragma foreign_keys",
        "pragma foreign_key_check",
        "-- pragma foreign_keys=off",
        "pragma defer_foreign_keys=on",
    ] {
        assert_eq!(shape(text, LITE).foreign_keys_pragma, None, "{text}");
    }
}

#[test]
fn mysql_is_read_as_far_as_quotes_and_comments_go() {
    let my = Dialect::Mysql;
    let cases: &[(&str, &[&str])] = &[
        ("select 'a\\';', \"b\\\";\", `c;`; select 2", &["select 'a\\';', \"b\\\";\", `c;`", "select 2"]),
        ("# a;\nselect 1; -- b;\nselect 5--1;", &["select 1", "select 5--1"]),
        ("/* a; */ /*!40101 set names utf8 */; select 2", &["/*!40101 set names utf8 */", "select 2"]),
    ];
    for (text, expected) in cases {
        assert_eq!(texts(text, my), *expected, "{text:?}");
    }
    assert_eq!(shown(shape("select 1;\nDELIMITER $$\n", my).client_language.as_ref()), "2: DELIMITER $$");
}
