//! What each command takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::domain::Version;
use crate::domain::directive::duration;

/// For commands that take leases.
#[derive(Args, Clone, Debug)]
pub struct LeaseArgs {
    /// Wait so long for a lease that another run holds
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0s")]
    pub wait_lock: Duration,
}

/// `up`.
#[derive(Args, Clone, Debug)]
pub struct UpArgs {
    /// Nothing above this version
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub to: Option<Version>,
    /// At most so many migrations
    #[arg(long, value_name = "N", alias = "step")]
    pub steps: Option<usize>,
    /// Show what would run and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Apply pending migrations below the highest applied one too
    #[arg(long)]
    pub out_of_order: bool,
    /// Plan against empty ledgers, connecting to nothing (a dry run)
    #[arg(long)]
    pub offline: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `down`.
#[derive(Args, Clone, Debug)]
pub struct DownArgs {
    /// So many migrations, 1 by default
    #[arg(value_name = "N", group = "target")]
    pub count: Option<usize>,
    /// So many migrations
    #[arg(long, value_name = "N", alias = "step", group = "target", hide = true)]
    pub steps: Option<usize>,
    /// Everything above this version
    #[arg(long, value_name = "VERSION", value_parser = version, group = "target")]
    pub to: Option<Version>,
    /// Exactly this version
    #[arg(long, value_name = "VERSION", value_parser = named, group = "target", hide = true)]
    pub version: Option<Named>,
    /// Everything that this run applied
    #[arg(long, value_name = "ID", group = "target")]
    pub run: Option<String>,
    /// Everything
    #[arg(long, group = "target")]
    pub all: bool,
    /// Show what would run and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `redo`.
#[derive(Args, Clone, Debug)]
pub struct RedoArgs {
    /// So many migrations
    #[arg(value_name = "N", default_value_t = 1)]
    pub count: usize,
    /// Show what would run and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `goto`.
#[derive(Args, Clone, Debug)]
pub struct GotoArgs {
    /// The version to be at; 0 means nothing applied
    #[arg(value_name = "VERSION", value_parser = version)]
    pub version: Version,
    /// Show what would run and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `fresh`.
#[derive(Args, Clone, Debug)]
pub struct FreshArgs {
    /// Run the seed scripts afterwards
    #[arg(long)]
    pub seed: bool,
    /// Show what would be dropped and run, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `migrate:reset` and `migrate:refresh`.
#[derive(Args, Clone, Debug)]
pub struct ResetArgs {
    /// Show what would run and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Show all applied migrations, not only the newest
    #[arg(short, long)]
    pub all: bool,
}

/// `history`.
#[derive(Args, Clone, Debug)]
pub struct HistoryArgs {
    /// Only the newest N events
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<usize>,
}

/// `generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// The store (the only one, or sqlite, when left out), and what the migration is about
    #[arg(value_names = ["STORE", "NAME"], num_args = 1..=2, required_unless_present = "list")]
    pub words: Vec<String>,
    /// Begin with this template
    #[arg(short, long, value_name = "NAME")]
    pub template: Option<String>,
    /// Number it by the time instead of the next number
    #[arg(long)]
    pub timestamp: bool,
    /// List the templates
    #[arg(long, conflicts_with_all = ["words", "template", "timestamp"])]
    pub list: bool,
}

/// `seed`.
#[derive(Args, Clone, Debug)]
pub struct SeedArgs {
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `repair`.
#[derive(Args, Clone, Debug)]
pub struct RepairArgs {
    /// The migration to settle; all that need it are listed without
    #[arg(value_name = "STORE/VERSION")]
    pub target: Option<String>,
    /// Run the rest of a half-applied script
    #[arg(long, group = "settle", requires = "target")]
    pub resume: bool,
    /// Say how it is to be seen: applied or reverted
    #[arg(long, value_name = "STANDING", value_enum, group = "settle", requires = "target")]
    pub mark: Option<Mark>,
    /// Take the file as it is now for what was applied
    #[arg(long, group = "settle", requires = "target")]
    pub accept_checksum: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// How a migration is to be seen.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was finished by hand
    Applied,
    /// It was undone by hand
    Reverted,
}

/// `baseline`.
#[derive(Args, Clone, Debug)]
pub struct BaselineArgs {
    /// The newest version that is there already
    #[arg(value_name = "VERSION", value_parser = version)]
    pub version: Version,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `unlock`.
#[derive(Args, Clone, Debug)]
pub struct UnlockArgs {
    /// Release it even though its holder may be at work
    #[arg(long)]
    pub force: bool,
}

/// `wait`.
#[derive(Args, Clone, Debug)]
pub struct WaitArgs {
    /// Give up after so long
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s")]
    pub timeout: Duration,
}

/// `completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Write one page per command into this folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

fn time(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "expected a time such as 30s, 5m or 1h30m".to_owned())
}

/// A version with the name that was typed behind it, if one was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its number.
    pub version: Version,
    /// What stood behind the first underscore.
    pub name: Option<String>,
}

fn named(text: &str) -> Result<Named, String> {
    let name = text.split_once('_').map(|(_, name)| name.to_owned());
    Ok(Named { version: version(text)?, name })
}

/// A version as people copy it: `7`, `007` or `007_split_names`.
pub fn version(text: &str) -> Result<Version, String> {
    let digits = text.split_once('_').map_or(text, |(digits, _)| digits);
    digits.parse().map_err(|e: crate::domain::version::VersionError| e.to_string())
}
