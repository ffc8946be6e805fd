//! InfluxDB 1 and 2, observed over plain HTTP.

mod first;
mod second;

pub use first::FIRST;
pub use second::SECOND;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// A server and what lets us in.
struct Server {
    /// `127.0.0.1:21086`.
    place: String,
    /// The header `authorization`.
    login: String,
}

impl Server {
    /// One request of HTTP 1.0: status and body.
    fn ask(&self, method: &str, path: &str, content_type: &str, body: &str) -> (u16, String) {
        let head = format!(
            "{method} {path} HTTP/1.0\r\nhost: {}\r\nauthorization: {}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            self.place,
            self.login,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.place).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn json(&self, method: &str, path: &str, content_type: &str, body: &str) -> Value {
        let (status, answer) = self.ask(method, path, content_type, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// A text as a field of line protocol.
fn field(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The ledger's place for a record: the lease's number, then the record's.
const LEASE: i64 = 1 << 32;

/// Entries, added up from the records by the rules of docs/stores.md.
fn entries(mut records: Vec<(i64, Value)>) -> Vec<(String, String, String)> {
    records.sort_by_key(|(place, _)| *place);
    let opens: Vec<(i64, i64)> = records
        .iter()
        .filter(|(_, record)| record["op"] == "open")
        .map(|(place, record)| (place / LEASE, record["after"].as_i64().unwrap()))
        .collect();
    let mut found = Vec::new();
    for (place, record) in records {
        let late = opens.iter().any(|(lease, after)| *lease > place / LEASE && *after < place);
        match record["op"].as_str().unwrap() {
            "entry" if !late => {
                let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
                found.push((text("event"), text("direction"), text("label")));
            }
            "wipe" if !late => found.clear(),
            _ => {}
        }
    }
    found
}

/// The record with which a lease of somebody else begins.
fn open(after: i64) -> String {
    serde_json::json!({ "format": 1, "token": "somebody-else", "op": "open", "after": after }).to_string()
}
