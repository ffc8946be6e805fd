//! What a person or a program is told, written from data.

pub mod words;
