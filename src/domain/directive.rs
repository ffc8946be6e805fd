//! `stepladder: ...` in a script's leading comments: what the author says about how it is to be run.

use std::time::Duration;

use super::version::Version;

/// `requires <store>/<version>`: that migration must be applied before this one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// The store's name.
    pub store: String,
    /// The version in that store.
    pub version: Version,
    /// The line that says so.
    pub line: usize,
}

/// All directives of one script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `no-transaction`, with its line.
    pub no_transaction: Option<usize>,
    /// `irreversible <reason>`: the reason; no down script is needed then.
    pub irreversible: Option<String>,
    /// Every `requires`.
    pub requires: Vec<Requirement>,
    /// `timeout 30s`: how long the script may run.
    pub timeout: Option<Duration>,
    /// `only-env a,b`: the environments that this migration is for; empty means all.
    pub only_env: Vec<String>,
}

/// A directive that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectiveError {
    /// Its line.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// The directives there are, each with the form it takes.
pub const KNOWN: [(&str, &str); 5] = [
    ("no-transaction", "no-transaction"),
    ("irreversible", "irreversible <reason>"),
    ("requires", "requires <store>/<version>"),
    ("timeout", "timeout 30s"),
    ("only-env", "only-env staging,production"),
];

impl Directives {
    /// Whether a run in `environment` leaves this migration out.
    pub fn excludes(&self, environment: Option<&str>) -> bool {
        !self.only_env.is_empty() && !environment.is_some_and(|e| self.only_env.iter().any(|o| o == e))
    }
}

/// Reads the directives from leading comment lines (see [`super::comments::leading`]), with everything that
/// is wrong with them.
pub fn parse(comments: &[(usize, String)]) -> (Directives, Vec<DirectiveError>) {
    let mut directives = Directives::default();
    let mut errors = Vec::new();
    for (line, text) in comments {
        // sqlx's mark, understood on the first line only, as sqlx does.
        if *line == 1 && text == "no-transaction" {
            directives.no_transaction = Some(1);
        }
        let Some(said) = text.strip_prefix("stepladder:") else { continue };
        if let Err(error) = take(&mut directives, said.trim(), *line) {
            errors.push(error);
        }
    }
    (directives, errors)
}

fn take(directives: &mut Directives, said: &str, line: usize) -> Result<(), DirectiveError> {
    let (word, argument) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
    let argument = argument.trim();
    let fail = |message: String, hint: String| Err(DirectiveError { line, message, hint });
    let form = |word: &str| KNOWN.iter().find(|(w, _)| *w == word).map_or("", |(_, form)| form);
    let expected = |word: &str| format!("write `stepladder: {}`", form(word));
    match word {
        "no-transaction" if argument.is_empty() => directives.no_transaction = Some(line),
        "no-transaction" => {
            return fail(format!("`no-transaction` takes no argument, found `{argument}`"), expected(word));
        }
        "irreversible" if argument.is_empty() => {
            return fail("`irreversible` needs a reason".to_owned(), expected(word));
        }
        "irreversible" => directives.irreversible = Some(argument.to_owned()),
        "requires" => match requirement(argument, line) {
            Some(requirement) => directives.requires.push(requirement),
            None => return fail(format!("`{argument}` does not name a migration"), expected(word)),
        },
        "timeout" => match duration(argument) {
            Some(timeout) => directives.timeout = Some(timeout),
            None => return fail(format!("`{argument}` is not a time"), expected(word)),
        },
        "only-env" => {
            let names = argument.split(',').map(str::trim).filter(|n| !n.is_empty());
            directives.only_env.extend(names.map(str::to_owned));
            if directives.only_env.is_empty() {
                return fail("`only-env` names no environment".to_owned(), expected(word));
            }
        }
        unknown => return fail(format!("unknown directive `{unknown}`"), suggestion(unknown)),
    }
    Ok(())
}

fn requirement(argument: &str, line: usize) -> Option<Requirement> {
    let (store, version) = argument.rsplit_once('/')?;
    // `kafka/004_orders_v2` is what status prints, so it is accepted too.
    let digits = version.split_once('_').map_or(version, |(digits, _)| digits);
    let version = digits.parse().ok()?;
    (!store.is_empty() && !store.contains(char::is_whitespace)).then(|| Requirement {
        store: store.to_owned(),
        version,
        line,
    })
}

/// A time as people write it: `500ms`, `30s`, `5m`, `1h30m`; a plain number means seconds.
pub fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u32 = rest[..unit_at].parse().ok()?;
        let tail = &rest[unit_at..];
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let unit = match tail[..unit_end].trim() {
            "ms" => Duration::from_millis(1),
            "s" | "sec" => Duration::from_secs(1),
            "m" | "min" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return None,
        };
        total = total.checked_add(unit.checked_mul(number)?)?;
        rest = &tail[unit_end..];
    }
    (!text.is_empty()).then_some(total)
}

fn suggestion(unknown: &str) -> String {
    if unknown == "transaction" {
        // Its nearest neighbour is its opposite.
        return "leave it out: a script is one transaction wherever its store has them for scripts. In a script for MongoDB begin \
                one yourself, with `db.getMongo().startSession()`"
            .to_owned();
    }
    let known = KNOWN.map(|(word, _)| format!("`{word}`")).join(", ");
    match closest(unknown, KNOWN.iter().map(|(word, _)| *word)) {
        Some(word) => format!("did you mean `{word}`? The directives are {known}"),
        None => format!("the directives are {known}"),
    }
}

/// The candidate that `text` is most likely a slip of, if one is near enough.
pub fn closest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (distance(text, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance, over bytes: both sides are short words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> (Directives, Vec<DirectiveError>) {
        let comments: Vec<_> = lines.iter().enumerate().map(|(i, l)| (i + 1, (*l).to_owned())).collect();
        parse(&comments)
    }

    #[test]
    fn every_directive_is_understood() {
        let (found, errors) = read(&[
            "stepladder: no-transaction",
            "some words",
            "stepladder: irreversible the rows are gone",
            "stepladder: requires kafka/004_orders_v2",
            "stepladder: requires redis/7",
            "stepladder: timeout 1m30s",
            "stepladder: only-env staging, production",
        ]);
        assert_eq!(errors, []);
        assert_eq!(found.no_transaction, Some(1));
        assert_eq!(found.irreversible.as_deref(), Some("the rows are gone"));
        assert_eq!(found.requires.len(), 2);
        assert_eq!(found.requires[0].version, Version::new(4));
        assert_eq!(found.timeout, Some(Duration::from_secs(90)));
        assert!(found.excludes(Some("dev")) && found.excludes(None) && !found.excludes(Some("staging")));
    }

    #[test]
    fn a_slip_is_named_with_what_was_meant() {
        let (_, errors) = read(&["stepladder: require kafka/4"]);
        assert_eq!(errors[0].line, 1);
        assert_eq!(errors[0].message, "unknown directive `require`");
        assert!(errors[0].hint.starts_with("did you mean `requires`? The directives are `no-transaction`"));

        let (_, errors) = read(&["stepladder: transaction"]);
        assert_eq!(errors[0].message, "unknown directive `transaction`");
        assert!(errors[0].hint.starts_with("leave it out"), "{}", errors[0].hint);
    }

    #[test]
    fn arguments_are_checked() {
        for wrong in ["timeout soon", "requires kafka", "requires /4", "irreversible", "only-env", "no-transaction now"]
        {
            let (_, errors) = read(&[&format!("stepladder: {wrong}")]);
            assert_eq!(errors.len(), 1, "{wrong}");
        }
    }

    #[test]
    fn sqlx_marks_count_on_the_first_line_only() {
        assert_eq!(read(&["no-transaction"]).0.no_transaction, Some(1));
        assert_eq!(read(&["x", "no-transaction"]).0.no_transaction, None);
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("30"), Some(Duration::from_secs(30)));
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        assert_eq!(duration(""), None);
        assert_eq!(duration("4 weeks"), None);
    }
}
