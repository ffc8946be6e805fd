//! Watches what a script does to its connection: refuses what would break the promise of the step, and notes what
//! the next step must not feel.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};

use super::ledger::is_own;

/// Whose statements are being prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Guard {
    /// Ours.
    Off = 0,
    /// A script's that is one transaction with its entry.
    Atomic = 1,
    /// A script's that is run in parts.
    Parts = 2,
}

/// The shared state of a connection's hooks.
#[derive(Default)]
pub(super) struct Gate {
    guard: AtomicU8,
    dirty: AtomicBool,
    ends_transaction: AtomicBool,
    commits: AtomicU64,
    refused: Mutex<Option<Refused>>,
}

/// A statement that was not let through: why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Instead of SQLite's "not authorized".
    pub message: String,
    /// Advice.
    pub hint: String,
}

impl Gate {
    /// Sets the hooks of a connection. Once and for all: setting an authorizer makes SQLite forget every prepared statement.
    pub fn set(connection: &mut Connection) -> rusqlite::Result<Arc<Self>> {
        let gate = Arc::new(Self::default());
        let for_authorizer = Arc::clone(&gate);
        connection.authorizer(Some(move |context: AuthContext<'_>| for_authorizer.judge(&context)))?;
        let for_commits = Arc::clone(&gate);
        connection.commit_hook(Some(move || {
            for_commits.commits.fetch_add(1, SeqCst);
            false
        }))?;
        Ok(gate)
    }

    /// Says whose statements come now.
    pub fn guard(&self, guard: Guard) {
        self.guard.store(guard as u8, SeqCst);
    }

    /// Whether a script has left something in the connection that outlives its transaction.
    pub fn is_dirty(&self) -> bool {
        self.dirty.load(SeqCst)
    }

    /// How many transactions that wrote something were committed on this connection.
    pub fn commits(&self) -> u64 {
        self.commits.load(SeqCst)
    }

    /// Whether the statement prepared last is one that commits.
    pub fn take_ends_transaction(&self) -> bool {
        self.ends_transaction.swap(false, SeqCst)
    }

    /// Why the statement prepared last was refused.
    pub fn take_refused(&self) -> Option<Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn refuse(&self, message: String, hint: &str) -> Authorization {
        let refused = Refused { message, hint: hint.to_owned() };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
        Authorization::Deny
    }

    /// Called for each thing that each statement would do, so the ordinary ones must be quick.
    fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        let guard = self.guard.load(SeqCst);
        if guard == Guard::Off as u8 {
            return Authorization::Allow;
        }
        match context.action {
            AuthAction::Read { .. } | AuthAction::Select | AuthAction::Function { .. } => {}
            AuthAction::Transaction { operation } if guard == Guard::Atomic as u8 => {
                return self.refuse(
                    format!("{} inside the transaction that the script shares with its entry", word(operation)),
                    "leave the transaction to Stepladder, or put `-- stepladder: no-transaction` at the top",
                );
            }
            AuthAction::Transaction { operation: TransactionOperation::Unknown } => {
                self.ends_transaction.store(true, SeqCst);
            }
            AuthAction::Pragma { pragma_name, pragma_value } => {
                self.dirty.store(true, SeqCst);
                // SQLite ignores both without a word.
                let ignored = ["foreign_keys", "journal_mode"].iter().find(|n| pragma_name.eq_ignore_ascii_case(n));
                if let Some(name) = ignored.filter(|_| pragma_value.is_some() && guard == Guard::Atomic as u8) {
                    return self.refuse(
                        format!("PRAGMA {name} has no effect inside a transaction"),
                        "put `-- stepladder: no-transaction` at the top of the script",
                    );
                }
            }
            AuthAction::Attach { .. }
            | AuthAction::CreateTempIndex { .. }
            | AuthAction::CreateTempTable { .. }
            | AuthAction::CreateTempTrigger { .. }
            | AuthAction::CreateTempView { .. } => self.dirty.store(true, SeqCst),
            AuthAction::Insert { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::Delete { table_name }
            | AuthAction::DropTable { table_name }
            | AuthAction::DropView { view_name: table_name }
            | AuthAction::CreateTrigger { table_name, .. }
            | AuthAction::CreateIndex { table_name, .. }
            | AuthAction::AlterTable { table_name, .. } => return self.write(context, table_name),
            // A virtual table in the temporary schema is not announced as a temporary one.
            AuthAction::CreateVtable { .. } if context.database_name == Some("temp") => self.dirty.store(true, SeqCst),
            _ => {}
        }
        Authorization::Allow
    }

    fn write(&self, context: &AuthContext<'_>, table: &str) -> Authorization {
        let elsewhere = match context.action {
            AuthAction::AlterTable { database_name, .. } => database_name != "main",
            _ => context.database_name != Some("main"),
        };
        if elsewhere || !is_own(table) {
            return Authorization::Allow;
        }
        self.refuse(
            format!("{table} is Stepladder's own, and a script must not change it"),
            "`stepladder repair` and `stepladder baseline` correct what the ledger says",
        )
    }
}

fn word(operation: TransactionOperation) -> &'static str {
    match operation {
        TransactionOperation::Begin => "BEGIN",
        TransactionOperation::Rollback => "ROLLBACK",
        _ => "COMMIT",
    }
}
