//! Who takes a lease, and who holds one.

use serde::Serialize;

/// This process, as a lease names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's name.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// What tells this process from another one with the same id: boot, pid namespace and start time. Empty
    /// where the system does not say.
    pub process: String,
    /// The run's id.
    pub run: String,
    /// Fencing token: a random text that every ledger write of this run carries.
    pub token: String,
    /// `stepladder <version>`.
    pub tool: String,
}

impl Owner {
    /// `user@host`, as entries keep it.
    pub fn who(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }
}

/// A lease that somebody holds, as read from the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The user's name.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// The process id on that host.
    pub pid: u32,
    /// See [`Owner::process`].
    #[serde(skip)]
    pub process: String,
    /// Its run's id.
    pub run: String,
    /// Its fencing token: what `unlock` compares.
    #[serde(skip)]
    pub token: String,
    /// When the lease was taken, in milliseconds since 1970-01-01 UTC, by the store's clock.
    pub since_ms: i64,
    /// Milliseconds since its last renewal, by the store's clock.
    pub idle_ms: i64,
    /// Milliseconds until it expires, by the store's clock; negative once it has.
    pub expires_in_ms: i64,
}

impl Holder {
    /// `user@host (pid 4121)`.
    pub fn who(&self) -> String {
        format!("{}@{} (pid {})", self.user, self.host, self.pid)
    }

    /// Whether the lease may be taken over: it has expired, or its owner was a process of this host that is gone.
    pub fn is_stale(&self, here: &Owner) -> bool {
        self.expires_in_ms <= 0 || crate::process::identity::is_gone(self, here)
    }

    /// Why it was taken over, for the ledger's `unlocked` entry.
    pub fn takeover_note(&self) -> String {
        let why = if self.expires_in_ms <= 0 { "its lease had expired" } else { "its process was gone" };
        format!("taken over from {} of run {}: {why}", self.who(), self.run)
    }
}
