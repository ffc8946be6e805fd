//! Stepladder takes every data store of a system up and down the same ladder of migrations.
//!
//! The crate is a pure core ([`domain`]), one executing loop ([`execute`]) and stores behind one small seam
//! ([`stores`]). An application embeds it through [`Project`]; the binary `stepladder` is a thin shell around
//! the same thing ([`cli`], [`commands`], [`report`]). `docs/architecture.md` explains the cuts.

pub mod cli;
pub mod commands;
pub mod config;
pub mod discover;
pub mod domain;
pub mod execute;
pub mod files;
pub mod process;
pub mod project;
pub mod report;
pub mod stores;

pub use domain::{Failure, FailureKind};
pub use project::Project;
