//! The pure core: no file system, no process, no environment, no clock.

pub mod sql;
