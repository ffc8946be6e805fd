//! What a server's refusals mean.

use crate::domain::Failure;

/// What a server's refusal means, by its first word.
pub fn refusal(place: &str, words: &str) -> Failure {
    match words.split(' ').next().unwrap_or_default() {
        "MOVED" | "ASK" | "TRYAGAIN" => Failure::unreachable(format!("the cluster at {place} is moving slots: {words}"))
            .hint("run the command again when it is done; `redis-cli --cluster check HOST:PORT` shows it"),
        "CLUSTERDOWN" => Failure::unreachable(format!("the cluster at {place} is down: {words}"))
            .hint("`redis-cli --cluster check HOST:PORT` shows what it lacks"),
        "READONLY" => Failure::unreachable(format!("{place} is a replica, which takes no writes"))
            .detail(words.to_owned())
            .hint("give the address of its master; `redis-cli INFO replication` shows it"),
        "LOADING" => Failure::unreachable(format!("{place} is still loading its data"))
            .detail(words.to_owned())
            .hint("`stepladder wait` waits for it"),
        "NOAUTH" | "WRONGPASS" => {
            Failure::unreachable(format!("{place} does not let us in: {words}")).hint("check user and password")
        }
        "NOPERM" => Failure::failed(format!("{place} refuses: {words}"))
            .hint("the user needs `~*` and the commands that the scripts use, and EVAL, COMMAND, INFO, TIME, RPUSH, LRANGE, LLEN and the hash commands"),
        "OOM" => Failure::failed(format!("{place} has no memory left for writes: {words}"))
            .hint("raise `maxmemory`, or remove what is not needed"),
        "MISCONF" | "NOREPLICAS" | "MASTERDOWN" => Failure::unreachable(format!("{place} takes no writes now: {words}")),
        "BUSY" => Failure::unreachable(format!("{place} is busy running a script: {words}"))
            .hint("`redis-cli SCRIPT KILL` ends one that has written nothing"),
        _ => Failure::failed(format!("{place} refuses: {words}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        use crate::FailureKind::{Failed, Unreachable};
        for (words, kind, says) in [
            ("MOVED 3999 127.0.0.1:6381", Unreachable, "moving slots"),
            ("CLUSTERDOWN Hash slot not served", Unreachable, "is down"),
            ("READONLY You can't write against a read only replica.", Unreachable, "replica"),
            ("LOADING Redis is loading the dataset in memory", Unreachable, "loading"),
            ("NOPERM this user has no permissions", Failed, "NOPERM"),
            ("ERR anything", Failed, "ERR anything"),
        ] {
            let failure = refusal("host:1/0", words);
            assert_eq!(failure.kind, kind, "{words}");
            assert!(failure.message.contains(says), "{failure}");
        }
    }
}
