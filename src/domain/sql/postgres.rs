//! What PostgreSQL and TimescaleDB do not let run inside a transaction.

use std::ops::Range;

use super::Dialect;
use super::lexeme::{Lexeme, Opening, Tokens, takes, tokens};

/// Whether the statement fails inside a transaction, whatever the database holds.
pub(super) fn refuses_transaction(opening: &Opening<'_>) -> bool {
    match opening.word() {
        b"create" => creates(opening.rest()),
        b"drop" => drops(opening.rest()),
        b"alter" => alters(opening.rest()),
        b"reindex" => reindexes(opening.rest()),
        b"cluster" => clusters_everything(opening.rest()),
        b"call" => refreshes_aggregate(opening.rest()),
        b"vacuum" => true,
        b"discard" => takes(&mut opening.rest(), "all"),
        b"commit" | b"rollback" => takes(&mut opening.rest(), "prepared"),
        _ => false,
    }
}

fn creates(mut rest: Tokens<'_>) -> bool {
    takes(&mut rest, "unique");
    let Some(what) = rest.next() else { return false };
    match what.keyword().letters() {
        b"index" => takes(&mut rest, "concurrently") || has_option(rest, "transaction_per_chunk"),
        b"database" | b"tablespace" => true,
        b"materialized" => fills_aggregate(rest),
        // Unless told otherwise it makes a slot on the other server, which no transaction takes back.
        b"subscription" => !rest.any(|t| t.is_any(&["connect", "create_slot"])),
        _ => false,
    }
}

fn drops(mut rest: Tokens<'_>) -> bool {
    let Some(what) = rest.next() else { return false };
    what.is_any(&["database", "tablespace"]) || what.is("index") && takes(&mut rest, "concurrently")
}

fn alters(mut rest: Tokens<'_>) -> bool {
    let Some(what) = rest.next() else { return false };
    match what.keyword().letters() {
        b"system" => true,
        b"database" => follows(&mut rest, "set", "tablespace"),
        b"table" => follows(&mut rest, "detach", "partition") && rest.any(|t| t.is("concurrently")),
        b"subscription" => {
            // ALTER SUBSCRIPTION name, then REFRESH PUBLICATION or one of the others, which refresh by default.
            rest.next();
            let Some(action) = rest.next() else { return false };
            takes(&mut rest, "publication")
                && (action.is("refresh") || action.is_any(&["set", "add", "drop"]) && !rest.any(|t| t.is("refresh")))
        }
        _ => false,
    }
}

/// Steps behind the first place where the two keywords stand side by side.
fn follows(rest: &mut Tokens<'_>, first: &str, second: &str) -> bool {
    while let Some(token) = rest.next() {
        if token.is(first) && takes(rest, second) {
            return true;
        }
    }
    false
}

/// `REINDEX [(options)] INDEX | TABLE | … [CONCURRENTLY] name`.
fn reindexes(mut rest: Tokens<'_>) -> bool {
    if rest.next_if(|t| t.is_punct(b'(')).is_some() {
        while let Some(option) = rest.next_if(|t| !t.is_punct(b')')) {
            if option.is("concurrently") && !rest.peek().is_some_and(says_no) {
                return true;
            }
        }
        rest.next();
    }
    let Some(what) = rest.next() else { return false };
    what.is_any(&["system", "database", "schema"]) || takes(&mut rest, "concurrently")
}

fn says_no(value: &Lexeme<'_>) -> bool {
    value.is_any(&["false", "off", "no"])
        || value.text == "0"
        || value.literal().is_some_and(|text| ["false", "off", "no", "0"].iter().any(|n| text.eq_ignore_ascii_case(n)))
}

/// CLUSTER without a table goes over all of them, a transaction each.
fn clusters_everything(mut rest: Tokens<'_>) -> bool {
    if rest.next_if(|t| t.is_punct(b'(')).is_some() {
        while rest.next_if(|t| !t.is_punct(b')')).is_some() {}
        rest.next();
    }
    takes(&mut rest, "verbose");
    rest.next().is_none()
}

/// `CALL [schema.]refresh_continuous_aggregate(…)`.
fn refreshes_aggregate(mut rest: Tokens<'_>) -> bool {
    let mut name = rest.next();
    if rest.next_if(|t| t.is_punct(b'.')).is_some() {
        name = rest.next();
    }
    name.is_some_and(|t| t.is("refresh_continuous_aggregate"))
}

/// A continuous aggregate is filled at once, by transactions of its own, unless it ends in WITH NO DATA.
fn fills_aggregate(mut rest: Tokens<'_>) -> bool {
    if !has_option_in(&mut rest, "continuous") {
        return false;
    }
    let mut last: [Option<Lexeme<'_>>; 3] = [None; 3];
    for token in rest {
        last = [last[1], last[2], Some(token)];
    }
    let ending = ["with", "no", "data"];
    !last.iter().zip(ending).all(|(token, keyword)| token.is_some_and(|t| t.is(keyword)))
}

fn has_option(mut rest: Tokens<'_>, option: &str) -> bool {
    has_option_in(&mut rest, option)
}

/// Steps behind TimescaleDB's option of this name, if the statement sets it.
fn has_option_in(rest: &mut Tokens<'_>, option: &str) -> bool {
    while let Some(token) = rest.next() {
        if !token.is_any(&["timescaledb", "tsdb"]) || rest.next_if(|t| t.is_punct(b'.')).is_none() {
            continue;
        }
        if takes(rest, option) {
            let given = rest.next_if(|t| t.is_punct(b'=')).is_some();
            return !(given && rest.peek().is_some_and(says_no));
        }
    }
    false
}

/// What follows `ALTER TYPE`.
pub(super) fn altered_type<'a>(opening: &Opening<'a>) -> Option<Tokens<'a>> {
    if opening.word() != b"alter" {
        return None;
    }
    let mut rest = opening.rest();
    takes(&mut rest, "type").then_some(rest)
}

/// The value that an `ALTER TYPE … ADD VALUE` adds, as written between its quotes.
pub(super) fn added_enum_value<'a>(mut rest: Tokens<'a>) -> Option<&'a str> {
    if follows(&mut rest, "add", "value") { rest.find_map(|t| t.literal()) } else { None }
}

/// Where in the statement a COMMIT or ROLLBACK stands inside the body of a DO.
pub(super) fn commit_in_do(opening: &Opening<'_>) -> Option<Range<usize>> {
    if opening.word() != b"do" {
        return None;
    }
    // One of the strings may be the language's name.
    opening.rest().find_map(|string| {
        let offset = string.start + string.inside()?.start;
        let found = commit_in(string.literal()?)?;
        Some(offset + found.start..offset + found.end)
    })
}

fn commit_in(body: &str) -> Option<Range<usize>> {
    let mut inside = tokens(body, Dialect::Postgres);
    while let Some(token) = inside.next() {
        let ends = token.is_any(&["commit", "rollback"]);
        if ends && inside.peek().is_some_and(|t| t.is_punct(b';') || t.is("and")) {
            return Some(token.start..token.start + token.text.len());
        }
    }
    None
}
