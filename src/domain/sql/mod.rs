//! SQL read as statements, without a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub line: usize,
    pub what: String,
}
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclosed {
    pub line: usize,
    pub what: &'static str,
}
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub statements: usize,
    pub unclosed: Option<Unclosed>,
    pub own_transaction: Option<Mark>,
    pub outside_transaction: Option<Mark>,
    pub client_language: Option<Mark>,
    pub commit_in_do: Option<Mark>,
    pub sets_role: Option<Mark>,
    pub foreign_keys_pragma: Option<Mark>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    Sqlite,
    Mysql,
}
pub fn shape(_text: &str, _dialect: Dialect) -> Shape {
    Shape::default()
}
