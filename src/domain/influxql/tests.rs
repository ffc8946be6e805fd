use super::*;

fn texts(text: &str) -> Vec<(usize, String)> {
    scan(text).statements.into_iter().map(|s| (s.line, s.text.to_owned())).collect()
}

#[test]
fn statements_end_at_semicolons_outside_texts_names_comments_and_expressions() {
    let text = "\u{feff}-- first; no\nCREATE DATABASE \"a;b\\\";c\" ; ;/* x;\n*/ SELECT 'it\\'s;' FROM /a;b\\/c/ WHERE x =~ /;/\n\
        ;\nSELECT a / b, c/d; -- end;\nSHOW DATABASES -- trailing";
    let found = texts(text);
    let expected = [
        (2, "CREATE DATABASE \"a;b\\\";c\""),
        (3, "SELECT 'it\\'s;' FROM /a;b\\/c/ WHERE x =~ /;/"),
        (5, "SELECT a / b, c/d"),
        (6, "SHOW DATABASES"),
    ];
    assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    assert_eq!(texts("-- only\r/* comments */ ;; "), []);
}

#[test]
fn a_continuous_query_is_one_statement() {
    let text = "CREATE CONTINUOUS QUERY \"q\" ON \"d\" BEGIN\n  SELECT mean(\"v\") INTO \"d\".\"rp\".:MEASUREMENT FROM /.*/ GROUP BY time(1h), *\nEND;\r\nDROP DATABASE x";
    assert_eq!(texts(text).len(), 2);
    assert_eq!(texts(text)[1].0, 4);
    assert_eq!(texts("SELECT 1\rSELECT 2;\rSHOW USERS")[1], (3, "SHOW USERS".to_owned()));
}

#[test]
fn points_end_with_their_line_or_at_a_semicolon() {
    let text = "INSERT cpu,host=a\\ b value=1,note=\"x; \\\"y\\\"\nz\" 17\ninsert into \"d b\".rp cpu v=1; INSERT INTO rp cpu v=2";
    let scanned = scan(text);
    assert_eq!((&scanned.wrong, &scanned.unclosed), (&None, &None));
    let sorts: Vec<Sort<'_>> = scanned.statements.into_iter().map(|s| s.sort).collect();
    let insert = |database: Option<&str>, policy: Option<&str>, point| Sort::Insert {
        database: database.map(str::to_owned),
        policy: policy.map(str::to_owned),
        point,
    };
    let first = "cpu,host=a\\ b value=1,note=\"x; \\\"y\\\"\nz\" 17";
    let expected =
        [insert(None, None, first), insert(Some("d b"), Some("rp"), "cpu v=1"), insert(None, Some("rp"), "cpu v=2")];
    assert_eq!(sorts, expected);
}

#[test]
fn a_pause_is_read() {
    let sorts = |text| scan(text).statements.into_iter().map(|s| s.sort).collect::<Vec<_>>();
    assert_eq!(sorts("SLEEP 1.5s; sleep 200ms"), [1500, 200].map(|ms| Sort::Sleep(Duration::from_millis(ms))));
    assert_eq!(scan("\nSLEEP well").wrong.map(|w| w.0), Some(2));
    assert_eq!(scan("INSERT INTO").wrong.map(|w| w.0), Some(1));
    assert_eq!(scan("INSERT").wrong.map(|w| w.0), Some(1));
    assert!(scan("INSERT INTO \"a").wrong.is_some());
}

#[test]
fn what_is_never_closed_is_told_with_its_line() {
    for (text, line) in [("SELECT 'x", 1), ("SHOW\n\"x", 2), ("\n/* x", 2), ("\n\nINSERT a b=\"x;\n", 3)] {
        assert_eq!(scan(text).unclosed.map(|u| u.line), Some(line), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "[a-zA-Z0-9;'\"/*\\\\\n\r \u{e9}=~-]{0,80}") {
        let scanned = scan(&text);
        proptest::prop_assert!(scanned.statements.iter().all(|s| !s.text.is_empty()));
    }
}
