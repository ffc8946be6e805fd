//! Redis, and what speaks like it: scripts of commands (`.redis`) or of Lua (`.lua`), built in.
//!
//! A script that can be is one Lua script on the server together with its ledger entry ([`whole`]): the check of the lease, the
//! commands in order up to the first that is refused, and what the ledger says of it, so that there is never a half without its
//! count. Redis takes nothing back, so the card promises no more than that. [`facts`] finds slips before anything is sent.

mod afterwards;
mod away;
mod cluster;
mod connect;
mod endpoint;
mod facts;
mod job;
mod lease;
mod ledger;
mod locked;
mod moved;
mod pieces;
mod probe;
mod ready;
mod refusal;
mod run;
mod session;
mod verdict;
mod whole;
mod wipe;
mod words;

use std::sync::Arc;

use self::cluster::Cluster;
use self::endpoint::{Endpoint, OPTIONS, SCHEMES};
use self::facts::Facts;
use self::job::{Job, Piece};
use self::lease::Attempt;
use self::locked::Held;
use self::ready::Ready;
use self::session::Session;
use super::{Atomicity, Card, Holder, Kind, Ledger, Owner, Preview, Probe, Settings, Step, Store, StoredScript, Taken};
use crate::config::Secret;
use crate::domain::plan::count;
use crate::domain::{Failure, Version};

/// The kind.
pub static KIND: Kind = Kind {
    card: Card {
        name: "redis",
        aliases: &["valkey"],
        title: "Redis",
        extensions: &["redis", "lua"],
        client: None,
        atomic: Atomicity::None,
        journals: true,
        dialect: None,
        variables: &["REDIS_URL", "VALKEY_URL"],
        ambient: &[],
        default_url: None,
        schemes: SCHEMES,
        default_port: Some(6379),
        options: OPTIONS,
        example_url: "redis://app:secret@localhost:6379/0",
        not_promised: &[],
    },
    open,
};

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    let endpoint = Arc::new(Endpoint::resolve(settings)?);
    let session = Session::new(Arc::clone(&endpoint));
    Ok(Box::new(Redis { settings: settings.clone(), endpoint, session, cautions: Vec::new() }))
}

/// A database, seen from outside.
struct Redis {
    settings: Settings,
    /// As the settings say; in a cluster the session may have been sent on to another node.
    endpoint: Arc<Endpoint>,
    session: Session,
    cautions: Vec<String>,
}

impl Redis {
    fn shown(&self, step: &Step) -> Result<Vec<String>, Failure> {
        let unfit = |unfit: job::Unfit| {
            let failure = Failure::findings(format!("{}:{}: {}", step.path, unfit.line, unfit.message));
            unfit.hints.into_iter().fold(failure, Failure::hint)
        };
        let job = Job::read(step, &self.session.endpoint.prefix).map_err(unfit)?;
        // The server is not asked: what it alone knows of a command shows when it runs.
        let ready = Ready::new(step, job, &Facts::default()).map_err(unfit)?;
        let mut lines = Vec::new();
        if let Job::Program(program) = &ready.job {
            lines.push(match ready.pieces.is_empty() {
                true => "one Lua script, with its entry:".to_owned(),
                false => "a Lua script, again with the cursor that it returns until that is 0:".to_owned(),
            });
            lines.extend(program.text.lines().map(|line| format!("  {line}")));
        }
        for piece in &ready.pieces {
            let (first, end) = piece.range();
            match piece {
                Piece::Repeated | Piece::Away(..) | Piece::Program => continue,
                Piece::Alone(_) => lines.push("alone, then its journal:".to_owned()),
                Piece::Together(..) if ready.pieces.len() == 1 => {
                    lines.push(format!("{} as one Lua script with the entry:", count(end - first, "command")));
                }
                Piece::Together(..) => {
                    lines.push(format!("{} as one Lua script with the journal:", count(end - first, "command")));
                }
            }
            lines.extend(ready.job.commands()[first..end].iter().map(|c| format!("  {}", shown(&c.words))));
        }
        lines.push(format!("entry: {} is done", step.label));
        Ok(lines)
    }
}

/// A command as `redis-cli` would take it.
fn shown(words: &[Vec<u8>]) -> String {
    let quote = |word: &Vec<u8>| {
        let plain = !word.is_empty() && word.iter().all(|b| b.is_ascii_graphic() && !b"\"'\\#".contains(b));
        match std::str::from_utf8(word) {
            Ok(text) if plain => text.to_owned(),
            Ok(text) => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
                format!("\"{escaped}\"")
            }
            Err(_) => format!("\"{}\"", word.iter().map(|b| format!("\\x{b:02x}")).collect::<String>()),
        }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

impl Store for Redis {
    fn address(&self) -> String {
        self.endpoint.to_string()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        probe::probe(&mut self.session)
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        let (ledger, cautions) = ledger::look_around(&mut self.session)?;
        self.cautions = cautions;
        Ok(ledger)
    }

    fn cautions(&self) -> Vec<String> {
        self.cautions.clone()
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        lease::holder(&mut self.session)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&mut self.session, version)
    }

    fn preview(&self, steps: &[Step], _run: &str) -> Result<Preview, Failure> {
        let steps = steps.iter().map(|step| self.shown(step)).collect::<Result<_, _>>()?;
        Ok(Preview { client: "built in".to_owned(), steps })
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        wipe::inventory(&mut self.session)
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        self.endpoint.environment()
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        let cluster = Cluster::find(&mut self.session)?;
        if cluster.is_none() {
            probe::no_replica(&mut self.session)?;
        }
        match lease::take(&mut self.session, owner, self.settings.lease)? {
            Attempt::Held(holder) => Ok(Taken::Held(holder)),
            Attempt::Ours(took_over) => {
                let another = self.session.another();
                let session = std::mem::replace(&mut self.session, another);
                let settings = self.settings.clone();
                Ok(Taken::Ours(Box::new(Held {
                    session,
                    settings,
                    owner: owner.clone(),
                    took_over,
                    cluster,
                    told: Vec::new(),
                })))
            }
        }
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        lease::unlock(&mut self.session, seen, by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_they_are_typed() {
        let line = r#"SET "a b" "it's \"so\"" "#.to_owned() + "\"\\xff\"";
        let words = &crate::domain::redis::commands(&line).unwrap()[0].words;
        assert_eq!(shown(words), line);
    }
}
