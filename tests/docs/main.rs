//! The console blocks of the documentation, run.
