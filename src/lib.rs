//! Stepladder takes every data store of a system up and down the same ladder of migrations.

pub mod domain;
