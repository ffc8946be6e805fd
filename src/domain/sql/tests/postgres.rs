//! Scripts as psql reads them.

use super::*;

const PG: Dialect = Dialect::Postgres;

#[test]
fn semicolons_end_statements_and_nothing_else_does() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        (" ;; \n;", &[]),
        ("-- only a comment", &[]),
        ("select 1", &["select 1"]),
        ("select 1; select 2 ;\n", &["select 1", "select 2"]),
        ("\u{feff}select 1;", &["select 1"]),
        ("select ';'; select 'it''s;'", &["select ';'", "select 'it''s;'"]),
        (r"select 'a\'; select 2", &[r"select 'a\'", "select 2"]),
        (r"select E'a\';'; select 2", &[r"select E'a\';'", "select 2"]),
        (r"select e'a\\'; select 2", &[r"select e'a\\'", "select 2"]),
        ("select E'a'\n'\\';'; select 2", &["select E'a'\n'\\';'", "select 2"]),
        (r"select some'a\'; select 2", &[r"select some'a\'", "select 2"]),
        (r"select U&'\0041;', u&'\'; select 2", &[r"select U&'\0041;', u&'\'", "select 2"]),
        (r#"select "a;""b;"; select 2"#, &[r#"select "a;""b;""#, "select 2"]),
        ("select $$a;b$$; select 2", &["select $$a;b$$", "select 2"]),
        ("select $x$a;$$;$y$;$x$; select 2", &["select $x$a;$$;$y$;$x$", "select 2"]),
        ("select $é$;$é$; select 2", &["select $é$;$é$", "select 2"]),
        ("execute a($1,$2); select a$b$; select c$b$", &["execute a($1,$2)", "select a$b$", "select c$b$"]),
        ("select 1$$;$$; select 2", &["select 1$$;$$", "select 2"]),
        ("/* a; /* b; */ c; */ select 1; -- x;\nselect 2", &["select 1", "select 2"]),
        ("select 1 -- one;\n + 1; select 2", &["select 1 -- one;\n + 1", "select 2"]),
        ("select 1 /* last */ ; -- end", &["select 1"]),
        ("select 1*/* a; */2; select 5--;\n-1;", &["select 1*/* a; */2", "select 5--;\n-1"]),
        (
            "create rule r as on insert to t do (a; b); select 2",
            &["create rule r as on insert to t do (a; b)", "select 2"],
        ),
        ("select 1); select 2", &["select 1)", "select 2"]),
        ("select :'a;', a::text, :\"b;\"; select 2", &["select :'a;', a::text, :\"b;\"", "select 2"]),
    ];
    for (text, expected) in cases {
        assert_eq!(texts(text, PG), *expected, "{text:?}");
        assert_eq!(unclosed(text, PG), "", "{text:?}");
    }
}

#[test]
fn bodies_of_sql_functions_hold_semicolons() {
    let function = "create or replace function f(a int) returns int begin atomic select case a when 1 then 2 end; \
                    select (case when true then 1 end); end";
    let procedure =
        "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC INSERT INTO a VALUES (1); BEGIN ATOMIC SELECT 1; END; END";
    assert_eq!(texts(&format!("{function};\n{procedure}; select 3"), PG), [function, procedure, "select 3"]);
    // The name of a function is no body, and neither is a transaction.
    assert_eq!(texts("create function begin() returns int as 'a'; select 1; end; begin; case", PG).len(), 5);
    assert_eq!(
        unclosed("select 1;\ncreate function f() returns int\nbegin atomic select 1;", PG),
        "3: BEGIN ATOMIC body"
    );
}

#[test]
fn line_ends_of_every_kind_count_and_end_comments() {
    let lines = |text: &str| scan(text, PG).statements.iter().map(|s| (s.line, s.text.to_owned())).collect::<Vec<_>>();
    let own =
        |lines: &[(usize, &str)]| lines.iter().map(|(line, text)| (*line, (*text).to_owned())).collect::<Vec<_>>();
    for end in ["\n", "\r\n", "\r"] {
        let text = ["-- a; 'b", "select 1;", "", "select '", "';select 3"].join(end);
        let string = format!("select '{end}'");
        assert_eq!(lines(&text), own(&[(2, "select 1"), (4, &string), (5, "select 3")]), "{end:?}");
    }
    assert_eq!(lines("\u{feff}\n\tselect 1"), own(&[(2, "select 1")]));
}

#[test]
fn a_statement_knows_its_place() {
    let text = "\u{feff}-- c\n\n  select 1 -- d\n ; select 2";
    let found = scan(text, PG).statements;
    assert_eq!(&text[found[0].start..found[0].end], "select 1 -- d\n ;");
    assert_eq!((found[0].line, found[0].terminated), (3, true));
    assert_eq!((found[1].line, found[1].end, found[1].terminated), (4, text.len(), false));
}

#[test]
fn copy_data_belongs_to_its_statement() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["COPY t (a, b) FROM stdin; -- data", "1;\t'", "\\N\t$$", "\\.", "select 2;"].join(end);
        let found = scan(&text, PG);
        assert_eq!(found.statements.len(), 2, "{end:?}");
        assert_eq!(found.statements[0].text, "COPY t (a, b) FROM stdin");
        assert!(text[..found.statements[0].end].ends_with(&format!("\\.{end}")));
        assert_eq!((found.statements[1].line, found.meta_commands.len()), (5, 0));
    }
    let cases: &[(&str, &[&str])] = &[
        ("copy t from stdin;\n'\n", &["copy t from stdin"]),
        (
            "copy t from stdin with (format csv);\n'\n\\.\nselect 1",
            &["copy t from stdin with (format csv)", "select 1"],
        ),
        ("copy t from stdin; select 1;\n'\n\\.\nselect 2", &["copy t from stdin", "select 1", "select 2"]),
        ("copy t from '/f';\nselect 'a", &["copy t from '/f'", "select 'a"]),
        ("copy (select * from stdin) to stdout;\nselect 1", &["copy (select * from stdin) to stdout", "select 1"]),
        ("copy t to stdout;\nselect 1", &["copy t to stdout", "select 1"]),
        ("select copy from stdin;\nselect 1", &["select copy from stdin", "select 1"]),
    ];
    for (text, expected) in cases {
        assert_eq!(texts(text, PG), *expected, "{text:?}");
    }
}

#[test]
fn backslash_commands_are_the_clients() {
    let cases = [
        ("\\set a 'x;y'\nselect 1;", vec!["1: \\set a"], vec!["select 1"]),
        ("select 1;\n\\i other.sql\nselect 2;", vec!["2: \\i other.sql"], vec!["select 1", "select 2"]),
        ("\\connect postgres://u:secret@h/d\n", vec!["1: \\connect"], vec![]),
        (
            "\\if :x\nselect (\n\\else\nselect\n\\endif\n1;",
            vec!["1: \\if :x", "3: \\else", "5: \\endif"],
            vec!["select (\n\\else\nselect\n\\endif\n1;"],
        ),
        (
            "select 1 \\gset p_\nselect 2\\gx\nselect 3",
            vec!["1: \\gset p_", "2: \\gx"],
            vec!["select 1", "select 2", "select 3"],
        ),
        ("select $1 \\bind 'a' \\g\nselect 2", vec!["1: \\bind 'a'", "1: \\g"], vec!["select $1", "select 2"]),
        ("select 1\\; select 2; select 3", vec!["1: \\;"], vec!["select 1\\; select 2", "select 3"]),
        ("\\echo 'it''s' \\\\ select 1; select 2", vec!["1: \\echo 'it''s' \\\\"], vec!["select 1", "select 2"]),
        ("\\copy t from stdin\n';\n\\.\nselect 1", vec!["1: \\copy t from stdin"], vec!["select 1"]),
        ("\\copy t from 'a b.csv'\nselect 1", vec!["1: \\copy t from 'a b.csv'"], vec!["select 1"]),
        ("select 1 \\r\nselect 2", vec!["1: \\r"], vec!["select 2"]),
        ("\\! rm -rf \\\\ x\nselect '\\a', $$\\b$$ -- \\c\n", vec!["1: \\!"], vec!["select '\\a', $$\\b$$"]),
    ];
    for (text, commands, statements) in cases {
        let found = scan(text, PG);
        let marks: Vec<String> = found.meta_commands.iter().map(|mark| shown(Some(mark))).collect();
        assert_eq!(marks, commands, "{text:?}");
        assert_eq!(texts(text, PG), statements, "{text:?}");
    }
}

#[test]
fn what_is_never_closed_is_named_with_the_line_where_it_opens() {
    let cases = [
        ("select 1;\n/* a /* b */ c", "2: block comment"),
        ("select 1,\n\n'a", "3: string"),
        ("select E'a\\'", "1: string"),
        ("\n\"a", "2: quoted name"),
        ("select $a$ x $b$", "1: dollar-quoted string"),
        ("\nselect (\n(1)", "2: parenthesis"),
        ("select (1;\nselect 2;", "1: parenthesis"),
        ("create table t (a int);", ""),
        ("select 1 -- '", ""),
        ("\\if :a\nselect (\n\\endif", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(unclosed(text, PG), expected, "{text:?}");
    }
}

#[test]
fn statements_that_cannot_run_in_a_transaction() {
    let refused = [
        "create index concurrently a on b (c)",
        "CREATE /* x */ UNIQUE\nINDEX CONCURRENTLY IF NOT EXISTS a ON b (c)",
        "drop index concurrently if exists a",
        "reindex index concurrently a",
        "REINDEX (VERBOSE, CONCURRENTLY) TABLE a",
        "reindex (concurrently on) table a",
        "reindex system a",
        "reindex (verbose) database a",
        "reindex schema a",
        "alter table only a detach partition b.c concurrently",
        "vacuum",
        "VACUUM (ANALYZE) a",
        "create database a",
        "drop database if exists a with (force)",
        "create tablespace a location '/b'",
        "drop tablespace a",
        "alter system set a = 'b'",
        "alter database a set tablespace b",
        "cluster",
        "cluster verbose",
        "cluster (verbose)",
        "discard all",
        "create subscription a connection 'b' publication c",
        "alter subscription a refresh publication",
        "call refresh_continuous_aggregate('a', null, null)",
        "call public.refresh_continuous_aggregate('a', null, null)",
        "create materialized view a with (timescaledb.continuous) as select 1",
        "create materialized view if not exists a with (tsdb.continuous = true, b) as select 1 with data",
        "create index a on b (c) with (timescaledb.transaction_per_chunk)",
        "commit prepared 'a'",
    ];
    for text in refused {
        let shape = shape(text, PG);
        assert!(shape.outside_transaction.is_some(), "{text}");
        assert_eq!(shape.own_transaction, None, "{text}");
    }
}

#[test]
fn statements_that_only_look_like_it() {
    let fine = [
        "select cron.schedule('a', 'create index concurrently a on b (c)')",
        "select 1 -- vacuum;\n",
        "/* vacuum; */ select 1",
        "do $$ begin execute 'vacuum'; end $$",
        "create function f() returns void as $$ vacuum; commit; $$ language sql",
        "comment on table a is 'x; vacuum; commit;'",
        "select \"vacuum\"; \"commit\"",
        "create index a on b (\"concurrently\")",
        "create index a on b (c) with (timescaledb.transaction_per_chunk = false)",
        "refresh materialized view concurrently a",
        "alter table a detach partition b",
        "alter table a detach partition b finalize",
        "reindex (concurrently false) table a",
        "reindex (concurrently off, verbose) index a",
        "reindex table a",
        "alter database a set search_path = b",
        "cluster a using b",
        "cluster (verbose) a",
        "discard temp",
        "create subscription a connection 'b' publication c with (connect = false)",
        "drop subscription a",
        "alter subscription a set publication b with (refresh = false)",
        "call p('refresh_continuous_aggregate')",
        "create materialized view a with (timescaledb.continuous) as select 1 with no data",
        "create materialized view a as select 1",
        "create materialized view a with (timescaledb.continuous = false) as select 1",
        "alter type a add value 'b'",
        "alter type a add value 'b'; alter type a add value 'c' after 'b'",
        "alter type a add value 'b'; select 'bb', \"b\" -- 'b'\n",
        "select 'b'; alter type a add value 'b'",
        "savepoint a; rollback to a; rollback work to savepoint a; release a",
        "prepare a as select 1; execute a; deallocate a",
        "create table start (vacuum int)",
        "copy t from stdin;\nvacuum;\ncommit;\n\\.\n",
    ];
    for text in fine {
        let shape = shape(text, PG);
        assert_eq!(shown(shape.outside_transaction.as_ref()), "", "{text}");
        assert_eq!(shown(shape.own_transaction.as_ref()), "", "{text}");
    }
}

#[test]
fn an_enum_value_that_is_used_where_it_is_added_needs_its_own_transaction() {
    let text =
        "select 1;\nalter type mood add value if not exists 'ok' before 'sad';\ninsert into a values ('ok'::mood);";
    let found = shape(text, PG).outside_transaction;
    assert_eq!(shown(found.as_ref()), "2: alter type mood add value if not exists 'ok' before 'sad'");
    assert!(shape("alter type a.b add value $$c$$; select 'c'", PG).outside_transaction.is_some());
}

#[test]
fn a_commit_inside_a_do_block_is_found_for_the_hint() {
    let text = "select 1;\ndo language 'plpgsql' $$\nbegin\n  -- commit;\n  perform 'commit;';\n  commit;\nend $$;";
    let found = shape(text, PG);
    assert_eq!(shown(found.commit_in_do.as_ref()), "6: COMMIT");
    assert_eq!(found.own_transaction, None);
    assert_eq!(shown(shape("DO E'begin\nrollback and chain; end'", PG).commit_in_do.as_ref()), "2: ROLLBACK");
    assert_eq!(
        shape("do $$ begin perform commit(1); end $$; create procedure p() as $$ commit; $$", PG).commit_in_do,
        None
    );
}

#[test]
fn marks_are_one_short_line_without_comments_and_passwords() {
    let text =
        "create index concurrently -- why\n  a_rather_long_name\n on another_rather_long_name (with_columns, more)";
    let found = shape(text, PG).outside_transaction;
    assert_eq!(shown(found.as_ref()), "1: create index concurrently a_rather_long_name on another_rat…");
    let secret = "create subscription s connection 'host=a password=b' publication p";
    assert_eq!(
        shown(shape(secret, PG).outside_transaction.as_ref()),
        "1: create subscription s connection '…' publication p"
    );
}

#[test]
fn a_role_taken_on_is_found() {
    for text in ["set role a", "SET LOCAL ROLE a", "set session authorization a", "set session role none"] {
        assert!(shape(text, PG).sets_role.is_some(), "{text}");
    }
    for text in ["set session x = role", "reset role", "create role a", "select 'set role'", "set local x = 1"] {
        assert_eq!(shape(text, PG).sets_role, None, "{text}");
    }
}
