//! What the server says of its commands (`COMMAND INFO`), and what no script may do: so that a slip is found before anything
//! of its script has run.

use std::collections::BTreeMap;

use redis::Value;

use super::job::Unfit;
use super::session::Session;
use super::words::{items, pack, text};
use crate::domain::Failure;
use crate::domain::redis::Command;

/// What is known of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// How many words it has, its name included; negative for at least so many.
    arity: i64,
    /// Whether it cannot be part of a Lua script, or would not wait in one.
    alone: bool,
    /// What is known of its subcommands.
    subcommands: BTreeMap<String, Fact>,
}

/// What the server says of the commands of some scripts; none where it may not be asked.
#[derive(Clone, Debug, Default)]
pub struct Facts(Option<BTreeMap<String, Option<Fact>>>);

/// What no script may do, and why.
const REFUSED: &[(&[&str], &str, &str)] = &[
    (
        &["FLUSHALL", "FLUSHDB", "SWAPDB"],
        "takes the ledger away with everything else",
        "`stepladder fresh` empties the database; a script removes keys by name, or by pattern in a `.lua` script",
    ),
    (
        &["SELECT"],
        "leaves the database that the ledger is in",
        "write `redis://HOST/N` as the connection of another store for another database",
    ),
    (
        &["MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"],
        "begins or ends a transaction",
        "leave it out: the script is one step with its ledger entry anyway",
    ),
    (
        &["AUTH", "HELLO", "RESET", "QUIT", "ASKING", "READONLY", "READWRITE"],
        "changes the connection, not the store",
        "user, password and database belong into the store's connection",
    ),
    (
        &["MONITOR", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"],
        "never comes to an end",
        "leave it out",
    ),
    (
        &["SHUTDOWN", "FAILOVER", "REPLICAOF", "SLAVEOF", "SYNC", "PSYNC", "REPLCONF"],
        "takes the server away",
        "a `.sh` script can do it, without a store's ledger on that server",
    ),
];

/// Subcommands that no script may use.
const REFUSED_PAIRS: &[(&str, &str)] = &[
    ("CLIENT", "REPLY"),
    ("CLIENT", "TRACKING"),
    ("CLIENT", "PAUSE"),
    ("CLIENT", "NO-EVICT"),
    ("CLUSTER", "RESET"),
    ("FUNCTION", "KILL"),
    ("SCRIPT", "KILL"),
    ("SCRIPT", "DEBUG"),
];

/// What is alone where the server may not be asked.
const ALONE: &[&str] = &[
    "ACL",
    "BGREWRITEAOF",
    "BGSAVE",
    "BLMOVE",
    "BLMPOP",
    "BLPOP",
    "BRPOP",
    "BRPOPLPUSH",
    "BZMPOP",
    "BZPOPMAX",
    "BZPOPMIN",
    "CLIENT",
    "CONFIG",
    "DEBUG",
    "EVAL",
    "EVALSHA",
    "EVALSHA_RO",
    "EVAL_RO",
    "FCALL",
    "FCALL_RO",
    "FUNCTION",
    "LATENCY",
    "MIGRATE",
    "MODULE",
    "SAVE",
    "SCRIPT",
    "SLOWLOG",
    "WAIT",
    "WAITAOF",
    "XREAD",
    "XREADGROUP",
];

impl Facts {
    /// Asks the server about the commands of some scripts, in one round trip.
    ///
    /// # Errors
    /// No answer.
    pub fn ask<'a>(session: &mut Session, commands: impl Iterator<Item = &'a Command>) -> Result<Self, Failure> {
        let names: Vec<String> =
            commands.map(Command::name).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        if names.is_empty() {
            return Ok(Self(Some(BTreeMap::new())));
        }
        let mut words = vec!["COMMAND", "INFO"];
        words.extend(names.iter().map(String::as_str));
        let mut packed = Vec::new();
        pack(&words, &mut packed);
        match session.send(packed, 1)?.pop() {
            Some(Ok(value)) => {
                Ok(Self(Some(names.into_iter().zip(items(&value)).map(|(name, info)| (name, fact(info))).collect())))
            }
            // Not everybody may ask, and some servers have the command renamed.
            _ => Ok(Self(None)),
        }
    }

    /// Whether a command has to go alone rather than as a part of a Lua script.
    ///
    /// # Errors
    /// One that no script may use, that the server does not know, or with a wrong number of arguments.
    pub fn check(&self, command: &Command) -> Result<bool, Unfit> {
        refused(command)?;
        let name = command.name();
        let Some(known) = &self.0 else { return Ok(ALONE.contains(&name.as_str())) };
        let Some(fact) = known.get(&name).and_then(Option::as_ref) else {
            return Err(Unfit::at(command.line, format!("the server knows no command `{}`", shown(&name)))
                .hint("one command a line; a line that is a comment begins with `#`"));
        };
        let words = i64::try_from(command.words.len()).unwrap_or(i64::MAX);
        let mut about = (shown(&name), fact);
        if !fact.subcommands.is_empty() && words > 1 {
            let word = command.word(1);
            match fact.subcommands.get(&word) {
                Some(of) => about = (format!("{} {}", shown(&name), shown(&word)), of),
                None => {
                    let message = format!("the server knows no subcommand `{}` of {}", shown(&word), shown(&name));
                    return Err(Unfit::at(command.line, message));
                }
            }
        }
        let (called, fact) = about;
        let fits = if fact.arity < 0 { words >= -fact.arity } else { fact.arity == 0 || words == fact.arity };
        if !fits {
            let (least, given) = (fact.arity.abs() - 1, words - 1);
            let takes = if fact.arity < 0 { format!("at least {least}") } else { least.to_string() };
            let message = format!("wrong number of arguments for {called}: it takes {takes}, and {given} are given");
            return Err(Unfit::at(command.line, message));
        }
        Ok(fact.alone)
    }
}

/// A name as it may stand in a message: a value in its place may be long.
fn shown(name: &str) -> String {
    name.chars().take(40).filter(|c| !c.is_control()).collect()
}

fn refused(command: &Command) -> Result<(), Unfit> {
    let name = command.name();
    if let Some((_, why, hint)) = REFUSED.iter().find(|(names, ..)| names.contains(&name.as_str())) {
        return Err(Unfit::at(command.line, format!("{name} is not for scripts: it {why}")).hint(*hint));
    }
    let word = command.word(1);
    if REFUSED_PAIRS.contains(&(name.as_str(), word.as_str())) {
        let message = format!("{name} {word} is not for scripts: it changes the connection or the server under them");
        return Err(Unfit::at(command.line, message));
    }
    Ok(())
}

/// `[name, arity, flags, first, last, step, categories, tips, key specifications, subcommands]`, in older servers shorter.
fn fact(info: &Value) -> Option<Fact> {
    let info = items(info);
    let arity = match info.get(1)? {
        Value::Int(arity) => *arity,
        _ => 0,
    };
    let flags: Vec<String> = items(info.get(2)?).iter().filter_map(text).collect();
    let alone = flags.iter().any(|f| f == "noscript" || f == "blocking");
    let mut subcommands = BTreeMap::new();
    for sub in info.get(9).map(items).unwrap_or_default() {
        let name = items(sub).first().and_then(text).unwrap_or_default();
        let short = name.split('|').next_back().unwrap_or_default().to_uppercase();
        subcommands.extend(fact(sub).map(|fact| (short, fact)));
    }
    Some(Fact { arity, alone, subcommands })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::redis::commands;

    fn info(name: &str, arity: i64, flags: &[&str], subs: Vec<Value>) -> Value {
        let text = |t: &str| Value::SimpleString(t.to_owned());
        let none = || Value::Array(Vec::new());
        Value::Array(vec![
            text(name),
            Value::Int(arity),
            Value::Array(flags.iter().map(|f| text(f)).collect()),
            Value::Int(0),
            Value::Int(0),
            Value::Int(0),
            none(),
            none(),
            none(),
            Value::Array(subs),
        ])
    }

    fn facts() -> Facts {
        let all = [
            ("GET", Some(info("get", 2, &["readonly"], vec![]))),
            ("HSET", Some(info("hset", -4, &["write"], vec![]))),
            ("BLPOP", Some(info("blpop", -3, &["write", "blocking"], vec![]))),
            ("CONFIG", Some(info("config", -2, &[], vec![info("config|set", -4, &["noscript"], vec![])]))),
            ("SETT", None),
        ];
        Facts(Some(all.into_iter().map(|(n, i)| (n.to_owned(), i.as_ref().and_then(fact))).collect()))
    }

    fn check(text: &str) -> Result<bool, String> {
        facts().check(&commands(text).unwrap()[0]).map_err(|unfit| unfit.message)
    }

    #[test]
    fn slips_are_found_before_anything_runs() {
        assert_eq!(check("get a"), Ok(false));
        assert_eq!(check("HSET a b c d e"), Ok(false));
        assert_eq!(check("get a b").unwrap_err(), "wrong number of arguments for GET: it takes 1, and 2 are given");
        assert_eq!(
            check("HSET a b").unwrap_err(),
            "wrong number of arguments for HSET: it takes at least 3, and 2 are given"
        );
        assert_eq!(check("SETT a b").unwrap_err(), "the server knows no command `SETT`");
        assert_eq!(check("CONFIG SAT a b").unwrap_err(), "the server knows no subcommand `SAT` of CONFIG");
        assert!(check("CONFIG SET a").unwrap_err().starts_with("wrong number of arguments for CONFIG SET"));
    }

    #[test]
    fn some_go_alone_and_some_not_at_all() {
        assert_eq!(check("BLPOP a 1"), Ok(true));
        assert_eq!(check("CONFIG SET a b"), Ok(true));
        for text in ["FLUSHALL", "flushdb ASYNC", "SELECT 1", "MULTI", "QUIT", "SUBSCRIBE x", "CLIENT REPLY OFF"] {
            assert!(check(text).unwrap_err().contains("is not for scripts"), "{text}");
        }
        assert_eq!(Facts::default().check(&commands("BLPOP a 1").unwrap()[0]), Ok(true));
        assert_eq!(Facts::default().check(&commands("ANY thing").unwrap()[0]), Ok(false));
    }
}
