//! What the suite needs to know of a kind: how to get a fresh store, how to say things in its language, and how to
//! look into it and meddle with it from outside, without any of our code.

use std::time::Duration;

use stepladder::stores::Card;

/// A fresh store of a kind, with nobody else in it. Dropping it takes the store away.
pub trait Subject: Send + Sync {
    /// Where it is, as `STEPLADDER_<NAME>_URL` says it.
    fn url(&self) -> String;

    /// Further lines of the store's section: where the client is.
    fn section(&self) -> String {
        String::new()
    }

    /// The kind's card.
    fn card(&self) -> &'static Card;

    /// What the files of its scripts end in.
    fn extension(&self) -> &'static str {
        self.card().extensions[0]
    }

    // --- scripts, one statement each, in one line unless the text that it keeps has more

    /// Makes a thing that was not there.
    fn create(&self, thing: &str) -> String;

    /// Takes a thing away.
    fn remove(&self, thing: &str) -> String;

    /// Makes the notebook, in which scripts leave a trace of having run.
    fn notebook(&self) -> String;

    /// Writes a word into the notebook.
    fn note(&self, word: &str) -> String;

    /// Is rejected by the store.
    fn reject(&self) -> String;

    /// Takes a while.
    fn sleep(&self, time: Duration) -> String;

    /// Makes the shelf, which keeps texts.
    fn shelf(&self) -> String;

    /// Keeps a text on the shelf.
    fn keep(&self, name: &str, text: &str) -> String;

    /// Makes whatever runs scripts say so many bytes that are no error.
    fn noise(&self, bytes: usize) -> String;

    /// A comment of one line.
    fn comment(&self, text: &str) -> String;

    /// Whether the parts of these scripts are journalled. A kind may do so for one of its languages and not for another.
    fn journals(&self) -> bool {
        self.card().journals
    }

    /// A deadline within which [`Subject::create`] gets done, however many programs that starts on a busy machine.
    fn deadline(&self) -> Duration {
        Duration::from_secs(2)
    }

    // --- the outside observer

    /// A picture of the whole store, ledger and all: equal pictures mean that nothing changed.
    fn picture(&self) -> String;

    /// The user's things, sorted: those of [`Subject::create`] by their bare names, anything else as it is called.
    fn things(&self) -> Vec<String>;

    /// The words in the notebook, in order; none without a notebook.
    fn notes(&self) -> Vec<String>;

    /// A text from the shelf.
    fn kept(&self, name: &str) -> Option<String>;

    /// The ledger: event, direction and label of each entry; empty where there is none.
    fn ledger(&self) -> Vec<(String, String, String)>;

    /// Everything in the store as text, for finding what must not be in it.
    fn dump(&self) -> String;

    /// The process that holds the lease.
    fn lease_pid(&self) -> Option<u32>;

    /// Whether a meddler can write while a script runs. Where it cannot, nobody else can take the lease from that
    /// script either.
    fn lets_meddle(&self) -> bool {
        true
    }

    /// Scripts that are still at work inside the store.
    fn at_work(&self) -> usize {
        0
    }

    // --- the outside meddler

    /// Gives the lease to somebody of another host, for this long.
    fn give_lease_away(&self, time: Duration);

    /// Takes the lease away and leaves none.
    fn delete_lease(&self);

    /// Says that the holder is a process of another host, and leaves everything else.
    fn move_lease_elsewhere(&self);

    /// Says that the ledger has a format of the future.
    fn raise_format(&self);

    /// Makes one of each sort of thing that a user may have.
    fn litter(&self);

    /// Makes things beside the store that are not the user's, or not this store's.
    fn plant_foreign(&self);

    /// Whether all that [`Subject::plant_foreign`] made is still there.
    fn foreign_is_there(&self) -> bool;

    // --- the way in

    /// A URL with a wrong password, and the secret in it.
    fn wrong_password(&self) -> Option<(String, String)> {
        None
    }

    /// A URL that leads nowhere, and the secret in it, if there is one.
    fn unreachable(&self) -> Option<(String, Option<String>)> {
        None
    }

    /// The secret in [`Subject::url`].
    fn secret(&self) -> Option<String> {
        None
    }
}

/// A column of the table: a way to get subjects.
pub struct Source {
    /// Its name in trials and in the table.
    pub name: &'static str,
    /// The kind's name.
    pub kind: &'static str,
    /// The variable that says where the server is; none where no server is needed.
    pub variable: Option<&'static str>,
    /// Makes a fresh store.
    pub make: fn() -> Box<dyn Subject>,
}

/// Whether a source is to be run here, or what to do about its server.
pub enum Selected {
    /// It is.
    Yes,
    /// It is not, and why.
    LeftOut(String),
    /// It should be, and cannot.
    Missing(String),
}

impl Source {
    /// Decides by the environment: `STEPLADDER_TEST_SERVERS` is `none`, `all` or not set; `CI` counts as `all`.
    pub fn selected(&self) -> Selected {
        if stepladder::stores::kind(self.kind).is_none() {
            return Selected::LeftOut(format!("this build has no kind {}", self.kind));
        }
        let Some(variable) = self.variable else { return Selected::Yes };
        let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
        if wish == "none" {
            return Selected::LeftOut("STEPLADDER_TEST_SERVERS is none".to_owned());
        }
        if std::env::var(variable).is_ok_and(|url| !url.is_empty()) {
            return Selected::Yes;
        }
        let advice = format!("{variable} is not set; `tests/servers/servers.sh start` starts a server");
        match wish == "all" || std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false") {
            true => Selected::Missing(advice),
            false => Selected::LeftOut(advice),
        }
    }

    /// The kind's card.
    pub fn card(&self) -> &'static Card {
        &stepladder::stores::kind(self.kind).unwrap().card
    }
}

/// A name that nobody else uses: `conf_` and random digits.
pub fn random_name() -> String {
    use std::hash::{BuildHasher, Hasher};
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u64(NEXT.fetch_add(1, Ordering::SeqCst));
    hasher.write_u32(std::process::id());
    format!("conf_{:012x}", hasher.finish() >> 16)
}
