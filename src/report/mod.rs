//! What a person or a program is told, written from data.

pub mod failure;
pub mod findings;
pub mod listener;
pub mod plan;
pub mod screen;
pub mod status;
pub mod table;
pub mod words;

pub use listener::Listener;
pub use screen::{Screen, Style};
pub use table::{Cell, Table};
