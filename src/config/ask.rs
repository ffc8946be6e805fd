//! Asks for a connection that is missing, on a terminal and only when a command needs it.

use std::io::{self, BufRead, IsTerminal, Write};

use super::{Secret, StoreConfig};
use crate::domain::Failure;
use crate::stores::Card;

/// Asks on the terminal; `None` where there is nobody to ask.
///
/// # Errors
/// The terminal went away.
pub fn on_terminal(store: &StoreConfig) -> Result<Option<Secret>, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let card = &store.kind.card;
    say(&format!(
        "{} has no connection yet ({}). Set {} to be asked no more.",
        store.name,
        card.title,
        store.variable()
    ));
    let url = match card.default_port {
        Some(port) => server(card, port),
        None => place(card),
    };
    url.map(|url| Some(Secret::new(url))).map_err(|e| Failure::usage(format!("the answers cannot be read: {e}")))
}

/// What the questions about a server gather.
#[derive(Debug, Default)]
struct Answers {
    host: String,
    port: String,
    database: String,
    user: String,
    password: String,
}

fn server(card: &Card, port: u16) -> io::Result<String> {
    let mut answers = Answers {
        host: question("host", "localhost")?,
        port: question("port", &port.to_string())?,
        database: question("database", "")?,
        user: question("user", "")?,
        password: String::new(),
    };
    answers.password = rpassword::prompt_password("  password: ")?;
    Ok(url(card.schemes.first().copied().unwrap_or(card.name), &answers))
}

/// For kinds that are a file: its path.
fn place(card: &Card) -> io::Result<String> {
    let path = question("path", card.default_url.unwrap_or(""))?;
    let scheme = card.schemes.first().copied().unwrap_or(card.name);
    Ok(if path.contains(':') { path } else { format!("{scheme}:{path}") })
}

fn url(scheme: &str, answers: &Answers) -> String {
    let mut url = format!("{scheme}://");
    if !answers.user.is_empty() || !answers.password.is_empty() {
        url.push_str(&escaped(&answers.user));
        if !answers.password.is_empty() {
            url.push(':');
            url.push_str(&escaped(&answers.password));
        }
        url.push('@');
    }
    let bare_v6 = answers.host.contains(':') && !answers.host.starts_with('[');
    let host = if bare_v6 { format!("[{}]", answers.host) } else { answers.host.clone() };
    url.push_str(&format!("{host}:{}", answers.port));
    if !answers.database.is_empty() {
        url.push('/');
        url.push_str(&escaped(&answers.database));
    }
    url
}

/// Percent-encodes everything that could mean something in a URL.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn question(what: &str, default: &str) -> io::Result<String> {
    let proposal = if default.is_empty() { String::new() } else { format!(" [{default}]") };
    let mut stderr = io::stderr();
    write!(stderr, "  {what}{proposal}: ")?;
    stderr.flush()?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let answer = line.trim();
    Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_a_url_whatever_they_hold() {
        let answers = Answers {
            host: "db.internal".to_owned(),
            port: "5432".to_owned(),
            database: "my app".to_owned(),
            user: "deploy".to_owned(),
            password: "p@ss:w/rd%".to_owned(),
        };
        assert_eq!(url("postgres", &answers), "postgres://deploy:p%40ss%3Aw%2Frd%25@db.internal:5432/my%20app");
        let bare = Answers { host: "::1".to_owned(), port: "6379".to_owned(), ..Answers::default() };
        assert_eq!(url("redis", &bare), "redis://[::1]:6379");
    }
}
