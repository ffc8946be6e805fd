//! The binary, killed at random moments.
