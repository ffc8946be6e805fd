use super::*;

const MY: Dialect = Dialect::Mysql;

fn commands(text: &str) -> Vec<String> {
    scan(text, MY).meta_commands.iter().map(|mark| shown(Some(mark))).collect()
}

#[test]
fn a_delimiter_ends_statements_as_the_clients_take_it() {
    let routine = "create procedure p() begin select 1; select 'a//b', `c//`; -- d\nend";
    let text = format!("select 0;\nDELIMITER //\n{routine}//\nselect 2 //\n  delimiter ;\nselect 3; select 4");
    assert_eq!(texts(&text, MY), ["select 0", routine, "select 2", "select 3", "select 4"]);
    assert_eq!(commands(&text), ["2: DELIMITER //", "6: delimiter ;"]);
    assert_eq!(scan(&text, MY).statements.iter().map(|s| s.line).collect::<Vec<_>>(), [1, 3, 5, 7, 7]);
    // Stuck to a word, made of letters, two semicolons, nothing between two of them.
    assert_eq!(texts("delimiter $$\nbegin end$$select 1; select 2$$", MY), ["begin end", "select 1; select 2"]);
    assert_eq!(texts("delimiter EOF\nselect 1; EOF select 2EOF EOF", MY), ["select 1;", "select 2"]);
    assert_eq!(texts("delimiter ;;\nselect 1; select 2;;\nselect 3", MY), ["select 1; select 2", "select 3"]);
    assert_eq!(texts("delimiter |\nselect 'a|b' | select \"|\"|", MY), ["select 'a|b'", "select \"|\""]);
    // Behind a semicolon it is no command: both clients send it to the server.
    assert_eq!(commands("select 1; delimiter //\nselect 2//"), [] as [&str; 0]);
    assert_eq!(commands("delimiter\nselect 1;"), ["1: delimiter"]);
    assert_eq!(texts("delimiter\nselect 1;", MY), ["select 1"]);
}

#[test]
fn what_a_client_obeys_itself_is_seen() {
    assert_eq!(commands("select 1;\nsource a.sql\n  SYSTEM ls\nquit"), ["2: source a.sql", "3: SYSTEM ls", "4: quit"]);
    assert_eq!(commands("select 1\\G\n\\! ls"), ["1: \\G", "2: \\!"]);
    assert_eq!(commands("use shop;\nselect\nsource from t;\ninsert into t values (\\N, '\\q');"), [] as [&str; 0]);
    assert_eq!(commands("\\"), ["1: \\"]);
}

#[test]
fn only_data_and_settings_of_the_session_share_a_transaction() {
    for text in [
        "insert into t values (1); update t set a = 2; delete from t; replace into t values (1)",
        "with a as (select 1) select * from a; do sleep(1); use shop; set @a = 1, sql_mode = ''; set names utf8mb4",
        "load data local infile 'a' into table t; savepoint a; rollback to a; release savepoint a",
    ] {
        assert_eq!(shape(text, MY).outside_transaction, None, "{text}");
        assert_eq!(shape(text, MY).own_transaction, None, "{text}");
    }
    for text in [
        "create table t (a int)",
        "set global x = 1",
        "set password = 'a'",
        "call p()",
        "lock tables t write",
        "/*!40101 x */",
    ] {
        let text = format!("select 1;\n{text}");
        assert!(shown(shape(&text, MY).outside_transaction.as_ref()).starts_with("2: "), "{text}");
    }
    assert_eq!(shown(shape("select 1; start transaction;", MY).own_transaction.as_ref()), "1: start transaction");
}
