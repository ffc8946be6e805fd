//! What holds for every text, whatever is in it.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

const DIALECTS: [Dialect; 3] = [Dialect::Postgres, Dialect::Sqlite, Dialect::Mysql];

/// Texts of the pieces that mean something to the lexer, in any order.
fn scripts() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "'",
        "''",
        "\"",
        "`",
        "[",
        "]",
        "(",
        ")",
        ";",
        ";",
        "\\",
        "\\.",
        "\\;",
        "\\g",
        "\\copy a from stdin",
        "--",
        "/*",
        "*/",
        "$",
        "$$",
        "$a$",
        "$1",
        "e'",
        "E'\\'",
        "U&'",
        "\n",
        "\r",
        "\r\n",
        " ",
        "\t",
        "\u{feff}",
        "é",
        "😀",
        "0",
        "#",
        ".",
        ".read x",
        ",",
        "=",
        "create",
        "or",
        "replace",
        "function",
        "begin",
        "atomic",
        "end",
        "case",
        "temp",
        "trigger",
        "copy",
        "from",
        "stdin",
        "do",
        "commit",
        "rollback",
        "to",
        "and",
        "chain",
        "set",
        "role",
        "alter",
        "type",
        "add",
        "value",
        "table",
        "detach",
        "partition",
        "concurrently",
        "index",
        "pragma",
        "foreign_keys",
        "materialized",
        "timescaledb",
        "with",
        "no",
        "data",
        "savepoint",
        "release",
        "delimiter",
        "/*!40101",
        "prepare",
        "subscription",
        "reindex",
        "cluster",
        "call",
        "transaction",
        "drop",
        "database",
        "false",
        "\0",
    ]);
    prop_oneof![prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat()), any::<String>()]
}

fn check(text: &str, dialect: Dialect) {
    let scan = scan(text, dialect);
    let mut behind = 0;
    for (index, statement) in scan.statements.iter().enumerate() {
        assert!(behind <= statement.start, "statements overlap or are out of order");
        assert!(text[statement.start..].starts_with(statement.text));
        assert!(statement.start + statement.text.len() <= statement.end);
        assert!(!statement.text.is_empty());
        assert!(text.get(..statement.end).is_some(), "a statement ends within a character");
        let trimmed = statement.text.trim_matches([' ', '\n', '\r', '\t']);
        assert!(trimmed == statement.text || scan.unclosed.is_some(), "blanks around a statement");
        assert!(statement.terminated || index + 1 == scan.statements.len(), "only the last may be unterminated");
        assert_eq!(statement.line, slow_line(text, statement.start));
        is_session_setting(statement, dialect);
        behind = statement.end;
    }
    assert_eq!(transaction_open_after(&scan.statements, dialect).len(), scan.statements.len());
    let shape = shape(text, dialect);
    assert_eq!(shape.statements, scan.statements.len());
    assert_eq!(shape.unclosed, scan.unclosed);
    assert_eq!(shape.client_language.as_ref(), scan.meta_commands.first());
    let marks = [shape.own_transaction, shape.outside_transaction, shape.sets_role, shape.foreign_keys_pragma];
    for mark in marks.into_iter().flatten() {
        assert!(mark.what.chars().count() <= 60);
        assert!(!mark.what.contains(['\n', '\r']));
        assert!(scan.statements.iter().any(|s| s.line == mark.line));
    }
}

fn slow_line(text: &str, offset: usize) -> usize {
    text[..offset].replace("\r\n", "\n").matches(['\n', '\r']).count() + 1
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_text_makes_it_panic_and_statements_lie_in_the_text_in_order(text in scripts()) {
        for dialect in DIALECTS {
            check(&text, dialect);
        }
    }

    #[test]
    fn a_plain_script_is_cut_where_it_was_joined(parts in prop::collection::vec("[a-z][a-z0-9 ,=]{0,20}[a-z]", 1..20)) {
        for dialect in DIALECTS {
            let parts: Vec<String> = parts.iter().map(|part| format!("select {part}")).collect();
            for script in [parts.join(";\n"), parts.join(" ; -- c;\r\n/* ; */ ") + ";"] {
                prop_assert_eq!(&texts(&script, dialect), &parts);
            }
        }
    }
}

#[test]
fn skimming_sees_what_reading_token_by_token_sees() {
    let cases = [
        "select a1$b$; select 1$$;$$; select x$;",
        "select e'\\';', xe'\\'; select a,E'\\';'; select 1,e'a'",
        "select a/b-c, (d), $1$$;$$; select \u{fb00}$a$; select é$b$;c",
    ];
    for text in cases {
        let slow = |part: &str| lexeme::tokens(part, Dialect::Postgres).filter(|t| t.is_punct(b';')).count();
        let scan = scan(text, Dialect::Postgres);
        assert_eq!(scan.statements.iter().filter(|s| s.terminated).count(), slow(text), "{text}");
        assert!(scan.statements.iter().all(|s| slow(s.text) == 0), "{text}");
    }
}

#[test]
fn the_time_grows_with_the_text_and_not_with_its_square() {
    let hostile = [
        "(",
        "\\a",
        ".x",
        "$a",
        "$a$b$ ",
        "/*",
        "*/",
        "e'a' ",
        "''",
        ";",
        "copy a from stdin;",
        "\\copy a from stdin\\\\",
        "copy a from stdin;\n",
        "begin;",
        "create trigger a begin ",
        "alter type a add value 'b';",
        "\r",
        "--\r",
        "commit and chain;",
        "savepoint a;",
        "case ",
        "create function begin atomic ",
        "\\g ",
        "a\\g\n",
        "\\;",
    ];
    let start = Instant::now();
    for pattern in hostile {
        let text = pattern.repeat(100_000 / pattern.len());
        for dialect in DIALECTS {
            let scan = scan(&text, dialect);
            transaction_open_after(&scan.statements, dialect);
            shape(&text, dialect);
        }
    }
    // Milliseconds each when linear, even unoptimised; minutes when not.
    assert!(start.elapsed().as_secs() < 30, "took {:?}", start.elapsed());
}
