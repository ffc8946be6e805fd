//! SQL read as statements, without a server.
